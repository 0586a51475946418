"""Every pod of the chart keeps the restricted pod security standard, is bounded, and is watched by probes."""

import re

import pytest
from tests.chart.rendering import Object, Rendering

LASTING = {"Deployment/mayfly-gateway", "Deployment/mayfly-operator", "StatefulSet/mayfly-nats"}


def _containers(rendering: Rendering) -> list[tuple[str, Object]]:
    return [
        (name, container)
        for name, template in rendering.pod_templates()
        for container in [*template["spec"]["containers"], *template["spec"].get("initContainers", [])]
    ]


def test_pods_run_as_nobody_in_particular(rendering: Rendering) -> None:
    for name, template in rendering.pod_templates():
        context = template["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == context["runAsGroup"] == 65532, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(template["spec"]), name
        assert not any("hostPath" in volume for volume in template["spec"].get("volumes", [])), name


def test_containers_have_no_privilege_and_a_read_only_root(rendering: Rendering) -> None:
    for name, container in _containers(rendering):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["readOnlyRootFilesystem"] is True, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name
        assert not any("hostPort" in port for port in container.get("ports", [])), name


def test_containers_are_bounded(rendering: Rendering) -> None:
    for name, container in _containers(rendering):
        for kind in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][kind]), name


def test_every_volume_that_can_be_written_is_bounded(rendering: Rendering) -> None:
    for name, template in rendering.pod_templates():
        for volume in template["spec"].get("volumes", []):
            if "emptyDir" in volume:
                assert "sizeLimit" in volume["emptyDir"], name


def test_images_have_a_tag_or_digest_that_stays(rendering: Rendering) -> None:
    for name, container in _containers(rendering):
        assert re.fullmatch(r"\S+/\S+(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})", container["image"]), name


def test_what_stays_is_watched_by_probes(rendering: Rendering) -> None:
    for name, container in _containers(rendering):
        if name in LASTING:
            probes = [container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
            ports = {port["name"] for port in container["ports"]}
            assert all(probe["httpGet"]["port"] in ports for probe in probes), name
            assert all(probe["timeoutSeconds"] > 1 for probe in probes), name


def test_what_ends_has_a_bound_on_its_time(rendering: Rendering) -> None:
    bounds = {
        f"{one['kind']}/{one['metadata']['name']}": one["spec"].get("activeDeadlineSeconds")
        for one in rendering.of_kind("Job", "Pod")
    }
    assert all(bounds.values()), bounds


def test_only_who_talks_to_the_api_server_gets_a_token(rendering: Rendering) -> None:
    for account in rendering.of_kind("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    for name, template in rendering.pod_templates():
        assert template["spec"]["automountServiceAccountToken"] is (name != "StatefulSet/mayfly-nats"), name
        assert template["spec"]["enableServiceLinks"] is False, name


def test_a_gateway_leaves_only_when_another_has_come(defaults: Rendering) -> None:
    deployment = defaults.one("Deployment", "mayfly-gateway")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    # AWS's longest timeout is 900 s.
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] > 900
    assert "lifecycle" not in deployment["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("component", ["gateway", "operator", "nats"])
def test_replicas_prefer_to_be_apart_and_do_not_insist(component: str, defaults: Rendering) -> None:
    spec = defaults.pod_spec(component)
    assert set(spec["affinity"]["podAntiAffinity"]) == {"preferredDuringSchedulingIgnoredDuringExecution"}
    assert [one["whenUnsatisfiable"] for one in spec["topologySpreadConstraints"]] == ["ScheduleAnyway"]


@pytest.mark.parametrize("component", ["gateway", "operator", "nats"])
def test_values_reach_the_pods(component: str, everything: Rendering) -> None:
    spec = everything.pod_spec(component)
    assert spec["priorityClassName"] == "system-cluster-critical"
    assert spec["nodeSelector"] == {"pool": "system"}
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["tolerations"][0]["operator"] == "Exists"
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    kind = "StatefulSet" if component == "nats" else "Deployment"
    metadata = everything.one(kind, f"mayfly-{component}")["spec"]["template"]["metadata"]
    assert metadata["annotations"][f"example.com/{component}"] == "yes"
    assert "tier" in metadata["labels"]
