"""What an Alias may say of scaled provisioned concurrency, and what it may not."""

import pytest
from pydantic import ValidationError

from mayfly_model.alias import Alias, AliasSpec
from mayfly_model.conditions import Reason
from mayfly_model.objects import refused_by

DAY = {
    "name": "day",
    "schedule": "cron(0 8 ? * MON-FRI *)",
    "timezone": "Europe/Zurich",
    "durationMinutes": 600,
    "provisionedConcurrentExecutions": 10,
}
TRACKING = {"targetValue": 0.7, "minCapacity": 1, "maxCapacity": 20}


def alias(*, version="2", **scaling):
    spec = {"functionName": "hello", "functionVersion": version, "provisionedConcurrencyScaling": scaling}
    return AliasSpec.model_validate(spec, by_alias=True, by_name=False)


def refusal(**scaling):
    with pytest.raises(ValidationError) as caught:
        alias(**scaling)
    return refused_by(caught.value, AliasSpec, Reason.INVALID_SPEC).message


@pytest.mark.parametrize(
    "scaling",
    [
        {"scheduledActions": [DAY]},
        {"scheduledActions": [DAY, {**DAY, "name": "christmas", "schedule": "at(2026-12-24T18:00:00)"}]},
        {"targetTracking": TRACKING},
        {"targetTracking": {**TRACKING, "scaleOutCooldown": 60, "scaleInCooldown": 0}},
        {"scheduledActions": [DAY], "targetTracking": {**TRACKING, "minCapacity": 20}},
    ],
)
def test_it_may_be(scaling):
    assert alias(**scaling).is_provisioned


@pytest.mark.parametrize(
    ("scaling", "sentence"),
    [
        ({}, "found neither scheduledActions nor targetTracking; allowed: one of them, or both"),
        ({"scheduledActions": [DAY, DAY]}, "found day twice; allowed: each name once"),
        ({"scheduledActions": [{**DAY, "schedule": "0 8 * * *"}]}, "cron(minutes hours day-of-month month"),
        ({"scheduledActions": [{**DAY, "schedule": "rate(1 hour)"}]}, "or at(yyyy-mm-ddThh:mm:ss)"),
        (
            {"scheduledActions": [{**DAY, "schedule": "cron(0 8 * * * *)"}]},
            "? in one of day-of-month and day-of-week",
        ),
        (
            {"scheduledActions": [{**DAY, "schedule": "cron(0 25 * * ? *)"}]},
            "found 25 as hours; allowed: 0 to 23",
        ),
        ({"scheduledActions": [{**DAY, "timezone": "Europe/Zurch"}]}, "such as Europe/Zurich"),
        ({"scheduledActions": [{**DAY, "timezone": "../UTC"}]}, "time zone database"),
        ({"scheduledActions": [{**DAY, "timezone": "Europe"}]}, "such as Europe/Zurich"),
        ({"scheduledActions": [{**DAY, "durationMinutes": 0}]}, "1 to 10080"),
        ({"scheduledActions": [{**DAY, "provisionedConcurrentExecutions": 0}]}, "1 to 1000000"),
        ({"scheduledActions": [{**DAY, "name": f"n{n}"} for n in range(51)]}, "50"),
        ({"targetTracking": {**TRACKING, "targetValue": 0.95}}, "0.1 to 0.9"),
        ({"targetTracking": {**TRACKING, "targetValue": 0.05}}, "0.1 to 0.9"),
        ({"targetTracking": {**TRACKING, "minCapacity": 0}}, "1 to 1000000"),
        ({"targetTracking": {**TRACKING, "minCapacity": 21}}, "found 21; allowed: at most maxCapacity, 20"),
        ({"targetTracking": {"targetValue": 0.7, "minCapacity": 1}}, "maxCapacity"),
    ],
)
def test_it_may_not_be(scaling, sentence):
    assert sentence in refusal(**scaling)


def test_it_needs_a_published_version():
    with pytest.raises(ValidationError, match="publish a version first"):
        alias(version="$LATEST", targetTracking=TRACKING)


def whole(status=None, **spec):
    return Alias.model_validate(
        {
            "metadata": {"name": "hello.live", "namespace": "shop"},
            "spec": {"functionName": "hello", "functionVersion": "2", **spec},
            "status": status or {},
        }
    )


def test_how_many_are_wanted_now_is_what_was_decided():
    scaling = {"provisionedConcurrencyScaling": {"targetTracking": TRACKING}}
    told = {"observedGeneration": 3, "requested": 7, "reason": "TargetTracking", "aFieldOfANewerRelease": 1}
    assert whole().provisioned is None
    assert whole(provisionedConcurrentExecutions=2).provisioned == 2
    assert whole(provisionedConcurrentExecutions=2, **scaling).provisioned == 2
    assert whole({"provisionedConcurrencyScaling": told}, **scaling).provisioned == 7
    assert whole({"provisionedConcurrencyScaling": {**told, "requested": 0}}, **scaling).provisioned is None
    assert whole({"provisionedConcurrencyScaling": told}, provisionedConcurrentExecutions=2).provisioned == 2
