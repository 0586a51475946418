"""Pods that wait become functions' on the real cluster, with all that belongs to them, and are never anybody else's."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.cluster.accounts import function, kubectl, until
from tests.cluster.waiting_pods import (
    POOL,
    SLEEPS,
    WHO,
    all_labelled,
    begun,
    claimed_and_unlabelled,
    filled,
    names,
    pods,
    uids,
    waiting,
)

TEN = 10
NOT_RESIZED = "no-resize-in"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def shop(shared_account):
    return begun(shared_account)


def given(pod):
    """The limits that the node gives to the function's container now."""
    limits = pod["status"]["containerStatuses"][0]["resources"]["limits"]
    return limits.get("memory"), limits.get("cpu")


def test_a_pod_that_waited_is_the_functions_with_all_that_belongs_to_it(shop):
    before = uids(filled(shop))
    shop.deploy(function("whole", WHO, memorySize=512))
    shop.invoke("whole")
    all_labelled(shop, ["whole"])
    (pod,) = shop.pods("whole")
    assert pod["metadata"]["uid"] in before
    version = shop.get("versions.mayfly.dev", "whole.latest")
    assert pod["metadata"]["annotations"]["mayfly.dev/revision"] == version["spec"]["revision"]
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == (version["metadata"]["uid"], True)
    assert POOL not in pod["metadata"]["labels"]
    until(lambda: given(shop.pods("whole")[0]) == ("512Mi", "1"), "it has what the function has")
    (now,) = shop.pods("whole")
    assert now["status"]["containerStatuses"][0]["restartCount"] == 0
    filled(shop, 2)


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "words"}, "stringData": {"WORD": "x"}}
ROLE = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "clerk"}}


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("large", {"ephemeralStorage": {"size": 1024}}),
        ("secret", {"environment": {"secretRefs": ["words"]}}),
        ("role", {"serviceAccountName": "clerk"}),
    ],
)
def test_a_function_that_asks_for_what_a_pool_has_not_gets_a_pod_of_its_own(shop, name, spec):
    shop.apply(SECRET, ROLE)
    before = uids(filled(shop))
    shop.deploy(function(name, WHO, **spec))
    shop.invoke(name)
    (pod,) = shop.pods(name)
    assert pod["metadata"]["name"].startswith(f"{name}.latest-")
    assert before <= uids(waiting(shop))


def test_an_instance_that_waited_once_is_of_no_other_version_ever(shop):
    filled(shop)
    shop.deploy(function("changes", WHO))
    first = shop.invoke("changes")
    all_labelled(shop, ["changes"])
    (old,) = uids(shop.pods("changes"))
    assert old not in uids(filled(shop))
    shop.apply(function("changes", WHO + "\n# Another content.\n"))
    until(lambda: shop.invoke("changes") != first, "the new content answers")
    until(
        lambda: old not in uids(pods(shop, "app.kubernetes.io/component=instance")), "the old instance ends"
    )
    until(lambda: shop.pods("changes"), "the new instance is labelled")
    revision = shop.get("versions.mayfly.dev", "changes.latest")["spec"]["revision"]
    assert {each["metadata"]["annotations"]["mayfly.dev/revision"] for each in shop.pods("changes")} == {
        revision
    }


@contextmanager
def refused_resizes(namespace):
    """No pod of the namespace can be resized, as where its node or a quota has no room."""
    name = f"{NOT_RESIZED}-{namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods/resize"]}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        },
        "validations": [{"expression": "false", "message": "there is no room"}],
    }
    objects = [
        _object("ValidatingAdmissionPolicy", name, policy),
        _object(
            "ValidatingAdmissionPolicyBinding", name, {"policyName": name, "validationActions": ["Deny"]}
        ),
    ]
    kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    try:
        yield
    finally:
        kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", name)


def _object(kind, name, spec):
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def refused(account, pod):
    """Whether the API server would refuse to resize a pod."""
    containers = [{"name": "function", "resources": {"limits": {"memory": "300Mi"}}}]
    patch = json.dumps({"spec": {"containers": containers}})
    words = ("patch", "pod", pod, "--subresource=resize", f"--patch={patch}", "--dry-run=server")
    try:
        return "there is no room" in account.kubectl(*words, fails=True)
    except AssertionError:
        return False


def test_an_instance_that_cannot_be_resized_is_replaced_and_no_caller_notices(shop):
    (pod, *_) = filled(shop)
    with refused_resizes(shop.name):
        until(lambda: refused(shop, pod["metadata"]["name"]), "resizes are refused")
        shop.deploy(function("stiff", SLEEPS, memorySize=512))
        first = shop.invoke("stiff", 0.2)
        # Called without a break meanwhile.
        until(lambda: shop.invoke("stiff", 0) != first, "another instance answers")
        until(
            lambda: [is_own(each) for each in shop.pods("stiff")] == [True], "it has a pod of its own alone"
        )
    (now,) = shop.pods("stiff")
    assert given(now) == ("512Mi", "1")
    until(lambda: claimed_and_unlabelled(shop) == [], "no pod is left that is nobody's")
    filled(shop, 2)


def is_own(pod):
    return not pod["metadata"]["name"].startswith("pool-")


def test_a_burst_of_short_calls_is_served_by_what_waits(shop):
    shop.deploy(*(function(name, WHO, keepAlive=1) for name in names("grow", TEN)))
    clients = [shop.client() for _ in range(4 * TEN)]
    with ThreadPoolExecutor(TEN) as threads:
        # A pool is as large as what was taken from it, or would have been, in ten seconds.
        list(threads.map(lambda name, client: shop.invoke(name, None, client), names("grow", TEN), clients))
    filled(shop, TEN)
    shop.deploy(function("burst", SLEEPS))
    with ThreadPoolExecutor(len(clients)) as threads:
        calls = [threads.submit(shop.invoke, "burst", 0.005, client) for client in clients]
        served = {call.result(60) for call in calls}
    assert len(served) <= TEN
    assert all(pod["metadata"]["name"].startswith("pool-") for pod in shop.pods("burst"))
    until(lambda: len(shop.pods("burst")) >= len(served), "they are labelled")
    assert len(shop.pods("burst")) <= TEN
    filled(shop, 2)


def test_functions_that_are_deleted_as_they_are_called_leave_nothing_behind(shop):
    for number in range(10):
        filled(shop)
        name = f"brief-{number}"
        shop.deploy(function(name, WHO))
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(shop.aws.invoke, FunctionName=name, Payload=b"{}")
            # Each time at another moment of what the call brings about, which tells nobody how far it is.
            time.sleep(0.004 * number)
            shop.kubectl("delete", "function", name, "--wait=false")
            call.exception(60)
    until(lambda: not any(shop.pods(f"brief-{number}") for number in range(10)), "no pod of theirs is left")
    until(lambda: claimed_and_unlabelled(shop) == [], "no pod is left that is nobody's", within=90)
    filled(shop, 2)
