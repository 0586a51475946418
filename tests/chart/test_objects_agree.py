"""What one object says of another is true: selectors, names, ports, volumes."""

from collections.abc import Iterator

from tests.chart.rendering import NAMESPACE, Object, Rendering, matches, render

CLUSTER_WIDE = {
    *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
}
# What values name and the chart does not make.
OF_OTHERS = {"own-keys", "own-nats", "nats-account", "proxy"}


def test_every_object_is_in_the_namespace_of_the_release(rendering: Rendering) -> None:
    for one in rendering.objects:
        expected = None if one["kind"] in CLUSTER_WIDE else NAMESPACE
        assert one["metadata"].get("namespace") == expected, (one["kind"], one["metadata"]["name"])


def test_no_object_is_made_twice(rendering: Rendering) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in rendering.objects]
    assert len(names) == len(set(names))


def test_every_object_says_whose_it_is(rendering: Rendering) -> None:
    for one in rendering.objects:
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "mayfly"
        assert labels["app.kubernetes.io/part-of"] == "mayfly"
        assert "app.kubernetes.io/component" in labels


def test_workloads_select_their_own_pods_and_no_others(rendering: Rendering) -> None:
    templates = dict(rendering.pod_templates())
    for one in rendering.of_kind("Deployment", "StatefulSet"):
        key = f"{one['kind']}/{one['metadata']['name']}"
        selected = [
            name
            for name, template in templates.items()
            if matches(one["spec"]["selector"], template["metadata"]["labels"])
        ]
        assert selected == [key]


def test_selectors_hold_nothing_that_an_upgrade_changes(rendering: Rendering) -> None:
    for one in rendering.of_kind("Deployment", "StatefulSet"):
        assert set(one["spec"]["selector"]["matchLabels"]) == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }
        for claim in one["spec"].get("volumeClaimTemplates", []):
            assert set(claim["metadata"]["labels"]) == set(one["spec"]["selector"]["matchLabels"])


def test_policies_and_budgets_select_pods_that_are_there(rendering: Rendering) -> None:
    labels = [template["metadata"]["labels"] for _, template in rendering.pod_templates()]
    for one in rendering.of_kind("PodDisruptionBudget"):
        assert any(matches(one["spec"]["selector"], pod) for pod in labels), one["metadata"]["name"]
    for one in rendering.of_kind("NetworkPolicy"):
        assert any(matches(one["spec"]["podSelector"], pod) for pod in labels), one["metadata"]["name"]


def test_services_reach_ports_of_their_pods(rendering: Rendering) -> None:
    for service in rendering.of_kind("Service"):
        pods = [
            template["spec"]
            for _, template in rendering.pod_templates()
            if matches({"matchLabels": service["spec"]["selector"]}, template["metadata"]["labels"])
        ]
        assert len(pods) == 1, service["metadata"]["name"]
        ports = {port["name"] for container in pods[0]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_every_stateful_set_and_autoscaler_and_ingress_names_what_is_there(everything: Rendering) -> None:
    service = everything.one("StatefulSet", "mayfly-nats")["spec"]["serviceName"]
    assert everything.one("Service", service)["spec"]["clusterIP"] == "None"
    target = everything.one("HorizontalPodAutoscaler", "mayfly-gateway")["spec"]["scaleTargetRef"]
    assert "replicas" not in everything.one(target["kind"], target["name"])["spec"]
    [rule] = everything.one("Ingress", "mayfly-gateway")["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    ports = everything.one("Service", backend["name"])["spec"]["ports"]
    assert backend["port"]["name"] in {port["name"] for port in ports}


def test_pods_name_accounts_secrets_and_config_maps_that_are_there(rendering: Rendering) -> None:
    there = {(one["kind"], one["metadata"]["name"]) for one in rendering.objects}
    for name, template in rendering.pod_templates():
        for kind, referred in _references(template["spec"]):
            assert (kind, referred) in there or referred in OF_OTHERS, f"{name}: {kind} {referred}"


def _references(spec: Object) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", spec["serviceAccountName"]
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for container in spec["containers"]:
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                yield "Secret", source["secretKeyRef"]["name"]
            if "configMapKeyRef" in source:
                yield "ConfigMap", source["configMapKeyRef"]["name"]


def test_every_mount_has_its_volume_and_every_volume_its_mount(rendering: Rendering) -> None:
    for name, template in rendering.pod_templates():
        spec = template["spec"]
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        owner = name.partition("/")[2]
        if name.startswith("StatefulSet/"):
            claims = rendering.one("StatefulSet", owner)["spec"].get("volumeClaimTemplates", [])
            volumes |= {claim["metadata"]["name"] for claim in claims}
        mounted = {mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]}
        assert mounted == volumes, name


def test_hooks_and_their_company_come_and_go_together(defaults: Rendering) -> None:
    for component, hook in (("uninstall", "post-delete"), ("test", "test")):
        own = [
            one
            for one in defaults.objects
            if one["metadata"]["labels"]["app.kubernetes.io/component"] == component
        ]
        assert len(own) >= 5
        for one in own:
            annotations = one["metadata"]["annotations"]
            assert annotations["helm.sh/hook"] == hook
            assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


def test_what_is_rendered_twice_is_the_same_but_for_what_is_made_up(defaults: Rendering) -> None:
    once, again = ({_key(one): one for one in each.objects} for each in (defaults, render()))
    assert list(once) == list(again)
    changed = {key for key, one in once.items() if again[key] != one}
    assert changed == {
        "Secret/mayfly-gateway-keys",
        "Secret/mayfly-nats-auth",
        # Their pods carry the checksum of those.
        "Deployment/mayfly-gateway",
        "Deployment/mayfly-operator",
        "StatefulSet/mayfly-nats",
    }


def test_with_secrets_of_ones_own_nothing_is_made_up() -> None:
    values = ("gateway.keys.existingSecret=own-keys", "nats.auth.existingSecret=own-nats")
    assert render(*values) == render(*values)
    assert not render(*values).of_kind("Secret")


def _key(one: Object) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"
