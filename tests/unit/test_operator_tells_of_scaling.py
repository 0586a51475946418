"""The operator tells how many instances an alias keeps where clock and load decide it, and why that changed."""

from datetime import UTC, datetime

from tests.unit.operator_objects import NOON, alias_item

from mayfly_operator import aliases

NOW = datetime.fromtimestamp(NOON, UTC)
TRACKING = {"targetTracking": {"targetValue": 0.7, "minCapacity": 1, "maxCapacity": 20}}


def alias(requested=None, *, number=None, before=None, scaling=TRACKING):
    """`before`: what the status told of them."""
    decided = {
        "observedGeneration": 1,
        "requested": requested,
        "reason": "ScheduledAction",
        "message": "Why.",
    }
    status = {} if requested is None else {"provisionedConcurrencyScaling": decided}
    if before is not None:
        status["provisionedConcurrency"] = {"requested": before, "status": "READY"}
    item = alias_item("1", status=status)
    item["spec"] |= {"provisionedConcurrencyScaling": scaling} if scaling else {}
    item["spec"] |= {"provisionedConcurrentExecutions": number} if number else {}
    return aliases.read(item)


def told(found):
    new = aliases.status(found, None, NOW)
    return None if new is None else new.fields.get("provisionedConcurrency", {}).get("requested")


def test_what_was_decided_is_what_is_wanted():
    assert told(alias(7, number=2)) == 7
    assert told(alias(number=2)) == 2
    assert told(alias(7, number=2, scaling=None)) == 2


def test_none_are_told_where_none_are_wanted():
    assert told(alias(0, before=3)) is None
    assert told(alias()) is None


def test_a_change_is_said_with_its_reason():
    assert aliases.rescaled(alias(7, before=2)) == "Instances kept initialised: 7, before: 2. Why."
    assert aliases.rescaled(alias(0, before=2)) == "Instances kept initialised: 0, before: 2. Why."
    assert aliases.rescaled(alias(7)) == "Instances kept initialised: 7, before: 0. Why."


def test_what_is_told_already_is_not_said_again():
    assert aliases.rescaled(alias(7, before=7)) is None
    assert aliases.rescaled(alias(0)) is None


def test_a_number_that_a_person_changed_is_no_news():
    assert aliases.rescaled(alias(number=7, before=2, scaling=None)) is None


def test_an_alias_that_cannot_be_read_says_what_to_change():
    action = {"name": "day", "durationMinutes": 5, "provisionedConcurrentExecutions": 1}
    broken = {"scheduledActions": [{**action, "schedule": "cron(0 25 * * ? *)"}]}
    assert "found 25 as hours; allowed: 0 to 23" in alias(scaling=broken).refused.message
