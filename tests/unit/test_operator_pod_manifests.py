"""The pods that the operator creates: restricted, Burstable, without volumes, and as an installation sets them."""

from dataclasses import replace

import pytest
from tests.unit.operator_objects import NEW, PYTHON, SETTINGS, version

from mayfly_model.sizing import Requests
from mayfly_operator import pod_manifests
from mayfly_operator.settings import InstanceOptions


def pod(of=None, **options):
    of = of or version()
    settings = replace(SETTINGS, instances=InstanceOptions(**options))
    return pod_manifests.pod("hello.latest-0a0a0a0a-0", of, of.shape, PYTHON, settings)


def container(**options):
    return pod(**options)["spec"]["containers"][0]


def test_the_strictest_pod_security_standard_is_kept():
    spec = pod()["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"]["allowPrivilegeEscalation"] is False
    assert container()["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & set(spec)


def test_the_nodes_own_file_for_last_words_is_where_user_code_does_not_get():
    assert container()["terminationMessagePath"] == "/root/termination-log"


def test_an_instance_ends_for_good_and_learns_nothing_of_its_neighbours():
    spec = pod()["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert spec["terminationGracePeriodSeconds"] == 5


def test_a_function_with_a_role_has_its_token():
    spec = pod(version(configuration={"serviceAccountName": "orders"}))["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("orders", True)


def test_labels_annotation_and_owner_say_whose_it_is():
    metadata = pod()["metadata"]
    assert metadata["labels"] == {
        "mayfly.dev/function": "hello",
        "mayfly.dev/version": "hello.latest",
        "mayfly.dev/runtime": "python3.13",
        "app.kubernetes.io/component": "instance",
        "app.kubernetes.io/managed-by": "mayfly",
    }
    assert metadata["annotations"] == {"mayfly.dev/revision": NEW}
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Version", "hello.latest", "uid-version")
    assert (owner["controller"], owner["blockOwnerDeletion"]) == (True, False)


def test_the_agent_is_told_who_it_is_and_whom_it_may_believe():
    told = {each["name"]: each for each in container()["env"]}
    assert told["MAYFLY_INSTANCE_UID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.uid"
    assert told["MAYFLY_PUBLIC_KEY"]["value"] == "AQAB"
    assert container()["ports"] == [{"name": "agent", "containerPort": 8080, "protocol": "TCP"}]


def test_secrets_come_over_config_maps_as_the_environment():
    of = version(configuration={"environment": {"secretRefs": ["keys"], "configMapRefs": ["b", "a"]}})
    (sources,) = [each["envFrom"] for each in pod(of)["spec"]["containers"]]
    assert {each["prefix"] for each in sources} == {"FUNCTION_ENVIRONMENT_"}
    names = [(each.get("configMapRef") or each.get("secretRef"))["name"] for each in sources]
    assert names == ["b", "a", "keys"]


@pytest.mark.parametrize(("memory", "limit"), [(128, "73m"), (1769, "1000m"), (10240, "5789m")])
def test_cpu_follows_memory_as_on_lambda(memory, limit):
    of = version(configuration={"memorySize": memory})
    found = pod(of, cpu_limit_minimum=1)["spec"]["containers"][0]["resources"]
    assert found["limits"]["cpu"] == limit
    assert found["limits"]["memory"] == f"{memory}Mi"


def test_code_and_log_take_nothing_from_the_functions_own_space():
    of = version(configuration={"ephemeralStorage": {"size": 1024}})
    limits = pod(of)["spec"]["containers"][0]["resources"]["limits"]
    assert limits["ephemeral-storage"] == f"{1024 + 250 + 50}Mi"


@pytest.mark.parametrize("memory", [128, 256, 1769, 10240])
@pytest.mark.parametrize("factor", [0.001, 0.1, 0.999])
def test_requests_are_below_limits_so_that_a_pod_can_be_resized(memory, factor):
    of = version(configuration={"memorySize": memory})
    found = pod(of, requests=Requests(cpu=factor))["spec"]["containers"][0]["resources"]
    request, limit = (int(found[kind]["cpu"].removesuffix("m")) for kind in ("requests", "limits"))
    assert 1 <= request < limit


@pytest.mark.parametrize(("memory", "limit"), [(128, "1000m"), (10240, "5789m")])
def test_a_small_instance_may_use_a_whole_cpu_that_nobody_else_wants(memory, limit):
    found = pod(version(configuration={"memorySize": memory}))["spec"]["containers"][0]["resources"]
    assert found["limits"]["cpu"] == limit


def test_the_least_cpu_limit_can_be_set():
    found = container(cpu_limit_minimum=500)["resources"]
    assert (found["limits"]["cpu"], found["requests"]["cpu"]) == ("500m", "14m")


def test_a_read_only_root_leaves_two_directories_to_write_to():
    spec = pod(read_only_root_filesystem=True)["spec"]
    (only,) = spec["containers"]
    assert only["securityContext"]["readOnlyRootFilesystem"] is True
    assert {each["mountPath"] for each in only["volumeMounts"]} == {"/tmp", "/var/task"}
    assert {each["name"]: each["emptyDir"]["sizeLimit"] for each in spec["volumes"]} == {
        "tmp": "512Mi",
        "task": "250Mi",
    }


def test_an_installation_places_instances():
    found = pod(
        image_pull_policy="Always",
        image_pull_secrets=("registry",),
        priority_class_name="low",
        runtime_class_name="gvisor",
        node_selector={"pool": "functions"},
        tolerations=({"key": "functions", "operator": "Exists"},),
        topology_spread_constraints=(
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
        ),
        labels={"team": "a", "mayfly.dev/function": "nothing"},
        annotations={"note": "b"},
    )
    spec = found["spec"]
    assert spec["containers"][0]["imagePullPolicy"] == "Always"
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert (spec["priorityClassName"], spec["runtimeClassName"]) == ("low", "gvisor")
    assert spec["nodeSelector"] == {"pool": "functions"}
    assert spec["tolerations"] == [{"key": "functions", "operator": "Exists"}]
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == {
        "matchLabels": {"mayfly.dev/function": "hello"}
    }
    assert found["metadata"]["labels"]["team"] == "a"
    assert found["metadata"]["labels"]["mayfly.dev/function"] == "hello"
    assert found["metadata"]["annotations"]["note"] == "b"


def test_nothing_is_said_of_what_is_not_set():
    assert not {"affinity", "nodeSelector", "priorityClassName", "imagePullSecrets", "tolerations"} & set(
        pod()["spec"]
    )
