"""How many instances a function lacks. Pure, and the only place where that is decided.

Rule: an instance is asked for only for a waiting call that, by the function's own recent durations, no busy
instance will serve before a new one could. That spares a burst that is over before a new instance would be there;
where calls have been waiting without a break for as long as a new one takes, it is no burst, and the instances
are doubled, at most to one for each call. The estimates may be wrong: the dispatcher asks again while calls wait,
and an invocation that has outlived its estimate is expected to take as long again.

A spare instance, which waits for any function, is there in a fraction of that time, so it is taken for a call that
others would wait for; what is asked for beside the spare ones is only what those will not have served either.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

_WEIGHT = 0.2
_SHORTEST = 0.0005
_COLD_START = 0.1
"""What a cold start is taken for until one was seen, in seconds."""
_SPARE = 0.02
_POD = 0.5
"""The same for a spare instance, and what another one takes beyond that where there are spare ones: it takes a pod."""
_STARTS = 5
_BELIEVED = 2.0
"""Seconds after which what is taken for a spare instance is none, but a pod after all."""
_NEVER = float("inf")


class Starts:
    """How long the last instances that were no spare ones took to start, whatever their function."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_STARTS)

    def observe(self, seconds: float) -> None:
        """One took so long until its runtime was initialised."""
        self._seconds.append(seconds)

    @property
    def least(self) -> float:
        """What every start takes here at least: the other functions' INIT is no part of it."""
        return min(self._seconds, default=_POD)


class Estimates:
    """A function version's recent past, in seconds, as exponentially weighted averages; None before the first.

    `starts`: what is known of others.
    """

    __slots__ = ("cold_start", "duration", "spare", "starts")

    def __init__(self, starts: Starts | None = None) -> None:
        self.starts = starts or Starts()
        self.duration: float | None = None
        self.cold_start: float | None = None
        self.spare: float | None = None

    def observe_duration(self, seconds: float) -> None:
        """An invocation kept its instance busy for this long."""
        self.duration = _blend(self.duration, seconds)

    def observe_start(self, seconds: float, *, spare: bool = False) -> None:
        """An instance, spare or not, took this long from being asked for until its runtime was initialised."""
        if spare:
            self.spare = _blend(self.spare, seconds)
        else:
            self.cold_start = _blend(self.cold_start, seconds)
            self.starts.observe(seconds)


def _blend(average: float | None, value: float) -> float:
    return value if average is None else average + _WEIGHT * (value - average)


@dataclass(frozen=True, slots=True)
class Busy:
    """How long an instance has been at its invocation, and since when it has been done but for the end of it."""

    elapsed: float
    finishing: float | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """How long ago an instance was asked for that is on its way, and whether it is a spare one."""

    elapsed: float
    spare: bool = False


def shortfall(
    *,
    waiting: int,
    waiting_for: float,
    busy: Sequence[Busy],
    launching: Sequence[Coming],
    spare: int = 0,
    lanes: int = 1,
    estimates: Estimates,
) -> tuple[int, int]:
    """How many of the `spare` instances to take, and how many others to ask for.

    `waiting_for` is for how many seconds some call has been waiting without a break or a new instance, `lanes` how
    many calls one instance serves at once.

    An instance on its way always counts for one call, however late it is: else a slow machine would be asked
    for ever more. So does one whose call was answered a moment ago: whoever called may have called again, and there
    are never to be more instances than callers.
    """
    quick, other = estimates.spare or _SPARE, estimates.cold_start
    look = _Look(waiting, waiting_for, busy, lanes, estimates)
    taken = 0
    if spare:
        starts = quick, _beside(estimates, launching)
        taken = min(spare, look.lacking(launching, quick, starts, each=estimates.duration or quick))
        launching = (*launching, *(Coming(0.0, spare=True) for _ in range(taken)))
    if not any(each.spare for each in launching) and estimates.spare is None:
        window = _COLD_START if other is None else other
        return taken, look.lacking(launching, window, (quick, window), each=estimates.duration or window)
    window = _beside(estimates, launching)
    return taken, look.lacking(launching, window, (quick, window), each=look.guessed(quick), guess=True)


def _beside(estimates: Estimates, launching: Sequence[Coming]) -> float:
    """How long another instance takes where there are spare ones: no less than what those have taken, and a pod."""
    pod = estimates.starts.least
    known = estimates.cold_start
    if known is None:
        known = pod + (estimates.spare or 0.0)
    so_far = (each.elapsed for each in launching if each.spare and each.elapsed < _BELIEVED)
    return max(known, pod + max(so_far, default=0.0))


@dataclass(frozen=True, slots=True)
class _Look:
    """What there is at one moment."""

    waiting: int
    waiting_for: float
    busy: Sequence[Busy]
    lanes: int
    estimates: Estimates

    def lacking(
        self,
        launching: Sequence[Coming],
        window: float,
        starts: tuple[float, float],
        *,
        each: float,
        guess: bool = False,
    ) -> int:
        """How many instances to ask for, not to have a call wait for longer than `window` seconds.

        `starts`: how long a spare instance takes, and another one; `each`: a call. `guess`: a function whose durations
        are not known yet is taken for one whose calls are about to end.
        """
        served = 0
        for one in launching:
            takes = starts[0] if one.spare else starts[1]
            served += self.lanes * max(1, _served(_remaining(takes, one.elapsed), window, each))
        for instance in self.busy:
            if served >= self.waiting:
                break
            served += _served(self._free_in(instance, guess=guess), window, each)
        lasting = self.waiting_for > window and not launching
        short = max(self.waiting - served, min(self.waiting, len(self.busy)) if lasting else 0)
        return -(-max(0, min(short, self._unmatched(launching, window))) // self.lanes)

    def _unmatched(self, launching: Sequence[Coming], window: float) -> int:
        """How many calls wait beyond what comes and what is about to be free: their callers' last ones are answered."""
        finishing = sum(1 for each in self.busy if each.finishing is not None and each.finishing <= window)
        return self.waiting - finishing - self.lanes * len(launching)

    def guessed(self, quick: float) -> float:
        """How long a call takes: as the function's own calls did or, before the first is over, as they have so far."""
        if self.estimates.duration is not None:
            return self.estimates.duration
        return max((one.elapsed for one in self.busy), default=quick)

    def _free_in(self, instance: Busy, *, guess: bool) -> float:
        if instance.finishing is not None:
            return instance.finishing
        duration = self.estimates.duration
        if duration is None:
            return instance.elapsed if guess else _NEVER
        return _remaining(duration, instance.elapsed)


def _remaining(expected: float, elapsed: float) -> float:
    return expected - elapsed if elapsed < expected else elapsed


def _served(free_in: float, window: float, each: float) -> int:
    """How many calls an instance takes on within the window."""
    return 0 if free_in > window else 1 + int((window - free_in) / max(_SHORTEST, each))
