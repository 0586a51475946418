"""What a gateway says of an alias's rollout, in a condition and in words.

Rule: pure. What was said for another generation counts only while that rollout goes on or has ended well, to the same
version; what came back is tried again by a gateway, and until it says so the alias serves what it served.
"""

from datetime import datetime
from typing import Final

from pydantic import ValidationError

from mayfly_model.conditions import Condition, ConditionType, Reason, condition, find
from mayfly_model.rollout import RolloutPhase, RolloutStatus
from mayfly_operator.statuses import conditions
from mayfly_operator.views import AliasView, Trouble

EVENTS: Final = {Reason.COMPLETED: "RolloutCompleted", Reason.ROLLED_BACK: "RolledBack"}
"""The reasons of the Events that tell of an end."""


def read(told: object) -> RolloutStatus | None:
    """The last rollout, as far as a gateway has said."""
    if told is None:
        return None
    try:
        return RolloutStatus.model_validate(told)
    except ValidationError:
        return None


def current(alias: AliasView) -> RolloutStatus | None:
    """The rollout to what the alias names now."""
    rollout = alias.rollout
    if rollout is None or not alias.gradual or alias.versions[:1] != (rollout.to_version,):
        return None
    lasting = rollout.phase is not RolloutPhase.ROLLED_BACK
    return rollout if lasting or rollout.observed_generation == alias.generation else None


def is_awaited(alias: AliasView, served: str | None) -> bool:
    """Whether a gateway has yet to say how it gets from the version that it serves to the one that it names."""
    return alias.gradual and served is not None and served != alias.versions[0]


def refers_to(alias: AliasView) -> tuple[str, ...]:
    """The versions of a rollout that may yet be needed."""
    rollout = alias.rollout
    if rollout is None or rollout.phase is RolloutPhase.COMPLETED:
        return ()
    return rollout.from_version, rollout.to_version


def progressing(
    alias: AliasView, found: Trouble | None, served: str | None, now: datetime
) -> Condition | None:
    """`Progressing` of an alias; None where there is no rollout to tell of."""
    rollout = current(alias)
    if rollout is not None:
        return _condition(alias, _reason(rollout), _words(rollout), now)
    if found is None and is_awaited(alias, served):
        words = f"Calls go to version {served}; the rollout to version {alias.versions[0]} is about to begin."
        return _condition(alias, Reason.ROLLING_OUT, words, now)
    return None


def ended(alias: AliasView) -> Condition | None:
    """How a rollout has ended, if the status does not tell so yet; its time is nobody's."""
    rollout = current(alias)
    if rollout is None or rollout.phase is RolloutPhase.PROGRESSING:
        return None
    new = _condition(alias, _reason(rollout), _words(rollout), rollout.stepped_at)
    before = find(conditions(alias.status), ConditionType.PROGRESSING)
    return new if before is None or (before.reason, before.message) != (new.reason, new.message) else None


def _reason(rollout: RolloutStatus) -> Reason:
    return {
        RolloutPhase.PROGRESSING: Reason.ROLLING_OUT,
        RolloutPhase.COMPLETED: Reason.COMPLETED,
        RolloutPhase.ROLLED_BACK: Reason.ROLLED_BACK,
    }[rollout.phase]


def _words(rollout: RolloutStatus) -> str:
    if rollout.phase is RolloutPhase.PROGRESSING:
        return f"Version {rollout.to_version} gets {rollout.weight * 100:g} % of the calls."
    if rollout.phase is RolloutPhase.COMPLETED:
        return f"All calls go to version {rollout.to_version}."
    return f"Calls go to version {rollout.from_version}. Of version {rollout.to_version} {rollout.message}"


def _condition(alias: AliasView, reason: Reason, message: str, now: datetime) -> Condition:
    return condition(
        ConditionType.PROGRESSING,
        holds=reason is Reason.ROLLING_OUT,
        reason=reason,
        message=message,
        now=now,
        generation=alias.generation,
    )
