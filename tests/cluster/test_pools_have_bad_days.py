"""Pods that wait while operators, gateways and the pool itself come and go: none dies at work, and none stays."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.chart.rendering import CHART
from tests.cluster.accounts import function, until
from tests.cluster.installation import RELEASE, gateways, helm, kill, revision, system, whole
from tests.cluster.installation import pods as pods_of
from tests.cluster.waiting_pods import WHO, all_labelled, begun, claimed_and_unlabelled, filled, names, pods

pytestmark = [pytest.mark.disturbs, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shop(shared_account):
    return begun(shared_account)


def test_without_an_operator_pods_are_claimed_and_it_finds_them_when_it_comes_back(shop):
    filled(shop, 2)
    called = names("alone", 2)
    shop.deploy(*(function(name, WHO) for name in called))
    replicas = system("get", "deployment", "mayfly-operator", "--output=jsonpath={.spec.replicas}")
    system("scale", "deployment", "mayfly-operator", "--replicas=0")
    until(lambda: not pods_of("operator"), "no operator")
    try:
        served = [shop.invoke(name) for name in called]
        assert [shop.invoke(name) for name in called] == served
    finally:
        system("scale", "deployment", "mayfly-operator", f"--replicas={replicas}")
        whole("deployment/mayfly-operator")
    all_labelled(shop, called)
    assert [shop.invoke(name) for name in called] == served
    filled(shop, 2)


def test_what_a_gateway_claimed_before_it_died_is_found_by_the_next_one(shop):
    for turn in range(3):
        filled(shop, 2)
        called = names(f"orphan{turn}", 2)
        shop.deploy(*(function(name, WHO) for name in called))
        running = gateways()
        patient = shop.client(attempts=5)
        with ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(shop.invoke, name, None, patient) for name in called]
            # Before a claim, while it is made, and after it: nothing outside tells which.
            time.sleep(0.03 * turn)
            kill(running[turn % len(running)])
            for call in calls:
                call.result(120)
        whole("deployment/mayfly-gateway")
        until(lambda: claimed_and_unlabelled(shop) == [], "every claimed pod says whose it is", within=90)
        for name in called:
            shop.invoke(name)
    filled(shop, 2)


def test_a_pool_begins_on_demand_and_ends_on_silence(account):
    before = revision()
    quick = "pools.size=3,pools.silenceSeconds=5,pools.lifetimeSeconds=30"
    wait = ("--wait", "--timeout=5m")
    helm("upgrade", RELEASE, str(CHART), "--reuse-values", f"--set={quick}", *wait)
    try:
        account.deploy(function("brief", WHO, keepAlive=1))
        assert pods(account) == []
        account.invoke("brief")
        filled(account, 3)
        until(lambda: not pods(account), "the pool has ended", within=120)
        assert account.invoke("brief")
        filled(account, 3)
    finally:
        helm("rollback", RELEASE, before, *wait)
