"""Gateways, operator, NATS and API server go away and come back while calls go on."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cluster.accounts import function, kubectl, until
from tests.cluster.installation import gateways, kill, pods, system, whole
from tests.cluster.load import FAST, Load, warm

pytestmark = pytest.mark.disturbs


@pytest.fixture
def f(account):
    return warm(account)


def test_a_gateway_that_is_killed_costs_nobody_who_tries_again_a_call(f):
    with Load(f, attempts=4) as load:
        load.goes_on()
        kill(gateways()[0])
        load.goes_on(400)
    whole("deployment/mayfly-gateway")
    assert load.failures == {}


def test_a_rolling_restart_fails_no_call(f):
    with Load(f) as load:
        load.goes_on()
        system("rollout", "restart", "deployment/mayfly-gateway")
        whole("deployment/mayfly-gateway")
        load.goes_on()
    assert load.failures == {}


def test_without_an_operator_warm_calls_go_on_and_what_changed_is_done_after(f):
    replicas = system("get", "deployment", "mayfly-operator", "--output=jsonpath={.spec.replicas}")
    with Load(f) as load:
        system("scale", "deployment", "mayfly-operator", "--replicas=0")
        until(lambda: not pods("operator"), "no operator")
        try:
            f.apply(function("late", "def handler(event, context): return 'late'\n"))
            load.goes_on(600)
        finally:
            system("scale", "deployment", "mayfly-operator", f"--replicas={replicas}")
        whole("deployment/mayfly-operator")
        f.known("late")
        assert f.invoke("late") == "late"
    assert load.failures == {}


def test_warm_calls_do_not_need_nats(f):
    with Load(f) as load:
        load.goes_on()
        system("delete", "pod", "mayfly-nats-0", "--wait=false")
        load.goes_on(300)
        whole("statefulset/mayfly-nats")
    assert load.failures == {}


def api_server():
    """The process id of this machine's own test cluster's API server."""
    found = subprocess.run(["pgrep", "-x", "kube-apiserver"], capture_output=True, text=True, check=False)
    return int(found.stdout) if found.stdout.strip().isdecimal() else None


@pytest.mark.skipif(
    os.geteuid() != 0 or api_server() is None or not Path("/proc").exists(),
    reason="stops the API server, and this machine's own is none",
)
def test_warm_calls_go_on_without_an_api_server_and_nothing_is_lost_after(f):
    before = {pod["metadata"]["uid"] for pod in f.pods("f")}
    server = api_server()
    with Load(f) as load:
        load.goes_on()
        os.kill(server, signal.SIGSTOP)
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                load.goes_on(50)
        finally:
            os.kill(server, signal.SIGCONT)
        load.goes_on()
    assert load.failures == {}
    assert before <= {pod["metadata"]["uid"] for pod in f.pods("f")}
    with contextlib.suppress(AssertionError):
        whole("deployment/mayfly-gateway", "deployment/mayfly-operator")
    f.deploy(function("after", "def handler(event, context): return 'after'\n"))
    assert f.invoke("after") == "after"


def test_a_namespace_that_goes_takes_its_functions_along(account):
    account.deploy(function("f", FAST))
    assert account.invoke("f", 1) == 1
    kubectl("delete", "namespace", account.name)
    with pytest.raises(account.aws.exceptions.ResourceNotFoundException):
        until(lambda: account.invoke("f", 1) and False, "it is not found", within=10)
    kubectl("create", "namespace", account.name)
    account.deploy(function("f", FAST))
    assert account.invoke("f", 2) == 2
