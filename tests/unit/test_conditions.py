"""Conditions tell what is, keep the time of their last change, and fold into one."""

from datetime import UTC, datetime, timedelta

import pytest

from mayfly_model.conditions import (
    MESSAGE_LENGTH,
    ConditionType,
    Reason,
    condition,
    find,
    fold,
    with_condition,
)
from mayfly_model.objects import as_applied

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
NEW, OLD = "0a" * 32, "0b" * 32


def ready(holds, reason=Reason.AVAILABLE, *, now=NOON, **more):
    return condition(ConditionType.READY, holds=holds, reason=reason, now=now, **more)


def test_the_time_moves_only_with_the_status():
    first = with_condition((), ready(True))
    same = with_condition(first, ready(True, now=LATER, message="still"))
    assert find(same, ConditionType.READY).last_transition_time == NOON
    assert find(same, ConditionType.READY).message == "still"
    changed = with_condition(same, ready(False, Reason.INIT_FAILED, now=LATER))
    assert find(changed, ConditionType.READY).last_transition_time == LATER


def test_saying_it_again_changes_nothing():
    first = with_condition((), ready(True))
    assert with_condition(first, ready(True, now=LATER)) == first


def test_ready_comes_first():
    code = condition(ConditionType.CODE_AVAILABLE, holds=True, reason=Reason.AVAILABLE, now=NOON)
    assert [each.type for each in with_condition((code,), ready(True))] == ["Ready", "CodeAvailable"]


def test_a_condition_is_written_as_kubernetes_writes_it():
    written = as_applied(ready(None, Reason.UNSCHEDULABLE, message="x" * 5000, generation=3))
    assert written["lastTransitionTime"] == "2026-11-25T12:00:00Z"
    assert (written["status"], written["reason"]) == ("Unknown", "Unschedulable")
    assert len(written["message"]) == MESSAGE_LENGTH
    assert "revision" not in written


def test_a_version_of_which_nothing_bad_is_known_is_ready():
    folded = fold((), now=NOON, generation=1, revision=NEW)
    assert (folded.type, folded.status, folded.reason) == ("Ready", "True", "Available")


@pytest.mark.parametrize("holds", [True, None])
def test_what_cannot_be_told_is_no_cause(holds):
    found = condition(ConditionType.INSTANCES_AVAILABLE, holds=holds, reason=Reason.AVAILABLE, now=NOON)
    assert fold((found,), now=NOON, generation=1, revision=NEW).status == "True"


def test_the_first_cause_on_the_way_decides():
    causes = [
        condition(kind, holds=False, reason=reason, message=reason.value, now=NOON, revision=NEW)
        for kind, reason in (
            (ConditionType.INITIALIZED, Reason.INIT_FAILED),
            (ConditionType.INSTANCES_AVAILABLE, Reason.UNSCHEDULABLE),
            (ConditionType.CODE_AVAILABLE, Reason.CODE_NOT_FOUND),
        )
    ]
    told = []
    while causes:
        folded = fold(causes, now=NOON, generation=1, revision=NEW)
        assert (folded.status, folded.message) == ("False", folded.reason)
        told.append(folded.reason)
        causes.pop()
    assert told == ["CodeNotFound", "Unschedulable", "InitFailed"]


def test_what_was_said_of_other_content_is_passed_over():
    stale = condition(
        ConditionType.INITIALIZED, holds=False, reason=Reason.INIT_FAILED, now=NOON, revision=OLD
    )
    assert fold((stale,), now=NOON, generation=1, revision=NEW).status == "True"
    assert fold((stale,), now=NOON, generation=1, revision=OLD).status == "False"
