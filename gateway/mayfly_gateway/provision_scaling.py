"""Has as many instances kept of aliases as windows and load ask for, where their functions are this gateway's.

Rule: who owns the function measures and decides; what it decided is in force at once and written down after that.
Whoever owns it next goes on from what is written, and measures anew.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator

from mayfly_gateway.catalogue import AliasKey, Catalogue
from mayfly_gateway.dispatch import Dispatcher
from mayfly_gateway.provision import Load
from mayfly_gateway.provision_plan import Decided, Plan, decide, plan_of
from mayfly_gateway.rollout import Said
from mayfly_gateway.routes import Route
from mayfly_gateway.target_tracking import History, Minute, remember
from mayfly_gateway.windows import Opening, look
from mayfly_model.names import LATEST

OnScaled = Callable[[AliasKey, Said, Decided | None], None]
_Loads = dict[str, Load | None]
"""By version, what one round measured of a function: whoever asks twice would measure an instant."""

_MINUTE = 60.0
_LOOK = 1.0
"""Seconds after which a gateway that does not yet know what is its own looks again."""

_log = logging.getLogger(__name__)


class _Scaled:
    """One alias: what it asks for, what was decided, and, where it is `mine`, what was measured.

    `minute` is the one that goes on, by its number since 1970, and `version` whose load is measured from its beginning;
    None where it was not yet then.
    """

    __slots__ = (
        "asked", "decided", "history", "key", "mine", "minute", "opening", "plan", "said", "version"
    )  # fmt: skip

    def __init__(self, key: AliasKey) -> None:
        self.key = key
        self.asked: Route | None = None
        self.plan = Plan()
        self.said = Said(plan=None, generation=0)
        self.mine = False
        self.decided: Decided | None = None
        self.opening: Opening | None = None
        self.history: History = ()
        self.minute = 0
        self.version: str | None = None

    @property
    def instances(self) -> int | None:
        """How many it wants; None for as many as it says."""
        return None if self.decided is None else self.decided.instances

    @property
    def measures(self) -> bool:
        """Whether its load is measured here."""
        return self.mine and self.plan.tracking is not None

    def ask(self, route: Route) -> None:
        """It asks for this."""
        if route.scaling is not None and self.asked != route:
            self.asked, self.opening = route, None
            self.plan = plan_of(route.scaling, route.provisioned)

    def begin_anew(self) -> None:
        """Nothing that was measured counts any more."""
        self.history, self.version = (), None

    def open(self, now: float) -> Opening:
        """Which window is open now."""
        opening = self.opening
        if opening is None or (opening.again_at is not None and opening.again_at <= now):
            opening = self.opening = look(self.plan.windows, now)
        return opening


class ProvisionScaling:
    """Every alias whose provisioned concurrency is scaled."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        dispatcher: Dispatcher,
        owns: Callable[[tuple[str, str]], bool] = lambda _: True,
        ready: Callable[[], bool] = lambda: True,
        on_scaled: OnScaled | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`owns(function)` says whether a function is this gateway's, as soon as it is `ready()` to know.

        `on_scaled(alias, said, decided)` is told what to write down; None for nothing. `clock` is in seconds since
        1970.
        """
        self._loop = asyncio.get_running_loop()
        self._catalogue = catalogue
        self._dispatcher = dispatcher
        self._owns = owns
        self._ready = ready
        self._on_scaled = on_scaled
        self._clock = clock
        self._known: dict[tuple[str, str], dict[str, _Scaled]] = {}
        self._timer: asyncio.TimerHandle | None = None
        catalogue.scale_by(self._hear)
        catalogue.on_provision(self._on_provision)

    def decided(self, key: AliasKey) -> Decided | None:
        """What was decided of an alias last."""
        known = self._known.get(key[:2], {}).get(key[2])
        return None if known is None else known.decided

    def refresh(self) -> None:
        """Look at everything: functions may have changed hands, and time goes on."""
        minute = int(self._clock() // _MINUTE)
        for aliases in self._known.values():
            loads: _Loads = {}
            for known in aliases.values():
                if known.measures and known.minute != minute:
                    self._measure(known, minute, loads)
        self._look(tuple(self._every()))

    def close(self) -> None:
        """Decide nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _every(self) -> Iterator[_Scaled]:
        return (known for aliases in self._known.values() for known in aliases.values())

    # What aliases say.

    def _hear(self, key: AliasKey, wanted: Route | None, said: Said | None) -> int | None:
        aliases = self._known.setdefault(key[:2], {})
        if wanted is None or wanted.scaling is None:
            self._forget(key, None if wanted is None else said)
            return None
        known = aliases.get(key[2])
        if known is None or (said is not None and known.said.uid != said.uid):
            known = aliases[key[2]] = _Scaled(key)
        known.said = said or known.said
        known.ask(wanted)
        self._consider(known, heard=True)
        self._schedule()
        return known.instances

    def _forget(self, key: AliasKey, said: Said | None) -> None:
        """It is not scaled any more; `said`, if it is still there."""
        aliases = self._known[key[:2]]
        aliases.pop(key[2], None)
        if not aliases:
            del self._known[key[:2]]
        if said is not None and said.scaled is not None and self._is_mine(key):
            self._tell(key, said, None)

    def _on_provision(self, namespace: str, name: str) -> None:
        """What is left for the function's aliases may be another."""
        aliases = self._known.get((namespace, name))
        if aliases:
            self._look(tuple(aliases.values()))

    def _is_mine(self, key: AliasKey) -> bool:
        return self._ready() and self._owns(key[:2])

    def _consider(self, known: _Scaled, *, heard: bool = False) -> None:
        """Bring it to what is true of it now; `heard`: it may be that something else is written down than was told."""
        before = known.decided if known.mine else known.said.scaled
        mine = self._is_mine(known.key)
        if mine != known.mine:
            known.mine = mine
            known.begin_anew()
            _log.info("%s/%s:%s: %s", *known.key, "decided here" if mine else "decided elsewhere")
        if not mine:
            known.decided = known.said.scaled
            return
        now = self._clock()
        known.decided = decide(
            known.plan,
            known.open(now),
            before,
            generation=known.said.generation,
            history=known.history,
            # As exactly as it is written down.
            now=float(int(now)),
            room=self._room(known.key),
        )
        if known.decided != (known.said.scaled if heard else before):
            self._tell(known.key, known.said, known.decided)
        if before is None or before.instances != known.decided.instances:
            _log.info(
                "%s/%s:%s: %d instances. %s", *known.key, known.decided.instances, known.decided.message
            )

    def _tell(self, key: AliasKey, said: Said, decided: Decided | None) -> None:
        if self._on_scaled is not None:
            self._on_scaled(key, said, decided)

    def _room(self, key: AliasKey) -> int | None:
        """What the function's reservation leaves for it."""
        namespace, name, alias = key
        latest = self._catalogue.versions(namespace, name).get(LATEST)
        if latest is None or latest.reserved is None:
            return None
        others = self._catalogue.provisioned(namespace, name, without=alias)
        return max(0, latest.reserved - sum(others.values()))

    # Time.

    def _look(self, aliases: Iterable[_Scaled]) -> None:
        for known in aliases:
            self._consider(known)
            self._catalogue.scale(known.key, known.instances)
        self._schedule()

    def _measure(self, known: _Scaled, minute: int, loads: _Loads) -> None:
        """Note what a minute came to that is over."""
        route = self._catalogue.leads(*known.key)
        version = "" if route is None else route.version
        if version not in loads:
            loads[version] = self._dispatcher.load((*known.key[:2], version))
        load, begins = loads[version], known.minute == minute - 1
        whole = begins and known.version == version
        known.minute, known.version = minute, version if begins else None
        if not whole or load is None or not load.allocated:
            known.history = ()
            return
        # Of what several aliases keep of one version, to each its part.
        part = min(1.0, (known.instances or 0) / load.wanted)
        if part:
            known.history = remember(
                known.history, Minute(minute - 1, load.in_use * part, load.allocated * part)
            )

    def _schedule(self) -> None:
        """Look again when a window opens or closes, and after each minute where the load is measured."""
        self.close()
        if not self._known:
            return
        now = self._clock()
        if not self._ready():
            delay = _LOOK
        else:
            # Clocks are put right meanwhile: nobody sleeps for long.
            times = [time - now for known in self._every() if (time := self._due(known)) is not None]
            delay = min(_MINUTE, *times) if times else _MINUTE
        self._timer = self._loop.call_later(max(0.0, delay), self.refresh)

    @staticmethod
    def _due(known: _Scaled) -> float | None:
        again_at = known.opening.again_at if known.mine and known.opening is not None else None
        if not known.measures:
            return again_at
        # Not the next minute's end: this one's may just have passed without anybody's having looked.
        over = (known.minute + 1) * _MINUTE
        return over if again_at is None else min(over, again_at)
