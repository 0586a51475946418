"""An alias goes to a good version by itself, comes back from a bad one, and loses no step to a dead gateway."""

import json
from collections import Counter

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.cluster.accounts import function, until
from tests.cluster.crowd import crowd
from tests.cluster.installation import gateways, kill, whole

pytestmark = pytest.mark.disturbs
GOOD = "def handler(event, context):\n    return context.function_version\n"
# One call in five, and each instance at another of its calls.
BAD = """
import random

def handler(event, context):
    if random.random() < 0.2:
        raise ValueError("one in five")
    return context.function_version
"""
RATE = 40
"""Calls per second."""
CALLERS = 4


class Calls:
    """Calls of `f:live` at a steady rate; `versions` counts the answers by version, `failed` the function errors."""

    def __init__(self, account):
        self.account = account
        self.versions = Counter()
        self.failed = Counter()
        self.lost = Counter()

    def run(self, ends):
        client = self.account.client()
        while not ends.is_set():
            try:
                answer = client.invoke(FunctionName="f", Qualifier="live")
            except (ClientError, BotoCoreError) as error:
                self.lost[str(error)[:120]] += 1
            else:
                counted = self.failed if "FunctionError" in answer else self.versions
                counted[answer["ExecutedVersion"]] += 1
            ends.wait(CALLERS / RATE)


def alias(version, **rollout):
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Alias",
        "metadata": {"name": "f.live"},
        "spec": {"functionName": "f", "functionVersion": version, "rollout": rollout},
    }


def offer(account, *codes):
    """Version 1, which the alias serves, and the next ones; calls of all are known."""
    for number, code in enumerate(codes, 1):
        account.apply(function("f", code, publish="OnChange", timeout=10))
        until(lambda number=number: published(account) == number, f"version {number}", within=90)


def published(account):
    return account.get("function", "f").get("status", {}).get("lastPublishedVersion")


def serve(account, version, **rollout):
    account.apply(alias(version, **rollout))
    until(lambda: status(account).get("functionVersion") == version, f"version {version} is served")
    until(lambda: answers(account), "the alias is known")


def answers(account):
    try:
        return account.aws.invoke(FunctionName="f", Qualifier="live")["ExecutedVersion"]
    except account.aws.exceptions.ResourceNotFoundException:
        return None


def status(account):
    return account.get("alias", "f.live").get("status", {})


def rollout(account):
    return status(account).get("rollout") or {}


def progressing(account):
    """Status and reason of the condition, if it is about what the Alias says now."""
    item = account.get("alias", "f.live")
    for each in item.get("status", {}).get("conditions", ()):
        if each["type"] == "Progressing" and each["observedGeneration"] == item["metadata"]["generation"]:
            return each["status"], each["reason"]
    return None


def events(account):
    found = account.kubectl("get", "events", "--field-selector=involvedObject.name=f.live", "--output=json")
    return [(each["type"], each["reason"]) for each in json.loads(found)["items"]]


def test_a_version_that_fails_one_call_in_five_is_rolled_back_by_itself(account):
    canary = {
        "type": "Canary",
        "percentage": 30,
        "intervalMinutes": 5,
        "alarm": {"errorRate": 0.1, "minimumInvocations": 30},
    }
    offer(account, GOOD, BAD)
    serve(account, "1", **canary)
    calls = Calls(account)
    with crowd(CALLERS, calls.run):
        account.apply(alias("2", **canary))
        until(lambda: progressing(account) == ("False", "RolledBack"), "it is rolled back", within=120)
        seen = calls.versions["2"] + calls.failed["2"]
        before = calls.versions["1"]
        until(lambda: calls.versions["1"] > before + 100, "the old version answers", within=60)
        # But for what was in flight, nobody reaches the new version any more.
        assert calls.versions["2"] + calls.failed["2"] <= seen + CALLERS
    assert (calls.lost, calls.failed.keys()) == ({}, {"2"})
    told = status(account)
    assert (told["functionVersion"], told["rollout"]["phase"]) == ("1", "RolledBack")
    assert "invocations failed; allowed: 10 %." in told["rollout"]["message"]
    assert account.get("alias", "f.live")["spec"]["functionVersion"] == "2"
    assert ("Warning", "RolledBack") in events(account)
    for number in (1, 2):
        refusal = account.kubectl("delete", "version", f"f.{number}", fails=True)
        assert "because the following aliases reference it: [live]" in refusal


def test_a_good_version_is_rolled_out_by_itself(account):
    linear = {
        "type": "Linear",
        "percentage": 40,
        "intervalMinutes": 0.1,
        "alarm": {"errorRate": 0.1, "p99Milliseconds": 5000, "minimumInvocations": 20},
    }
    offer(account, GOOD, GOOD + "# better\n")
    serve(account, "1", **linear)
    calls = Calls(account)
    with crowd(CALLERS, calls.run):
        account.apply(alias("2", **linear))
        until(lambda: calls.versions["2"] > 5, "the new version has a share")
        until(lambda: progressing(account) == ("False", "Completed"), "it completes", within=60)
        assert calls.versions["1"] > 20
        before = calls.versions["1"]
        goal = calls.versions["2"] + 60
        until(lambda: calls.versions["2"] > goal, "all calls go there")
        assert calls.versions["1"] <= before + CALLERS
    assert (calls.lost, calls.failed) == ({}, {})
    told = status(account)
    assert (told["functionVersion"], told["rollout"]["step"], told.get("routing")) == ("2", 3, None)
    assert ("Normal", "RolloutCompleted") in events(account)
    until(lambda: not account.get("version", "f.1")["status"].get("aliases"), "nothing refers to version 1")
    account.kubectl("delete", "version", "f.1")


def test_gateways_that_are_killed_in_between_cost_no_step(account):
    linear = {"type": "Linear", "percentage": 25, "intervalMinutes": 0.25}
    offer(account, GOOD, GOOD + "# better\n")
    serve(account, "1", **linear)
    calls = Calls(account)
    with crowd(CALLERS, calls.run):
        account.apply(alias("2", **linear))
        until(lambda: rollout(account).get("phase") == "Progressing", "it begins")
        began = rollout(account)["startedAt"]
        weights = [rollout(account)["weight"]]
        # One of them is the function's owner; whoever is left goes on.
        for victim in gateways():
            kill(victim)
            whole("deployment/mayfly-gateway")
            weights.append(rollout(account)["weight"])

        def has_ended():
            weights.append(rollout(account)["weight"])
            return rollout(account)["phase"] != "Progressing"

        until(has_ended, "it ends", within=180)
        goal = calls.versions["2"] + 60
        until(lambda: calls.versions["2"] > goal, "all calls go there")
    told = rollout(account)
    assert (told["phase"], told["startedAt"], told["step"]) == ("Completed", began, 4)
    assert weights == sorted(weights)
    assert set(weights) >= {0.25, 0.5, 0.75}
    assert progressing(account) == ("False", "Completed")
