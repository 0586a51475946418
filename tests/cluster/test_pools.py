"""Pods that wait become functions' on the real cluster, whatever comes in between: none dies at work or stays."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.cluster.accounts import SYSTEM, function, kubectl, until

POOL, VERSION = "mayfly.dev/pool", "mayfly.dev/version"
WHO = "def handler(event, context):\n    return context.log_stream_name\n"
SLEEPS = (
    "import time\n\ndef handler(event, context):\n    time.sleep(event)\n    return context.log_stream_name\n"
)
TEN = 10

pytestmark = pytest.mark.timeout(300)


def system(*words):
    return kubectl(f"--namespace={SYSTEM}", *words)


def of_system(component):
    """Names of the pods of gateways or operators that are not on their way out."""
    found = json.loads(
        system("get", "pods", f"--selector=app.kubernetes.io/component={component}", "--output=json")
    )["items"]
    return [each["metadata"]["name"] for each in found if "deletionTimestamp" not in each["metadata"]]


def pods(account, selector):
    found = json.loads(account.kubectl("get", "pods", f"--selector={selector}", "--output=json"))["items"]
    return [each for each in found if "deletionTimestamp" not in each["metadata"]]


def waiting(account):
    """The pods that wait and run."""
    return [each for each in pods(account, POOL) if each["status"].get("phase") == "Running"]


def uids(found):
    return {each["metadata"]["uid"] for each in found}


def names(prefix, count):
    return [f"{prefix}-{number}" for number in range(count)]


def filled(account, count=1):
    """Wait until at least so many pods have been waiting for a while, and none is starting."""
    until(
        lambda: len(waiting(account)) >= count and len(waiting(account)) == len(pods(account, POOL)),
        f"{count} pods that wait",
    )
    time.sleep(1.5)  # Their agents listen then; nothing says so before somebody asks.
    return waiting(account)


@pytest.fixture(scope="module")
def shop(shared_account):
    """An account with a pool, which its first function has started."""
    shared_account.deploy(function("first", WHO))
    shared_account.invoke("first")
    if not any(True for _ in range(100) if pods(shared_account, POOL)):
        pytest.skip("this installation has no warm pools")
    filled(shared_account)
    return shared_account


def all_labelled(account, called):
    """Wait until each of these functions has one instance, labelled as its own and counted."""

    def whole(name):
        found = pods(account, f"{VERSION}={name}.latest")
        status = account.get("versions.mayfly.dev", f"{name}.latest")
        return len(found) == 1 and status["spec"].get("instances") == 1

    for name in called:
        until(lambda name=name: whole(name), f"{name} has its instance")


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

    def resized():
        (now,) = shop.pods("whole")
        given = now["status"]["containerStatuses"][0]["resources"]["limits"]
        return (given.get("memory"), given.get("cpu")) == ("512Mi", "1")

    until(resized, "it has what the function has")
    (now,) = shop.pods("whole")
    assert now["status"]["containerStatuses"][0]["restartCount"] == 0
    filled(shop, 2)


def test_a_function_that_asks_for_more_than_a_pool_has_gets_a_pod_of_its_own(shop):
    filled(shop)
    shop.deploy(function("large", WHO, ephemeralStorage={"size": 1024}))
    shop.invoke("large")
    (pod,) = shop.pods("large")
    assert pod["metadata"]["name"].startswith("large.latest-")


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


def test_without_an_operator_pods_are_claimed_and_it_finds_them_when_it_comes_back(shop):
    filled(shop, 2)
    called = names("alone", 2)
    shop.deploy(*(function(name, WHO) for name in called))
    replicas = system("get", "deployment", "mayfly-operator", "--output=jsonpath={.spec.replicas}")
    system("scale", "deployment", "mayfly-operator", "--replicas=0")
    until(lambda: not of_system("operator"), "no operator")
    try:
        served = [shop.invoke(name) for name in called]
        assert [shop.invoke(name) for name in called] == served
    finally:
        system("scale", "deployment", "mayfly-operator", f"--replicas={replicas}")
        system("rollout", "status", "deployment/mayfly-operator", "--timeout=120s")
    all_labelled(shop, called)
    assert [shop.invoke(name) for name in called] == served
    filled(shop, 2)


def test_what_a_gateway_claimed_before_it_died_is_found_by_the_next_one(shop):
    for turn in range(3):
        filled(shop, 2)
        called = names(f"orphan{turn}", 2)
        shop.deploy(*(function(name, WHO) for name in called))
        gateways = of_system("gateway")
        patient = shop.client(attempts=5)
        with ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(shop.invoke, name, None, patient) for name in called]
            time.sleep(0.03 * turn)
            system("delete", "pod", gateways[turn % len(gateways)], "--grace-period=0", "--force")
            for call in calls:
                call.result(120)
        system("rollout", "status", "deployment/mayfly-gateway", "--timeout=120s")
        until(lambda: claimed_and_unlabelled(shop) == [], "every claimed pod says whose it is", within=90)
        for name in called:
            shop.invoke(name)
    filled(shop, 2)


def claimed_and_unlabelled(account):
    """Pods of the pool that were resized, which only those are that somebody claimed."""
    return [
        each["metadata"]["name"]
        for each in waiting(account)
        if "memory" in each["spec"]["containers"][0]["resources"]["limits"]
    ]


def test_functions_that_are_deleted_as_they_are_called_leave_nothing_behind(shop):
    for number in range(10):
        filled(shop)
        name = f"brief-{number}"
        shop.deploy(function(name, WHO))
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(shop.aws.invoke, FunctionName=name, Payload=b"{}")
            time.sleep(0.004 * number)
            shop.kubectl("delete", "function", name, "--wait=false")
            call.exception(60)
    until(lambda: not any(shop.pods(f"brief-{number}") for number in range(10)), "no pod of theirs is left")
    until(lambda: claimed_and_unlabelled(shop) == [], "no pod is left that is nobody's", within=90)
    filled(shop, 2)
