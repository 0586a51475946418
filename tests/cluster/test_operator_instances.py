"""Pods of a real cluster: exactly those that are asked for, gone when they are over, and causes by their name."""

import json
import os

import pytest
from tests.cluster.operator_processes import close, function, namespace, nobody_else, operators, run, until

pytestmark = [
    pytest.mark.disturbs,
    pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster: set KUBECONFIG"),
    pytest.mark.timeout(180),
]
VERSIONS = "versions.mayfly.dev"


@pytest.fixture(scope="module", autouse=True)
def operator(tmp_path_factory):
    with nobody_else(), operators(tmp_path_factory.mktemp("operator")) as made:
        one = made.start()
        made.until_leading(one)
        yield one


@pytest.fixture(scope="module")
def shop():
    """A namespace that admits nothing but what the strictest Pod Security Standard does."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    with namespace("operator-instances", labels) as made:
        yield made


def asked(shop, name, instances, **spec):
    """A new Function, and so many instances of it asked for."""
    shop.apply(function(name, **spec))
    until(lambda: shop.get(VERSIONS, f"{name}.latest"), "a version")
    shop.scale(f"{name}.latest", instances)


def names(pods):
    return sorted(each["metadata"]["name"] for each in pods)


def uids(pods):
    return sorted(each["metadata"]["uid"] for each in pods)


def retire(shop, version, pods):
    """As the gateway does."""
    retired = [{"name": each["metadata"]["name"], "uid": each["metadata"]["uid"]} for each in pods]
    patch = json.dumps({"status": {"retired": retired}})
    shop.kubectl("patch", VERSIONS, version, "--subresource=status", "--type=merge", f"--patch={patch}")


def test_instances_are_created_counted_and_only_ended_by_themselves(shop):
    asked(shop, "plain", 3)
    pods = shop.until_running("plain", 3)
    revision = shop.get(VERSIONS, "plain.latest")["spec"]["revision"]
    assert names(pods) == [f"plain.latest-{revision[:8]}-{ordinal}" for ordinal in range(3)]
    until(lambda: shop.get("functions.mayfly.dev", "plain")["status"]["instances"] == 3, "the count")
    assert shop.get(VERSIONS, "plain.latest")["status"]["instances"] == 3

    # The gateway lowers the number before it closes the idle one: nobody else ends, and it is not replaced.
    shop.scale("plain.latest", 2)
    close(shop, pods[0])
    left = until(lambda: len(found := shop.pods("plain")) == 2 and found, "one pod less")
    assert uids(left) == uids(pods[1:])
    shop.scale("plain.latest", 0)
    for each in left:
        close(shop, each)
    until(lambda: shop.pods("plain") == [], "no pod")
    until(lambda: shop.get("functions.mayfly.dev", "plain")["status"]["instances"] == 0, "the count")
    assert shop.ready("functions.mayfly.dev", "plain") == ("True", "Available")


def test_an_instance_that_dies_is_replaced_under_another_name(shop):
    asked(shop, "dying", 1)
    (first,) = shop.until_running("dying", 1)
    close(shop, first)
    until(lambda: first["metadata"]["uid"] not in uids(shop.pods("dying")), "its end")
    (second,) = shop.until_running("dying", 1)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    shop.kubectl("delete", "pod", second["metadata"]["name"], "--wait=false")
    until(
        lambda: set(uids(shop.pods("dying"))) - {first["metadata"]["uid"], second["metadata"]["uid"]},
        "another one",
        within=10,
    )


def test_a_retired_instance_is_deleted_and_no_other(shop):
    asked(shop, "hung", 2)
    pods = shop.until_running("hung", 2)
    shop.scale("hung.latest", 1)
    retire(shop, "hung.latest", pods[:1])
    left = until(lambda: len(found := shop.pods("hung")) == 1 and found, "one pod less")
    assert uids(left) == uids(pods[1:])


def test_instances_of_old_content_stay_until_the_gateway_retires_them(shop):
    asked(shop, "moving", 1)
    old = shop.until_running("moving", 1)
    before = shop.get(VERSIONS, "moving.latest")["spec"]["revision"]
    shop.apply(function("moving", timeout=9))
    both = shop.until_running("moving", 2)
    assert uids(old)[0] in uids(both)
    assert before != shop.get(VERSIONS, "moving.latest")["spec"]["revision"]
    retire(shop, "moving.latest", old)
    left = until(lambda: len(found := shop.pods("moving")) == 1 and found, "one pod less")
    assert uids(left) != uids(old)


def test_an_image_that_is_missing_is_told(shop):
    asked(shop, "pulling", 1, runtime="missing")
    shop.until_ready("pulling", "ImagePullFailed")
    assert "nobody-made-this" in shop.message("pulling")
    events = until(lambda: shop.events("pulling"), "an event")
    assert {(each["type"], each["reason"]) for each in events} == {("Warning", "ImagePullFailed")}
    shop.apply(function("pulling"))
    shop.until_ready("pulling")


def test_a_secret_that_is_missing_is_told_and_waited_for(shop):
    asked(shop, "secret", 1, environment={"secretRefs": ["keys"], "configMapRefs": []})
    shop.until_ready("secret", "EnvironmentNotFound")
    assert "keys" in shop.message("secret")
    shop.kubectl("create", "secret", "generic", "keys", "--from-literal=KEY=value")
    shop.until_running("secret", 1)
    shop.until_ready("secret")


def test_an_execution_role_that_is_missing_is_told_and_waited_for(shop):
    asked(shop, "role", 1, serviceAccountName="orders")
    shop.until_ready("role", "ServiceAccountNotFound")
    shop.kubectl("create", "serviceaccount", "orders")
    (pod,) = shop.until_running("role", 1)
    assert pod["spec"]["serviceAccountName"] == "orders"
    assert [each for each in pod["spec"]["volumes"] if "projected" in each]
    shop.until_ready("role")


def test_an_instance_that_no_node_has_room_for_is_told(shop):
    capacity = json.loads(run("get", "nodes", "--output=json").stdout)["items"]
    memory = sum(int(each["status"]["allocatable"]["memory"].removesuffix("Ki")) for each in capacity)
    # Together they ask for more than there is.
    count = memory // (10 * 1024 * 1024) + 2
    asked(shop, "large", count, memorySize=10240, handler="app.handler")
    until(
        lambda: [each for each in shop.pods("large") if each["status"]["phase"] == "Pending"],
        "one that waits",
    )
    fits = [each for each in shop.pods("large") if each["spec"].get("nodeName")]
    retire(shop, "large.latest", fits)
    shop.scale("large.latest", 0)
    shop.kubectl("delete", "functions.mayfly.dev", "large", "--wait=false")
    until(lambda: shop.pods("large") == [], "no pod")


def test_a_quota_that_is_used_up_is_told_and_its_room_is_taken_when_there_is_some():
    with namespace("operator-quota") as poor:
        poor.kubectl("create", "quota", "few", "--hard=pods=0")
        asked(poor, "bounded", 2)
        poor.until_ready("bounded", "QuotaExceeded")
        assert "few" in poor.message("bounded")
        poor.kubectl("patch", "quota", "few", "--patch", '{"spec": {"hard": {"pods": "1"}}}')
        poor.until_running("bounded", 1, within=45)
        poor.until_ready("bounded")


def test_a_pod_that_the_cluster_does_not_admit_is_told():
    with namespace("operator-limits") as strict:
        limits = {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "small"},
            "spec": {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]},
        }
        strict.apply(limits)
        asked(strict, "refused", 1)
        strict.until_ready("refused", "PodForbidden")
        assert "memory" in strict.message("refused")


def test_instances_that_crash_again_and_again_are_told_and_made_more_and_more_slowly(shop):
    asked(shop, "crashing", 1, runtime="crashing")
    shop.until_ready("crashing", "InstancesCrashing", within=60)
    until(
        lambda: [each for each in shop.events("crashing") if each["reason"] == "InstanceFailed"], "an event"
    )
    shop.apply(function("crashing"))
    shop.until_running("crashing", 1)
    shop.until_ready("crashing")


def test_forty_instances_asked_for_one_after_another_are_forty_pods(shop):
    asked(shop, "burst", 0)
    for count in range(5, 45, 5):
        shop.scale("burst.latest", count)
    pods = until(lambda: len(found := shop.pods("burst")) >= 40 and found, "40 pods")
    assert len(pods) == 40
    assert len(set(names(pods))) == 40
    shop.kubectl("delete", "functions.mayfly.dev", "burst", "--wait=false")
    until(lambda: shop.pods("burst") == [], "no pod", within=90)
