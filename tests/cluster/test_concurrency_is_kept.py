"""Reserved concurrency is exact over all gateways, and provisioned instances are there, whatever dies."""

import json
from collections import Counter

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.cluster.accounts import function, until
from tests.cluster.crowd import crowd
from tests.cluster.installation import gateways, kill, system, whole

pytestmark = pytest.mark.disturbs
RESERVED = 7
CALLERS = 100
# Every instance is on this one node, so that their clocks are one. It takes its time, so that many are there at once.
BUSY = """
import time

def handler(event, context):
    began = time.monotonic()
    time.sleep(0.2)
    span = [began, time.monotonic()]
    print("RAN", *span)
    return span
"""
KIND = """
import os

def handler(event, context):
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
"""


_PAUSE = 0.05
"""Seconds after which somebody who was refused calls again: a hundred who do so at once leave the others no CPU."""


class Callers:
    """Those who call one function again and again, and what they were told."""

    def __init__(self, account, name):
        self.account = account
        self.name = name
        self.answers = []
        self.refusals = Counter()

    def call(self, ends):
        client = self.account.client()
        while not ends.is_set():
            try:
                answer = json.load(client.invoke(FunctionName=self.name)["Payload"])
            except ClientError as error:
                self.refusals[error.response["Error"]["Code"]] += 1
                ends.wait(_PAUSE)
            except BotoCoreError:
                ends.wait(_PAUSE)
            else:
                self.answers.append(answer)


def most_at_once(spans):
    """How many ran at the same time at most."""
    changes = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def logged(account, name):
    """When each invocation ran, as the instances that are still there have written it down."""
    found = []
    for pod in account.pods(name):
        log = account.kubectl("logs", pod["metadata"]["name"], "--tail=-1")
        found += [line.split()[1:] for line in log.splitlines() if line.startswith("RAN ")]
    return [(float(began), float(ended)) for began, ended in found]


def test_reserved_concurrency_is_never_exceeded_and_is_used_whatever_gateway_dies(account):
    account.deploy(function("busy", BUSY, reservedConcurrentExecutions=RESERVED, timeout=10))
    callers = Callers(account, "busy")
    with crowd(CALLERS, callers.call):
        until(lambda: len(callers.answers) > 100, "calls are answered")
        for victim in gateways():
            kill(victim)
            before = len(callers.answers)
            until(lambda before=before: len(callers.answers) > before + 200, "calls go on", within=90)
    whole("deployment/mayfly-gateway")
    # The caller of some was answered by nobody, since their gateway was killed; the instance of others has ended.
    ran = {*map(tuple, callers.answers), *logged(account, "busy")}
    assert len(ran) >= len(callers.answers)
    assert most_at_once(ran) == RESERVED
    assert callers.refusals.pop("TooManyRequestsException") > 0
    # What was in flight at a gateway that was killed.
    assert set(callers.refusals) <= {"ServiceException", "ServiceUnavailableException"}


def provision(account, instances):
    """Publish `kind` as version 1, with so many instances initialised ahead of calls."""
    version = {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Version",
        "metadata": {"name": "kind.1"},
        "spec": {"functionName": "kind", "provisionedConcurrentExecutions": instances},
    }
    account.apply(version)


def told(account):
    return account.get("version", "kind.1").get("status", {}).get("provisionedConcurrency", {})


def ready(account):
    return told(account).get("status") == "READY" and told(account).get("available") == 2


def instances(account):
    found = account.kubectl("get", "pods", "--selector=mayfly.dev/version=kind.1", "--output=json")
    pods = json.loads(found)["items"]
    return {
        pod["metadata"]["name"]: pod["metadata"]["uid"]
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] == "Running"
    }


def test_provisioned_instances_are_there_before_any_call_and_come_back_whatever_dies(account):
    account.deploy(function("kind", KIND))
    provision(account, 2)
    until(lambda: ready(account), "version 1 is provisioned", within=90)
    assert len(instances(account)) == 2
    assert account.invoke("kind:1") == "provisioned-concurrency"
    answer = account.aws.get_provisioned_concurrency_config(FunctionName="kind", Qualifier="1")
    assert (answer["Status"], answer["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)

    for name in instances(account):
        account.kubectl("delete", "pod", name, "--grace-period=0", "--force")
    until(lambda: len(instances(account)) == 2 and ready(account), "killed ones are replaced", within=90)

    before = instances(account)
    for victim in gateways():
        kill(victim)
    whole("deployment/mayfly-gateway")
    until(lambda: account.invoke("kind:1") == "provisioned-concurrency", "new gateways use them")
    assert before.items() <= instances(account).items()

    system("rollout", "restart", "deployment/mayfly-operator")
    victim, uid = next(iter(instances(account).items()))
    account.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
    until(
        lambda: uid not in instances(account).values() and len(instances(account)) == 2 and ready(account),
        "one that was killed while the operator restarted is replaced",
        within=90,
    )


def test_provisioned_instances_whose_init_fails_say_so_as_aws_does(account):
    account.deploy(function("kind", "raise ValueError('no')\n"))
    provision(account, 1)
    until(lambda: told(account).get("status") == "FAILED", "it fails", within=90)
    answer = account.aws.get_provisioned_concurrency_config(FunctionName="kind", Qualifier="1")
    assert (answer["Status"], answer["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
