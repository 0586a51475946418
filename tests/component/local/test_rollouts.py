"""The local mode rolls aliases out as a cluster does, by the same manifests and by Lambda's own calls."""

import pytest
from botocore.exceptions import ClientError
from tests.component.local.served import alias, function, version

from mayfly_gateway.routes import Route
from mayfly_model.errors import ResourceConflictException

HOUR = {"type": "Canary", "percentage": 50, "intervalMinutes": 60}
QUICK = {"type": "Linear", "percentage": 40, "intervalMinutes": 0.05}
LIVE = ("default", "hello", "live")


def leads(local):
    return local.gateway.catalogue.leads(*LIVE)


def until(local, route):
    """The test's timeout bounds it."""
    while leads(local) != route:
        local.client.invoke(FunctionName="hello", Qualifier="live")


def offer(local, rollout, second=None):
    """Two versions, and an alias that leads to the first and is moved to the second."""
    two = second or function("two")
    local.save(function("one"), version(1), alias("1", rollout=rollout))
    local.save(two, version(1), version(2), alias("1", rollout=rollout))
    outcome = local.save(two, version(1), version(2), alias("2", rollout=rollout))
    assert outcome.problems == ()


def test_a_good_version_is_rolled_out(local):
    offer(local, QUICK)
    assert leads(local) == Route("1", "2", 0.4)
    until(local, Route("2"))
    assert local.call("live") == ("two", "2")


def test_a_version_that_fails_is_rolled_back_and_stays_so(local):
    failing = function("two").replace(
        'return ["two", context.function_version, context.invoked_function_arn]', 'raise ValueError("bad")'
    )
    alarm = {"errorRate": 0.2, "minimumInvocations": 3}
    offer(local, {**HOUR, "alarm": alarm}, failing)
    until(local, Route("1"))
    assert {local.call("live") for _ in range(5)} == {("one", "1")}
    with pytest.raises(ResourceConflictException):
        local.deployer.releases.withdraw(LIVE[:2], 2)
    with pytest.raises(ResourceConflictException):
        local.deployer.releases.withdraw(LIVE[:2], 1)


def test_an_alias_that_a_client_moves_is_rolled_out_as_well(local):
    offer(local, None)
    local.save(function("two"), version(1), version(2), alias("2", rollout=HOUR))
    assert leads(local) == Route("2")
    moved = local.client.update_alias(FunctionName="hello", Name="live", FunctionVersion="1")
    assert moved["FunctionVersion"] == "1"
    assert leads(local) == Route("2", "1", 0.5)
    with pytest.raises(ClientError, match="a rollout shifts the calls by itself"):
        local.client.update_alias(
            FunctionName="hello", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}}
        )
    with pytest.raises(ClientError, match="publish a version first"):
        local.client.update_alias(FunctionName="hello", Name="live", FunctionVersion="$LATEST")
    local.client.update_alias(FunctionName="hello", Name="live", FunctionVersion="2")
    assert leads(local) == Route("2")
