"""Drives the rollouts of the functions that are this gateway's, and leads aliases where those of others are.

Rule: who owns the function makes the steps and says what calls came to; what it decided is in force at once and written
down after that. Whoever does not own it goes by what is written.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

from mayfly_gateway.catalogue import AliasKey, Catalogue
from mayfly_gateway.dispatch import Dispatcher
from mayfly_gateway.rollout import (
    Evidence,
    Progress,
    Said,
    arrived,
    due_at,
    next_progress,
    rolled_back,
    stepped,
    taken_over,
    told,
)
from mayfly_gateway.routes import Route
from mayfly_model.names import LATEST

OnProgress = Callable[[AliasKey, Said, Progress | None], None]

_LOOK: float = 1.0
"""Seconds after which a rollout is looked at again that waits for something else than its time."""

_log = logging.getLogger(__name__)


class _Rollout:
    """One alias: what it names and says, what calls went to before, and, where it is `mine`, how far it is.

    `waiting`: it is not yet for this gateway to say where it leads. `watched` is the version whose calls are counted.
    """

    __slots__ = ("evidence", "goal", "key", "mine", "progress", "said", "served", "waiting", "watched")

    def __init__(self, key: AliasKey) -> None:
        self.key = key
        self.goal = ""
        self.said = Said(plan=None, generation=0)
        self.served: str | None = None
        self.mine = False
        self.waiting = False
        self.progress: Progress | None = None
        self.evidence: Evidence | None = None
        self.watched: tuple[str, str, str] | None = None

    @property
    def written(self) -> bool:
        """Whether what was written down is about what the alias says now."""
        return self.said.progress is not None and self.said.progress.generation == self.said.generation

    @property
    def under_way(self) -> bool:
        """Whether steps are to be made here."""
        return self.mine and not self.waiting and self.progress is not None and self.progress.under_way

    @property
    def steered(self) -> Route | None:
        """Where it leads instead of where it says; None for there."""
        if self.said.plan is None:
            return None
        if not self.waiting:
            return None if self.progress is None else self.progress.leads
        return None if self.served is None else Route(self.served)


class Rollouts:
    """Every alias that has a rollout, or had one."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        dispatcher: Dispatcher,
        owns: Callable[[tuple[str, str]], bool] = lambda _: True,
        ready: Callable[[], bool] = lambda: True,
        on_progress: OnProgress | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`owns(function)` says whether a function is this gateway's, as soon as it is `ready()` to know.

        `on_progress(alias, said, progress)` is told what to write down; None for nothing. `clock` is in seconds since
        1970, by which gateways understand each other.
        """
        self._loop = asyncio.get_running_loop()
        self._catalogue = catalogue
        self._dispatcher = dispatcher
        self._owns = owns
        self._ready = ready
        self._on_progress = on_progress
        self._clock = clock
        self._known: dict[AliasKey, _Rollout] = {}
        self._timer: asyncio.TimerHandle | None = None
        catalogue.guide_by(self._hear)

    def progress(self, key: AliasKey) -> Progress | None:
        """How far an alias's last rollout is."""
        known = self._known.get(key)
        return None if known is None else known.progress

    def refresh(self) -> None:
        """Look at everything: functions may have changed hands."""
        self._look(tuple(self._known.values()))

    def close(self) -> None:
        """Make no step more."""
        if self._timer is not None:
            self._timer.cancel()

    # What aliases say.

    def _hear(
        self, key: AliasKey, wanted: Route | None, said: Said | None, led: Route | None
    ) -> Route | None:
        known = self._known.get(key)
        if wanted is None or said is None or (said.plan is None and said.progress is None and known is None):
            self._forget(known)
            return None
        if known is None or known.said.uid != said.uid:
            self._forget(known)
            known = self._known[key] = _Rollout(key)
        known.goal, known.said = wanted.version, said
        known.served = None if led is None or led.version == LATEST else led.version
        self._consider(known)
        if said.plan is None and said.progress is None:
            self._forget(known)
        self._schedule()
        return known.steered

    def _forget(self, known: _Rollout | None) -> None:
        if known is not None:
            self._unwatch(known)
            self._known.pop(known.key, None)

    def _consider(self, known: _Rollout) -> None:
        """Bring it to what is true of it now."""
        namespace, name, _ = known.key
        mine = self._ready() and self._owns((namespace, name))
        before = known.progress if mine and known.mine else known.said.progress
        taking_over, known.mine = mine and not known.mine, mine
        there = known.goal in self._catalogue.versions(namespace, name)
        known.waiting = _waits(known, there=there)
        if known.waiting or not mine:
            self._unwatch(known)
            known.progress = before if known.waiting or known.written else None
        else:
            self._go(known, before, taking_over=taking_over)

    def _go(self, known: _Rollout, before: Progress | None, *, taking_over: bool) -> None:
        """Make the step that is due, if one is."""
        said, now = known.said, self._clock()
        progress = next_progress(
            before,
            plan=said.plan,
            goal=known.goal,
            generation=said.generation,
            served=known.served,
            now=now,
        )
        if progress is not None and said.plan is not None:
            if taking_over and before is not None and _one(before, progress):
                progress = taken_over(progress, said.plan, now)
            progress = stepped(progress, said.plan, now)
        self._have(known, progress or arrived(said, known.goal, now))

    def _have(self, known: _Rollout, progress: Progress | None) -> None:
        before, known.progress = known.progress, progress
        self._watch(known, before)
        if not _same(progress, known.said.progress) and self._on_progress is not None:
            self._on_progress(known.key, known.said, progress)
        if progress is not None and not _same(progress, before):
            _log.info("%s/%s:%s: %s", *known.key, told(progress))

    # The new version's calls.

    def _watch(self, known: _Rollout, before: Progress | None) -> None:
        """Count the calls of a version that is on its way."""
        progress, plan = known.progress, known.said.plan
        if progress is None or plan is None or plan.alarm is None or not progress.under_way:
            self._unwatch(known)
            return
        evidence = known.evidence
        if (
            evidence is not None
            and evidence.alarm == plan.alarm
            and before is not None
            and _one(before, progress)
        ):
            if before.step != progress.step:
                evidence.step()
            return
        self._unwatch(known)
        known.evidence = Evidence(plan.alarm)
        known.watched = (*known.key[:2], progress.goal)
        over = partial(self._over, known, known.evidence)
        self._dispatcher.watch(known.watched, known.key[2], over)

    def _unwatch(self, known: _Rollout) -> None:
        if known.watched is not None:
            self._dispatcher.watch(known.watched, known.key[2], None)
        known.evidence = known.watched = None

    def _over(self, known: _Rollout, evidence: Evidence, failed: bool, seconds: float | None) -> None:
        if known.evidence is not evidence:
            return
        trouble = evidence.count(failed, seconds)
        if trouble is not None:
            # In the next turn: who is told this is in the middle of an answer.
            self._loop.call_soon(self._give_up, known, evidence, trouble)

    def _give_up(self, known: _Rollout, evidence: Evidence, trouble: str) -> None:
        if known.evidence is evidence and known.progress is not None:
            self._have(known, rolled_back(known.progress, trouble, self._clock()))
            self._catalogue.steer(known.key, known.steered)

    # Time.

    def _look(self, rollouts: Iterable[_Rollout]) -> None:
        for known in rollouts:
            self._consider(known)
            self._catalogue.steer(known.key, known.steered)
        self._schedule()

    def _schedule(self) -> None:
        """Look again when the next step is due, and soon where something is waited for."""
        self.close()
        now = self._clock()
        delays = [delay for known in self._known.values() if (delay := self._delay(known, now)) is not None]
        self._timer = self._loop.call_later(min(delays), self._tick) if delays else None

    def _delay(self, known: _Rollout, now: float) -> float | None:
        if known.under_way:
            assert known.progress is not None  # noqa: S101
            assert known.said.plan is not None  # noqa: S101
            return max(0.0, due_at(known.progress, known.said.plan) - now)
        return _LOOK if known.waiting or not self._ready() else None

    def _tick(self) -> None:
        now = self._clock()
        self._look([known for known in self._known.values() if self._delay(known, now) is not None])


def _waits(known: _Rollout, *, there: bool) -> bool:
    """Whether its new version is missing or, where it is another's, that one has not said yet where it leads."""
    if known.said.plan is None or (known.served == known.goal and not known.written):
        return False
    return not there if known.mine else not known.written


def _one(before: Progress, after: Progress) -> bool:
    """Whether they are of one rollout."""
    return (before.origin, before.goal, before.started_at) == (after.origin, after.goal, after.started_at)


def _same(one: Progress | None, other: Progress | None) -> bool:
    """Whether they say the same; times are written down in whole seconds."""
    if one is None or other is None:
        return one is other
    return _sense(one) == _sense(other)


def _sense(progress: Progress) -> tuple[object, ...]:
    return (
        progress.generation,
        progress.origin,
        progress.goal,
        progress.weight,
        progress.step,
        progress.phase,
        progress.message,
        int(progress.started_at),
    )
