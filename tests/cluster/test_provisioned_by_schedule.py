"""Windows and target tracking change the number of initialised instances by themselves, by the real clock."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.cluster.accounts import function, until
from tests.cluster.crowd import crowd

pytestmark = pytest.mark.timeout(480)
KIND = """
import os
import time

def handler(event, context):
    time.sleep(event or 0)
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
"""
ROOM = timedelta(seconds=30)
"""What it takes at most until what was before the window is seen."""


def deploy(account, name):
    """A function and its version 1."""
    account.deploy(function(name, KIND, keepAlive=1, timeout=30))
    version = {"metadata": {"name": f"{name}.1"}, "spec": {"functionName": name}}
    account.apply({"apiVersion": "mayfly.dev/v1beta1", "kind": "Version", **version})


def apply(account, name, number=None, **scaling):
    spec = {"functionName": name, "functionVersion": "1", "provisionedConcurrencyScaling": scaling}
    if number is not None:
        spec["provisionedConcurrentExecutions"] = number
    metadata = {"name": f"{name}.live"}
    account.apply({"apiVersion": "mayfly.dev/v1beta1", "kind": "Alias", "metadata": metadata, "spec": spec})


def window(instances):
    """Open for one minute, after ROOM and a minute at the latest, by the clocks of Kathmandu."""
    opens = datetime.now(UTC) + ROOM + timedelta(minutes=1)
    local = opens + timedelta(hours=5, minutes=45)
    return {
        "name": "soon",
        "schedule": f"cron({local.minute} {local.hour} * * ? *)",
        "timezone": "Asia/Kathmandu",
        "durationMinutes": 1,
        "provisionedConcurrentExecutions": instances,
    }


def status(account, name):
    return account.get("alias", f"{name}.live").get("status", {})


def decided(account, name):
    """Why how many instances are to be kept."""
    told = status(account, name).get("provisionedConcurrencyScaling", {})
    return told.get("reason"), told.get("requested")


def initialised(account, name):
    """Asked for and ready, as the Alias tells it."""
    told = status(account, name).get("provisionedConcurrency", {})
    return told.get("requested"), told.get("available")


def running(account, name):
    return sum(pod["status"]["phase"] == "Running" for pod in account.pods(name))


def events(account, name):
    found = account.kubectl(
        "get", "events", f"--field-selector=involvedObject.name={name}.live", "--output=json"
    )
    return [each["message"] for each in json.loads(found)["items"]]


def test_a_window_opens_and_closes_and_the_load_asks_for_more(account):
    tracking = {"targetValue": 0.5, "minCapacity": 1, "maxCapacity": 3}
    for name in ("busy", "day"):
        deploy(account, name)
    apply(account, "busy", targetTracking=tracking)
    apply(account, "day", 1, scheduledActions=[window(3)])
    until(lambda: initialised(account, "busy") == (1, 1), "the least is kept")
    until(lambda: initialised(account, "day") == (1, 1), "the plain number is kept")
    assert decided(account, "busy") == ("MinCapacity", 1)
    assert decided(account, "day") == ("ProvisionedConcurrentExecutions", 1)

    def call(ends):
        client = account.client()
        while not ends.is_set():
            account.invoke("busy:live", 1, client)

    # One call at a time, all the time: of one instance all is in use.
    with crowd(1, call):
        until(lambda: decided(account, "day") == ("ScheduledAction", 3), "the window opens", within=120)
        until(lambda: initialised(account, "day") == (3, 3), "its instances are initialised", within=30)
        assert running(account, "day") == 3
        assert account.invoke("day:live") == "provisioned-concurrency"
        answer = account.aws.get_provisioned_concurrency_config(FunctionName="day", Qualifier="live")
        assert (answer["Status"], answer["RequestedProvisionedConcurrentExecutions"]) == ("READY", 3)

        until(lambda: decided(account, "day")[1] == 1, "the window closes", within=90)
        until(lambda: running(account, "day") == 1, "its instances end", within=30)
        assert initialised(account, "day") == (1, 1)
        said = events(account, "day")
        assert "Instances kept initialised: 3, before: 1. The window soon is open." in said
        assert "Instances kept initialised: 1, before: 3. At least 1 are kept at all times." in said

        # Three minutes by the clock, after the one in which it began.
        until(lambda: decided(account, "busy") == ("TargetTracking", 2), "the load is seen", within=270)
        until(lambda: initialised(account, "busy") == (2, 2), "another one is initialised", within=30)
    assert running(account, "busy") == 2


def test_what_cannot_be_is_refused_or_told(account):
    account.deploy(function("f", KIND))
    tracking = {"targetValue": 0.5, "minCapacity": 4, "maxCapacity": 3}
    spec = {"functionName": "f", "functionVersion": "$LATEST", "provisionedConcurrencyScaling": {}}
    alias = {"apiVersion": "mayfly.dev/v1beta1", "kind": "Alias", "metadata": {"name": "f.live"}}
    for scaling, sentence in (
        ({"targetTracking": tracking}, "minCapacity is greater than maxCapacity"),
        ({"scheduledActions": []}, "give scheduledActions or targetTracking"),
        ({"targetTracking": {**tracking, "maxCapacity": 5}}, "publish a version first"),
        ({"scheduledActions": [{**window(1), "schedule": "0 8 * * *"}]}, "schedule"),
        ({"scheduledActions": [window(1), window(2)]}, "Duplicate value"),
    ):
        said = json.dumps({**alias, "spec": {**spec, "provisionedConcurrencyScaling": scaling}})
        refusal = account.kubectl("apply", "--filename=-", stdin=said, fails=True)
        assert sentence in refusal
    broken = {**window(1), "timezone": "Asia/Katmandoo"}
    version = {"metadata": {"name": "f.1"}, "spec": {"functionName": "f"}}
    account.apply({"apiVersion": "mayfly.dev/v1beta1", "kind": "Version", **version})
    apply(account, "f", scheduledActions=[broken])
    until(lambda: account.ready("alias", "f.live").get("reason") == "InvalidSpec", "it is told")
    assert (
        "found Asia/Katmandoo; allowed: a name of the IANA time zone database"
        in (account.ready("alias", "f.live")["message"])
    )
