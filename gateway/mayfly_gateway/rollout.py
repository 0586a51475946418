"""A gradual rollout: from one version of an alias to another, step by step, and back if it is not good enough. Pure.

Rule: a rollout ends once, well or badly, and its end stays until the alias says something new. Time alone makes steps,
one at a time; only the new version's own calls by the alias take one back.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from mayfly_gateway.provision_plan import Decided
from mayfly_gateway.routes import Route
from mayfly_model.rollout import Rollout, RolloutAlarm
from mayfly_model.rollout import RolloutPhase as Phase

WATCHED_AGAIN: Final = 60.0
"""Seconds for which a gateway that takes a rollout over watches it, before it makes a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """When a version is not good enough: more than `error_rate` of its calls fail, or more than one in a hundred takes
    longer than `p99` seconds. No verdict comes before `minimum` calls are over.
    """

    error_rate: float | None
    p99: float | None
    minimum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to go: each step adds `share` of the calls, or the second one all the rest, `interval` seconds after it."""

    linear: bool
    share: float
    interval: float
    alarm: Alarm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a rollout is that generation `generation` of the alias asked for; times are seconds since 1970."""

    generation: int
    origin: str
    goal: str
    weight: float
    step: int
    started_at: float
    stepped_at: float
    phase: Phase = Phase.PROGRESSING
    message: str = ""

    @property
    def leads(self) -> Route:
        """Where calls by the alias go."""
        if self.phase is Phase.COMPLETED:
            return Route(self.goal)
        return Route(self.origin, self.goal, self.weight) if self.weight else Route(self.origin)

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.phase is Phase.PROGRESSING

    @property
    def settled(self) -> str:
        """The version that a later rollout would start from."""
        return self.goal if self.phase is Phase.COMPLETED else self.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an alias says of rollouts, and what was written down of its last one.

    `scaled` is what was written down of its provisioned concurrency, where that is scaled. `source` is the object's
    name and `uid` its identity, empty where no object is; `generation` counts what it says.
    `serves` is the version that others take it to lead to.
    """

    plan: Plan | None
    generation: int
    progress: Progress | None = None
    serves: str | None = None
    scaled: Decided | None = None
    source: str = ""
    uid: str = ""


def plan_of(rollout: Rollout | None) -> Plan | None:
    """The plan that an Alias's spec asks for."""
    if rollout is None:
        return None
    return Plan(
        linear=rollout.type == "Linear",
        share=rollout.percentage / 100,
        interval=rollout.interval_minutes * 60,
        alarm=None if rollout.alarm is None else _alarm_of(rollout.alarm),
    )


def _alarm_of(alarm: RolloutAlarm) -> Alarm:
    p99 = alarm.p99_milliseconds
    return Alarm(
        error_rate=alarm.error_rate,
        p99=None if p99 is None else p99 / 1000,
        minimum=alarm.minimum_invocations,
    )


def next_progress(
    progress: Progress | None,
    *,
    plan: Plan | None,
    goal: str,
    generation: int,
    served: str | None,
    now: float,
) -> Progress | None:
    """What becomes of a rollout when the alias says something, perhaps what it said before; None for no rollout.

    Args:
        progress: of the last rollout, None if there was none.
        plan: how to go; None for at once.
        goal: the version that the alias names.
        generation: of the alias, which says that it said something new.
        served: the version that calls went to when there was no rollout; None if they went to none that may share.
        now: seconds since 1970.
    """
    if plan is None:
        return None
    if progress is not None and progress.generation == generation:
        return progress
    if progress is not None and progress.goal == goal and progress.phase is not Phase.ROLLED_BACK:
        return replace(progress, generation=generation)
    origin = served if progress is None else progress.settled
    if origin is None or origin == goal:
        return None
    return Progress(
        generation=generation,
        origin=origin,
        goal=goal,
        weight=plan.share,
        step=1,
        started_at=now,
        stepped_at=now,
    )


def arrived(said: Said, goal: str, now: float) -> Progress | None:
    """What there is to tell where no rollout is needed, but others wait to hear of one; else None."""
    if said.plan is None or said.serves in (None, goal):
        return None
    return Progress(
        generation=said.generation,
        origin=said.serves or goal,
        goal=goal,
        weight=1.0,
        step=0,
        started_at=now,
        stepped_at=now,
        phase=Phase.COMPLETED,
    )


def due_at(progress: Progress, plan: Plan) -> float:
    """When the next step is to be made."""
    return progress.stepped_at + plan.interval


def stepped(progress: Progress, plan: Plan, now: float) -> Progress:
    """The rollout after one step more, if it is time for one."""
    if not progress.under_way or now < due_at(progress, plan):
        return progress
    weight = round(progress.weight + plan.share, 6) if plan.linear else 1.0
    done = weight >= 1
    return replace(
        progress,
        weight=1.0 if done else weight,
        step=progress.step + 1,
        stepped_at=now,
        phase=Phase.COMPLETED if done else Phase.PROGRESSING,
    )


def taken_over(progress: Progress, plan: Plan, now: float) -> Progress:
    """The rollout in the hands of another gateway, which has not seen the new version's calls until now."""
    if not progress.under_way:
        return progress
    earliest = now - plan.interval + min(plan.interval, WATCHED_AGAIN)
    return replace(progress, stepped_at=max(min(progress.stepped_at, now), earliest))


def rolled_back(progress: Progress, message: str, now: float) -> Progress:
    """The rollout taken back, for this reason."""
    if not progress.under_way:
        return progress
    return replace(progress, weight=0.0, stepped_at=now, phase=Phase.ROLLED_BACK, message=message)


def told(progress: Progress) -> str:
    """How far it is, for people."""
    if progress.under_way:
        return f"version {progress.goal} gets {progress.weight * 100:g} % of the calls"
    if progress.phase is Phase.COMPLETED:
        return f"all calls go to version {progress.goal}"
    return f"back to version {progress.origin}: of version {progress.goal} {progress.message}"


@dataclass(slots=True)
class Tally:
    """So many calls are over; `timed` of them ran, and `slow` of these took too long."""

    calls: int = 0
    failed: int = 0
    timed: int = 0
    slow: int = 0


@dataclass(slots=True)
class Evidence:
    """What the new version's calls came to since the last step but one."""

    alarm: Alarm
    before: Tally = field(default_factory=Tally)
    now: Tally = field(default_factory=Tally)

    def count(self, failed: bool, seconds: float | None) -> str | None:
        """Count a call that is over, `seconds` after its instance got it; returns what is wrong, if anything is.

        `seconds` is None for a call that no instance ran.
        """
        tally = self.now
        tally.calls += 1
        tally.failed += failed
        if seconds is not None:
            tally.timed += 1
            tally.slow += self.alarm.p99 is not None and seconds > self.alarm.p99
        return self.verdict()

    def step(self) -> None:
        """A step was made."""
        self.before, self.now = self.now, Tally()

    def verdict(self) -> str | None:
        """What is wrong, in a sentence; None for nothing."""
        alarm, before, now = self.alarm, self.before, self.now
        calls = before.calls + now.calls
        if calls < alarm.minimum:
            return None
        failed, slow, timed = before.failed + now.failed, before.slow + now.slow, before.timed + now.timed
        if alarm.error_rate is not None and failed > alarm.error_rate * calls:
            return f"{failed} of {calls} invocations failed; allowed: {alarm.error_rate * 100:g} %."
        # The nearest rank: of a hundred, the second slowest.
        if alarm.p99 is not None and slow * 100 > timed:
            return f"{slow} of {timed} invocations took longer than {alarm.p99 * 1000:g} ms; allowed: one in a hundred."
        return None
