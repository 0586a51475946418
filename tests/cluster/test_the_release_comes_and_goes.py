"""Helm upgrades, tests, removes and installs the release; functions are there before, meanwhile and after."""

import contextlib
import json

import pytest
from tests.chart.rendering import CHART
from tests.cluster.accounts import SYSTEM, Account, function, gateway_address, kubectl, until
from tests.cluster.installation import RELEASE, helm, revision
from tests.cluster.load import RATE, Load, warm

INSTANCES = "--selector=app.kubernetes.io/component=instance,app.kubernetes.io/managed-by=mayfly"
DEFINITIONS = {f"{kind}.mayfly.dev" for kind in ("functions", "versions", "aliases")}
KEPT = "def handler(event, context):\n    return {'kept': event}\n"

pytestmark = [pytest.mark.disturbs, pytest.mark.timeout(600)]


def objects(*words):
    return json.loads(kubectl("get", *words, "--output=json"))["items"]


def names(*words):
    return {one["metadata"]["name"] for one in objects(*words)}


def pods_of(component):
    return names("pods", f"--namespace={SYSTEM}", f"--selector=app.kubernetes.io/component={component}")


def test_the_chart_tests_itself():
    said = helm("test", RELEASE, "--logs", "--timeout=4m")
    assert "Phase:          Succeeded" in said
    assert "200 after" in said
    assert "mayfly-test" not in names("functions", f"--namespace={SYSTEM}")
    assert "mayfly-test" not in names("serviceaccounts", f"--namespace={SYSTEM}")


def test_an_upgrade_and_the_way_back_fail_no_call(account):
    warm(account)
    before, old = revision(), pods_of("gateway") | pods_of("operator")
    # One more runtime, which gateways and operators both read.
    runtime = r"runtimes.python3\.99.family=python,runtimes.python3\.99.version=3.99"
    wait = ("--wait", "--timeout=5m")
    with Load(account, rate=1.2 * RATE) as load:
        load.goes_on()
        helm("upgrade", RELEASE, str(CHART), "--reuse-values", f"--set-string={runtime}", *wait)
        try:
            until(lambda: not old & (pods_of("gateway") | pods_of("operator")), "every pod is a new one")
            load.goes_on()
        finally:
            helm("rollback", RELEASE, before, *wait)
        load.goes_on()
    assert load.failures == {}
    assert load.rate >= RATE


@contextlib.contextmanager
def removed():
    """Without the release, which is installed again at the end as it was."""
    values = helm("get", "values", RELEASE, "--output=json")
    helm("uninstall", RELEASE, "--wait", "--timeout=5m")
    try:
        yield
    finally:
        helm("install", RELEASE, str(CHART), "--values=-", "--wait", "--timeout=5m", stdin=values)


def test_functions_outlive_the_release_and_answer_under_the_next(account):
    account.deploy(function("kept", KEPT, keepAlive=600))
    assert account.invoke("kept", 1) == {"kept": 1}
    uid = account.get("function", "kept")["metadata"]["uid"]
    with removed():
        assert objects("pods", "--all-namespaces", INSTANCES) == []
        assert account.pods("kept") == []
        assert names("customresourcedefinitions") >= DEFINITIONS
        assert account.get("function", "kept")["metadata"]["uid"] == uid
        assert account.get("version", "kept.latest")["spec"].get("instances", 0) == 0
        assert names("deployments,statefulsets,services,pods,serviceaccounts", f"--namespace={SYSTEM}") <= {
            "default"
        }
    again = Account(account.name, gateway_address())
    again.known("kept")
    assert again.invoke("kept", 2) == {"kept": 2}
    again.becomes("kept", "Available")
    assert account.get("function", "kept")["metadata"]["uid"] == uid
