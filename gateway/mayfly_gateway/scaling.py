"""How many instances a function lacks. Pure, and the only place where that is decided.

Rule: an instance is asked for only for a waiting call that, by the function's own recent durations, no busy
instance will serve before a new one could. That spares a burst that is over before a new instance would be there;
where calls have been waiting without a break for as long as a new one takes, it is no burst, and the instances
are doubled, at most to one for each call. The estimates may be wrong: the dispatcher asks again while calls wait,
and an invocation that has outlived its estimate is expected to take as long again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_WEIGHT = 0.2
_SHORTEST = 0.0005
_COLD_START = 0.1
"""What a cold start is taken for until one was seen, in seconds."""
_NEVER = float("inf")


class Estimates:
    """A function version's recent past, in seconds, as exponentially weighted averages; None before the first."""

    __slots__ = ("cold_start", "duration")

    def __init__(self) -> None:
        self.duration: float | None = None
        self.cold_start: float | None = None

    def observe_duration(self, seconds: float) -> None:
        """An invocation kept its instance busy for this long."""
        self.duration = _blend(self.duration, seconds)

    def observe_cold_start(self, seconds: float) -> None:
        """An instance took this long from being asked for until its runtime was initialised."""
        self.cold_start = _blend(self.cold_start, seconds)


def _blend(average: float | None, value: float) -> float:
    return value if average is None else average + _WEIGHT * (value - average)


@dataclass(frozen=True, slots=True)
class Busy:
    """How long an instance has been at its invocation, and since when it has been done but for the end of it."""

    elapsed: float
    finishing: float | None = None


def shortfall(
    *,
    waiting: int,
    waiting_for: float,
    busy: Sequence[Busy],
    launching: Sequence[float],
    estimates: Estimates,
) -> int:
    """How many instances to ask for.

    `waiting_for` is for how many seconds some call has been waiting without a break or a new instance,
    `launching` how long ago each instance that is on its way was asked for.

    An instance on its way always counts for one call, however late it is: else a slow machine would be asked
    for ever more.
    """
    window = _COLD_START if estimates.cold_start is None else estimates.cold_start
    each = max(_SHORTEST, window if estimates.duration is None else estimates.duration)
    served = 0
    for elapsed in launching:
        served += max(1, _served(_remaining(window, elapsed), window, each))
    for instance in busy:
        if served >= waiting:
            break
        served += _served(_free_in(instance, estimates.duration), window, each)
    lasting = waiting_for > window and not launching
    return max(0, waiting - served, min(waiting, len(busy)) if lasting else 0)


def _free_in(instance: Busy, duration: float | None) -> float:
    if instance.finishing is not None:
        return instance.finishing
    return _NEVER if duration is None else _remaining(duration, instance.elapsed)


def _remaining(expected: float, elapsed: float) -> float:
    return expected - elapsed if elapsed < expected else elapsed


def _served(free_in: float, window: float, each: float) -> int:
    """How many calls an instance takes on within the window."""
    return 0 if free_in > window else 1 + int((window - free_in) / each)
