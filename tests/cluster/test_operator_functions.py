"""What becomes of Functions on a real cluster: their `$LATEST`, their status, their names, and their end."""

import os

import pytest
from tests.cluster.operator_processes import function, namespace, nobody_else, operators, run, until

pytestmark = [
    pytest.mark.disturbs,
    pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster: set KUBECONFIG"),
    pytest.mark.timeout(180),
]
FUNCTIONS, VERSIONS = "functions.mayfly.dev", "versions.mayfly.dev"


@pytest.fixture(scope="module", autouse=True)
def operator(tmp_path_factory):
    settings = {
        "networkPolicy": {
            "enabled": True,
            "gatewayNamespace": "mayfly-system",
            "gatewayLabels": {"app.kubernetes.io/component": "gateway"},
        }
    }
    with nobody_else(), operators(tmp_path_factory.mktemp("operator"), settings) as made:
        one = made.start()
        made.until_leading(one)
        yield one


@pytest.fixture(scope="module")
def shop():
    with namespace("operator-functions") as made:
        yield made


def revision(shop, name):
    item = shop.get(VERSIONS, f"{name}.latest")
    return item and item["spec"]["revision"]


def test_a_function_becomes_its_latest_and_is_ready_with_no_pod(shop):
    shop.apply(function("hello", memorySize=256))
    item = shop.until_ready("hello")
    latest = shop.get(VERSIONS, "hello.latest")
    assert latest["spec"]["configuration"]["memorySize"] == 256
    assert latest["spec"]["functionVersion"] == "$LATEST"
    assert "instances" not in latest["spec"]
    assert latest["metadata"]["ownerReferences"][0]["uid"] == item["metadata"]["uid"]
    assert shop.ready(VERSIONS, "hello.latest") == ("True", "Available")
    assert shop.pods("hello") == []


def test_a_change_is_a_new_revision_and_leaves_the_number_of_instances_alone(shop):
    shop.apply(function("changing"))
    shop.until_ready("changing")
    before = revision(shop, "changing")
    shop.scale("changing.latest", 1)
    shop.apply(function("changing", timeout=9))
    until(lambda: revision(shop, "changing") != before, "another revision")
    assert shop.get(VERSIONS, "changing.latest")["spec"]["instances"] == 1
    shop.scale("changing.latest", 0)


def test_somebody_elses_change_of_the_latest_is_set_right(shop):
    shop.apply(function("meddled"))
    shop.until_ready("meddled")
    patch = '{"spec": {"configuration": {"memorySize": 1024}}}'
    shop.kubectl("patch", "versions.mayfly.dev", "meddled.latest", "--type=merge", f"--patch={patch}")
    until(
        lambda: shop.get(VERSIONS, "meddled.latest")["spec"]["configuration"]["memorySize"] == 128,
        "set right",
    )
    shop.kubectl("delete", "versions.mayfly.dev", "meddled.latest")
    until(lambda: revision(shop, "meddled"), "made again")


def test_what_the_schema_lets_through_and_lambda_does_not_is_told(shop):
    shop.apply(function("wrong", code={"inline": {"app": "", "app/app.py": ""}}))
    shop.until_ready("wrong", "InvalidSpec")
    assert shop.message("wrong") == 'spec.code.inline["app/app.py"]: found app both as a file and as a folder'
    assert shop.get(VERSIONS, "wrong.latest") is None
    (event,) = shop.events("wrong")
    assert (event["type"], event["reason"]) == ("Warning", "InvalidSpec")
    shop.apply(function("wrong"))
    shop.until_ready("wrong")
    until(lambda: [each for each in shop.events("wrong") if each["type"] == "Normal"], "an event")


def test_a_runtime_that_is_not_installed_is_told_to_people_and_callers(shop):
    shop.apply(function("ruby", runtime="ruby3.4"))
    shop.until_ready("ruby", "RuntimeNotFound")
    assert "python3.13" in shop.message("ruby")
    assert shop.ready(VERSIONS, "ruby.latest") == ("False", "RuntimeNotFound")


def test_code_in_a_config_map_is_taken_over_when_it_comes_and_when_it_changes(shop):
    shop.apply(function("mapped", code={"configMap": {"name": "files"}}))
    shop.until_ready("mapped", "ConfigMapNotFound")
    shop.kubectl("create", "configmap", "files", "--from-literal=app.py=first")
    # The operator may not watch ConfigMaps: it looks twice a minute.
    shop.until_ready("mapped", within=45)
    code = shop.get(VERSIONS, "mapped.latest")["spec"]["configuration"]["code"]
    assert code == {"inline": {"app.py": "first"}}
    before = revision(shop, "mapped")
    shop.kubectl("patch", "configmap", "files", "--patch", '{"data": {"app.py": "second"}}')
    until(lambda: revision(shop, "mapped") != before, "another revision", within=45)


