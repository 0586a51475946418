"""How many instances of an alias are kept initialised now, by the clock and by the load. Pure; times are seconds since
1970.

Rule: never fewer than the greatest of the plain number, the open windows and the least of target tracking. Above that,
up to its most, target tracking decides; when a window closes it goes on from what there is.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from mayfly_gateway.target_tracking import LOW, MINUTES_IN, Change, History, scaled_in, scaled_out
from mayfly_gateway.windows import Opening, Window, window_of
from mayfly_model.provisioned_scaling import (
    ProvisionedConcurrencyScaling,
    ProvisionedConcurrencyScalingStatus,
    TargetTracking,
)


class Reason(StrEnum):
    """What a number comes from: the field that says it."""

    NUMBER = "ProvisionedConcurrentExecutions"
    WINDOW = "ScheduledAction"
    LEAST = "MinCapacity"
    TRACKING = "TargetTracking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an alias asks for: `number` at all times, more in its windows, and perhaps target tracking."""

    number: int = 0
    windows: tuple[Window, ...] = ()
    tracking: TargetTracking | None = None


def plan_of(scaling: ProvisionedConcurrencyScaling, number: int | None) -> Plan:
    """The plan of an Alias that also says a plain number, or none."""
    windows = tuple(window_of(each) for each in scaling.scheduled_actions)
    return Plan(number=number or 0, windows=windows, tracking=scaling.target_tracking)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """How many instances are to be kept, for what an alias says in its generation, and why.

    `out_at`, `in_at`: when target tracking asked for more, and for fewer, last.
    """

    generation: int
    instances: int
    reason: str
    message: str = ""
    out_at: float | None = None
    in_at: float | None = None


def status_of(decided: Decided) -> ProvisionedConcurrencyScalingStatus:
    """The same as an Alias's status tells it, times in whole seconds."""
    return ProvisionedConcurrencyScalingStatus(
        observed_generation=decided.generation,
        requested=decided.instances,
        reason=str(decided.reason),
        message=decided.message,
        scaled_out_at=_time(decided.out_at),
        scaled_in_at=_time(decided.in_at),
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What target tracking may ask for; `limit` says what the most comes from."""

    least: int
    most: int
    limit: str


def decide(
    plan: Plan,
    opening: Opening,
    before: Decided | None,
    *,
    generation: int = 0,
    history: History = (),
    now: float,
    room: int | None = None,
) -> Decided:
    """How many instances to keep now.

    Args:
        plan: what is asked for.
        opening: which window is open.
        before: what was decided last, by whomever; None for nothing.
        generation: of the alias.
        history: the last minutes.
        now: the time.
        room: what the function's reservation leaves for it; None for no bound.
    """
    floor = _floor(plan, opening, generation)
    if room is not None and room < floor.instances:
        floor = replace(floor, instances=room, message=f"{floor.message} {_leaves(room)}")
    if plan.tracking is None or before is None:
        return floor
    before = replace(before, generation=generation)
    found = _tracked(plan.tracking, before, _bounds(floor, plan.tracking, room), history, now)
    if found.instances > floor.instances:
        return found
    return replace(floor, out_at=found.out_at, in_at=found.in_at)


def _floor(plan: Plan, opening: Opening, generation: int) -> Decided:
    window, tracking = opening.window, plan.tracking
    wanted = [(plan.number, Reason.NUMBER, f"At least {plan.number} are kept at all times.")]
    if window is not None:
        wanted.append((window.instances, Reason.WINDOW, f"The window {window.name} is open."))
    if tracking is not None:
        wanted.append((tracking.min_capacity, Reason.LEAST, f"At least {tracking.min_capacity} are kept."))
    instances, reason, message = max(wanted, key=lambda each: each[0])
    if not instances:
        reason, message = Reason.WINDOW, "No window is open."
    return Decided(generation=generation, instances=instances, reason=reason, message=message)


def _bounds(floor: Decided, tracking: TargetTracking, room: int | None) -> _Bounds:
    most = max(floor.instances, tracking.max_capacity)
    if room is not None and room < most:
        return _Bounds(floor.instances, room, _leaves(room))
    return _Bounds(floor.instances, most, f"maxCapacity is {tracking.max_capacity}.")


def _leaves(room: int) -> str:
    return f"The function's reservation leaves {room}."


def _tracked(
    tracking: TargetTracking, before: Decided, bounds: _Bounds, history: History, now: float
) -> Decided:
    """What target tracking makes of the last minutes."""
    kept = min(max(before.instances, bounds.least), bounds.most)
    out = scaled_out(history, tracking, kept)
    if out is not None and kept < bounds.most and _cooled(before.out_at, tracking.scale_out_cooldown, now):
        found = _changed(before, out, out_at=now, in_at=None)
        if found.instances <= bounds.most:
            return found
        return replace(found, instances=bounds.most, message=f"{found.message} {bounds.limit}")
    less = scaled_in(history, tracking, kept)
    if less is not None and kept > bounds.least and _cooled(before.in_at, tracking.scale_in_cooldown, now):
        return _changed(before, less, out_at=before.out_at, in_at=now)
    return _kept(before, kept, tracking, bounds)


def _cooled(since: float | None, cooldown: float, now: float) -> bool:
    return since is None or now >= since + cooldown


def _changed(before: Decided, change: Change, *, out_at: float | None, in_at: float | None) -> Decided:
    return replace(
        before,
        instances=change.instances,
        reason=Reason.TRACKING,
        message=change.message,
        out_at=out_at,
        in_at=in_at,
    )


def _kept(before: Decided, instances: int, tracking: TargetTracking, bounds: _Bounds) -> Decided:
    """What stays as it was, though perhaps for another reason."""
    if before.instances == instances and before.reason == Reason.TRACKING:
        return before
    low = f"{LOW * tracking.target_value * 100:g} %"
    message = f"As many as before, until for {MINUTES_IN} minutes less than {low} of them were in use."
    if before.instances > instances:
        message = bounds.limit
    return replace(before, instances=instances, reason=Reason.TRACKING, message=message)
