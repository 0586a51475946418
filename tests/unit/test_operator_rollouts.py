"""What an Alias serves and says while a gateway rolls it out."""

from datetime import UTC, datetime

import pytest
from tests.unit.operator_objects import NOON, alias_item, function, there

from mayfly_operator import aliases, rollouts
from mayfly_operator.aliases import Serving

NOW = datetime.fromtimestamp(NOON, UTC)
CANARY = {"type": "Canary", "percentage": 10, "intervalMinutes": 5}
BEFORE = {"functionVersion": "1"}


def rollout(phase="Progressing", *, weight=0.1, generation=2, goal="2", message=""):
    return {
        "observedGeneration": generation,
        "fromVersion": "1",
        "toVersion": goal,
        "weight": weight,
        "step": 1,
        "startedAt": "2026-01-01T00:00:00Z",
        "steppedAt": "2026-01-01T00:00:00Z",
        "phase": phase,
        "message": message,
    }


def alias(version="2", *, generation=2, gradual=True, **status):
    item = alias_item(version, generation=generation, status={**BEFORE, **status})
    if gradual:
        item["spec"]["rollout"] = CANARY
    return aliases.read(item)


def progressing(item, found=None):
    """Status, reason and message of the condition; None if there is none."""
    told = aliases.status(item, found, NOW).fields["conditions"]
    return next(
        ((each["status"], each["reason"], each["message"]) for each in told if each["type"] == "Progressing"),
        None,
    )


def test_a_moved_alias_serves_what_it_served_until_a_gateway_speaks():
    moved = alias()
    assert aliases.serving(moved, None) == Serving("1")
    assert progressing(moved) == (
        "True",
        "RollingOut",
        "Calls go to version 1; the rollout to version 2 is about to begin.",
    )


@pytest.mark.parametrize(
    ("told", "serving", "condition"),
    [
        (
            rollout(weight=0.3),
            Serving("1", "2", 0.3),
            ("True", "RollingOut", "Version 2 gets 30 % of the calls."),
        ),
        (
            rollout("Completed", weight=1.0),
            Serving("2"),
            ("False", "Completed", "All calls go to version 2."),
        ),
        (
            rollout("RolledBack", weight=0.0, message="9 of 30 invocations failed; allowed: 5 %."),
            Serving("1"),
            (
                "False",
                "RolledBack",
                "Calls go to version 1. Of version 2 9 of 30 invocations failed; allowed: 5 %.",
            ),
        ),
    ],
)
def test_it_serves_and_says_what_the_gateway_says(told, serving, condition):
    item = alias(rollout=told)
    assert aliases.serving(item, None) == serving
    assert progressing(item) == condition
    fields = aliases.status(item, None, NOW).fields
    assert aliases.status(alias(**fields, rollout=told), None, NOW) is None
    assert "rollout" not in fields


def test_what_came_back_for_an_older_generation_says_nothing_of_this_one():
    item = alias(generation=3, rollout=rollout("RolledBack", weight=0.0))
    assert aliases.serving(item, None) == Serving("1")
    assert progressing(item)[:2] == ("True", "RollingOut")


@pytest.mark.parametrize("phase", ["Progressing", "Completed"])
def test_what_goes_on_or_is_done_outlives_a_change_of_something_else(phase):
    item = alias(generation=3, rollout=rollout(phase, weight=0.5))
    assert aliases.serving(item, None) == aliases.serving(alias(rollout=rollout(phase, weight=0.5)), None)


def test_what_led_elsewhere_says_nothing():
    item = alias("3", generation=3, rollout=rollout())
    assert aliases.serving(item, None) == Serving("1")
    assert progressing(item)[2] == "Calls go to version 1; the rollout to version 3 is about to begin."


def test_the_way_back_by_hand_is_no_rollout():
    item = alias("1", generation=3, routing={"additionalVersion": "2", "weight": 0.1}, rollout=rollout())
    assert aliases.serving(item, None) == Serving("1")
    assert progressing(item) is None


def test_without_its_rollout_an_alias_serves_what_it_names():
    item = alias(gradual=False, generation=3, rollout=rollout())
    assert aliases.serving(item, None) == Serving("2")
    assert progressing(item) is None


def test_a_new_alias_serves_what_it_names():
    item = alias_item("2")
    item["spec"]["rollout"] = CANARY
    assert aliases.serving(aliases.read(item), None) == Serving("2")


def test_a_missing_version_is_said_as_ever():
    item = alias()
    found = aliases.trouble(item, function(), there("1"))
    assert found.message == "hello.2 does not exist: calls go to version 1 as before."
    assert aliases.serving(item, found) == Serving("1")
    assert progressing(item, found) is None


def test_both_versions_of_a_rollout_are_referred_to():
    for phase in ("Progressing", "RolledBack"):
        assert aliases.refers_to(alias(rollout=rollout(phase))) == {"1", "2"}
    assert aliases.refers_to(alias(functionVersion="2", rollout=rollout("Completed"))) == {"2"}


def test_an_end_is_told_once():
    done = rollout("Completed", weight=1.0)
    item = alias(rollout=done)
    assert rollouts.ended(item).reason == "Completed"
    fields = aliases.status(item, None, NOW).fields
    assert rollouts.ended(alias(**fields, rollout=done)) is None
    assert rollouts.ended(alias(rollout=rollout())) is None


def test_what_a_newer_release_says_is_passed_over():
    item = alias(rollout={"phase": "Pondering"})
    assert aliases.serving(item, None) == Serving("1")
