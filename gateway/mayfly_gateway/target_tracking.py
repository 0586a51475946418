"""Target tracking as Application Auto Scaling does it: from minutes that were measured to the instances wanted. Pure.

Rule: quick to ask for more, slow to ask for fewer. More: each of three minutes in a row was above the target; the last
one says how many. Fewer: each of fifteen in a row was below nine tenths of it; the busiest of them says how many.
Source: the guide of Application Auto Scaling, *How target tracking works*, and the alarms that it makes for Lambda.
"""

import math
from dataclasses import dataclass
from typing import Final

from mayfly_model.provisioned_scaling import TargetTracking

MINUTES_OUT: Final = 3
MINUTES_IN: Final = 15
LOW: Final = 0.9
"""Share of the target below which fewer are wanted."""
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute, by its number since 1970: instances that were allocated, and the most of them in use at once."""

    number: int
    in_use: float
    allocated: float

    @property
    def utilisation(self) -> float:
        """From 0 to 1."""
        return self.in_use / self.allocated

    def needs(self, target: float) -> int:
        """Instances of which the target is in use: ceil(allocated * utilisation / target)."""
        return math.ceil(self.in_use / target - _ROUNDING)


History = tuple[Minute, ...]
"""Minutes without a gap, the last one last."""


def remember(history: History, minute: Minute) -> History:
    """The history with one minute more; after a gap it begins anew."""
    if history and history[-1].number + 1 != minute.number:
        history = ()
    return (*history, minute)[-MINUTES_IN:]


@dataclass(frozen=True, slots=True)
class Change:
    """How many instances are wanted instead, and why."""

    instances: int
    message: str


def scaled_out(history: History, tracking: TargetTracking, now: int) -> Change | None:
    """What to ask for where the `now` instances are too few; None if they are not."""
    last, target = history[-MINUTES_OUT:], tracking.target_value
    if len(last) < MINUTES_OUT or any(each.utilisation <= target for each in last):
        return None
    wanted = last[-1].needs(target)
    if wanted <= now:
        return None
    share = f"{last[-1].utilisation * 100:.0f} %"
    return Change(
        wanted,
        f"For {MINUTES_OUT} minutes more than {target * 100:g} % of {now} were in use, and {share} in the last one.",
    )


def scaled_in(history: History, tracking: TargetTracking, now: int) -> Change | None:
    """What to ask for where the `now` instances are too many; None if they are not."""
    low, target = LOW * tracking.target_value, tracking.target_value
    if len(history) < MINUTES_IN or any(each.utilisation >= low for each in history):
        return None
    wanted = max(each.needs(target) for each in history)
    if wanted >= now:
        return None
    return Change(
        wanted, f"For {MINUTES_IN} minutes less than {low * 100:g} % of them were in use; {now} were kept."
    )