def test_of_two_functions_of_one_name_the_older_has_it_until_it_goes(shop):
    shop.apply(function("elder", functionName="api"))
    shop.until_ready("elder")
    until(
        lambda: _second(shop) > shop.get(FUNCTIONS, "elder")["metadata"]["creationTimestamp"],
        "a later second",
    )
    shop.apply(function("junior", functionName="api"))
    shop.until_ready("junior", "FunctionNameConflict")
    assert "elder" in shop.message("junior")
    assert shop.get(VERSIONS, "junior.latest") is None
    shop.kubectl("delete", FUNCTIONS, "elder")
    shop.until_ready("junior")
    assert shop.get(VERSIONS, "junior.latest")["spec"]["configuration"]["functionName"] == "api"


def _second(shop) -> str:
    """What the API server's clock says."""
    item = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "clock-"}}'
    return shop.kubectl(
        "create", "--filename=-", "--output=jsonpath={.metadata.creationTimestamp}", stdin=item
    )


@pytest.mark.parametrize("order", [("x", "y"), ("y", "x")], ids=["the older first", "the younger first"])
def test_two_functions_renamed_into_each_other_end_with_each_others_name(shop, order):
    names = {"x": f"{order[0]}-one", "y": f"{order[0]}-two"}
    for each in names.values():
        shop.apply(function(each))
        shop.until_ready(each)
    renamed = {order[0]: order[1], order[1]: order[0]}
    for each, other in renamed.items():
        shop.apply(function(names[each], functionName=names[other]))
    for each, other in renamed.items():
        shop.until_ready(names[each])
        latest = shop.get(VERSIONS, f"{names[each]}.latest")
        assert latest["spec"]["configuration"]["functionName"] == names[other]


def test_a_version_applied_by_its_number_becomes_what_the_latest_is(shop):
    shop.apply(function("published"))
    shop.until_ready("published")
    item = {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Version",
        "metadata": {"name": "published.7"},
        "spec": {"functionName": "published", "description": "before the sale"},
    }
    shop.apply(item)
    until(lambda: shop.ready(VERSIONS, "published.7") == ("True", "Available"), "a snapshot")
    made = shop.get(VERSIONS, "published.7")["spec"]
    assert (made["functionVersion"], made["description"]) == ("7", "before the sale")
    assert made["revision"] == revision(shop, "published")
    shop.apply(function("published", timeout=9))
    until(lambda: revision(shop, "published") != made["revision"], "another latest")
    assert shop.get(VERSIONS, "published.7")["spec"]["revision"] == made["revision"]


def test_a_deleted_function_takes_versions_and_pods_with_it_at_once(shop):
    shop.apply(function("gone"))
    shop.until_ready("gone")
    shop.scale("gone.latest", 2)
    shop.until_running("gone", 2)
    shop.kubectl("delete", FUNCTIONS, "gone", "--wait=false")
    until(lambda: shop.get(VERSIONS, "gone.latest") is None, "no version", within=5)
    until(lambda: shop.pods("gone") == [], "no pods", within=15)


def test_a_function_made_again_under_its_name_starts_anew(shop):
    for _ in range(2):
        shop.apply(function("again"))
        uid = shop.until_ready("again")["metadata"]["uid"]
        latest = until(
            lambda: (
                (found := shop.get(VERSIONS, "again.latest"))
                and found["metadata"]["ownerReferences"][0]["uid"] == uid  # noqa: B023
                and found
            ),
            "a latest of its own",
        )
        assert latest["spec"]["functionName"] == "again"
        shop.kubectl("delete", FUNCTIONS, "again", "--wait=false")


def test_only_gateways_may_connect_to_the_instances_of_a_namespace(shop):
    shop.apply(function("guarded"))
    shop.until_ready("guarded")
    spec = shop.get("networkpolicies", "mayfly-instances")["spec"]
    assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "instance"
    (rule,) = spec["ingress"]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "gateway"}
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "mayfly-system"}


def test_a_deleted_namespace_makes_no_noise(operator):
    with namespace("operator-doomed") as doomed:
        doomed.apply(*(function(f"doomed-{number}") for number in range(5)))
        for number in range(5):
            doomed.until_ready(f"doomed-{number}")
            doomed.scale(f"doomed-{number}.latest", 1)
        doomed.until_running("doomed-4", 1)
        run("delete", "namespace", doomed.name, "--wait=false")
        until(lambda: run("get", "namespace", doomed.name).returncode != 0, "its end", within=60)
    said = [line for line in operator.log.read_text().splitlines() if doomed.name in line]
    assert len([line for line in said if line.startswith(("WARNING", "ERROR"))]) <= 5, said
    assert operator.health()[0] == 200
