"""The pools of every function's versions: takes calls, follows the catalogue and the owners, and keeps an eye on time.

Knows nothing of how a request came in.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from mayfly_gateway.answers import OnAnswer, timed_out
from mayfly_gateway.backends import Backend, Instance
from mayfly_gateway.calls import Calls
from mayfly_gateway.catalogue import Target
from mayfly_gateway.counts import Counts, Epoch
from mayfly_gateway.elsewhere import FunctionKey
from mayfly_gateway.invoke import Run
from mayfly_gateway.live import NO_DIGEST, LiveInstance
from mayfly_gateway.pool import Pool
from mayfly_gateway.provision import Load, Provisioned
from mayfly_gateway.request import Call
from mayfly_gateway.scaling import Starts
from mayfly_gateway.serving import GRACE, OnReport, Serving, not_found
from mayfly_gateway.settings import Settings
from mayfly_gateway.sweeping import Sweep
from mayfly_gateway.waits import Waits
from mayfly_gateway.watching import OnOver
from mayfly_model.errors import ServiceUnavailableException

_FENCED = 0.1
"""Seconds in which an idle instance answers."""


class Dispatcher:
    """The pools, and the timers that watch them."""

    def __init__(self, *, backend: Backend, settings: Settings, on_report: OnReport | None = None) -> None:
        """`on_report(target, report)` is told of every invocation that is over, with the agent's JSON."""
        self._loop = asyncio.get_running_loop()
        self._backend = backend
        self._launch_time = settings.launch_time
        self._counts = Counts(account_limit=settings.account_limit)
        self._calls = Calls(self._counts)
        self._starts = Starts()
        self._waits = Waits(self._supply)
        self._sweep = Sweep(overdue=self._end_overdue, expired=self._end_expired, late=self._look_at)
        self._serving = Serving(
            backend=backend,
            launch_time=settings.launch_time,
            calls=self._calls,
            counts=self._counts,
            wait=self._waits.add,
            watch=self._sweep.watch,
            on_report=on_report,
        )
        self._fleet = self._serving.fleet
        self._on_provisioned: Callable[[Target], None] | None = None
        self._pools: dict[tuple[str, str, str], Pool] = {}

    def invoke(self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer) -> None:
        """Run the function; `on_answer` is called once, from the loop, however it ends.

        Raises:
            LambdaError: what `Calls.begin` refuses.
        """
        invocation = self._calls.begin(target, call, payload, on_answer)
        pool = self._pools.get(target.key) or self._pool(target)
        live = pool.take(invocation, self._loop.time())
        if live is None:
            self._waits.add(pool)
        else:
            self._serving.send(pool, live)

    def _pool(self, target: Target) -> Pool:
        """The pool of a version, made if it is the first that is asked of it."""
        pool = self._pools.get(target.key)
        if pool is None:
            pool = self._pools[target.key] = Pool(target, self._starts)
        return pool

    def watch(self, version: tuple[str, str, str], alias: str, over: OnOver | None) -> None:
        """Have `over(failed, seconds)` told of every invocation of a version by an alias; None: no more."""
        self._calls.watching.watch(version, alias, over)

    def on_change(self, before: Target | None, after: Target | None) -> None:
        """Follow the catalogue: reservations, new contents, versions that are gone."""
        target = after or before
        assert target is not None  # noqa: S101
        self._counts.on_change(target, gone=after is None)
        pool = self._pools.get(target.key)
        if pool is None:
            return
        if after is None:
            del self._pools[target.key]
            for invocation in pool.give_up():
                self._calls.answer(invocation, not_found(target, invocation.call))
        for live in pool.end() if after is None else pool.replace(after):
            self._fleet.retire(pool, live)
        self._waits.add(pool)

    def provision(self, target: Target, instances: int, *, share: int) -> None:
        """Keep so many instances of a version initialised.

        `share` of the function's concurrency is its alone.
        """
        self._counts.provision(target, share)
        if not instances and target.key not in self._pools:
            return
        pool = self._pool(target)
        # They are asked for by the next sweep: what another gateway had is adopted first.
        pool.provision.want(instances)
        self._sweep.watch(pool)

    def provisioned(self, target: Target) -> Provisioned | None:
        """How far a version's provisioned concurrency is; None if it has none here."""
        pool = self._pools.get(target.key)
        if pool is None or not pool.provision.wanted:
            return None
        return pool.provision.told(*pool.provisioned())

    def load(self, version: tuple[str, str, str]) -> Load | None:
        """How much of a version's provisioned instances was in use since it was asked last; None if it has none."""
        pool = self._pools.get(version)
        return None if pool is None or not pool.provision.wanted else pool.load()

    def on_provisioned(self, told: Callable[[Target], None]) -> None:
        """Have `told(target)` called when there may be news of a version's provisioned instances."""
        self._on_provisioned = told

    def adopt(self, target: Target, instance: Instance, bare: Callable[[], None]) -> None:
        """Use an instance that may be another gateway's work; `bare` is called if it is nobody's yet."""
        pool = self._pool(target)
        self._sweep.watch(pool)
        known = self._counts.adopt(target, instance.id)
        self._fleet.adopt(pool, instance, bare=bare, known=known, epoch=self._epoch_of(target))

    def _epoch_of(self, target: Target) -> Callable[[], int | None]:
        return partial(self._counts.held, target.function)

    async def fence(self, function: FunctionKey) -> None:
        """Have no instance of a function begin what an earlier owner sends; most have agreed when this returns.

        The others count as busy until they have, for as long as that takes.
        """
        asked = [
            self._fleet.fence(
                pool, live, known=self._counts.adopt(pool.target, live.id), epoch=self._epoch_of(pool.target)
            )
            for pool in self._of(function)
            for live in tuple(pool.idle)
        ]
        if asked:
            await asyncio.wait(asked, timeout=_FENCED)

    def count_exactly(self, epoch: Epoch) -> None:
        """Send invocations of functions with reserved concurrency only while `epoch(function)` is not None."""
        self._counts.count_exactly(epoch)

    def is_reserved(self, function: FunctionKey) -> bool:
        """Whether the function has reserved concurrency."""
        return self._counts.is_reserved(function)

    def take_over(self, function: FunctionKey, running: Mapping[str, int]) -> None:
        """Count what runs by instance, started by another gateway, until it is known to be over."""
        own = {live.id for pool in self._of(function) for live in (*pool.idle, *pool.busy)}
        self._counts.take_over(function, running, own)

    def running_by_instance(self, function: FunctionKey) -> Mapping[str, int]:
        """The invocations of a function that run, whoever has started them."""
        busy = (live.id for pool in self._of(function) for live in pool.busy)
        return self._counts.by_instance(function, busy)

    def _of(self, function: FunctionKey) -> list[Pool]:
        return [pool for key, pool in self._pools.items() if key[:2] == function]

    def retire(self, target: Target, instance_id: str) -> None:
        """Have an instance end as soon as it runs nothing, whatever it is."""
        pool = self._pools.get(target.key)
        if pool is None:
            return
        for live in (*pool.idle, *pool.busy):
            if live.id == instance_id:
                live.digest = NO_DIGEST
                if live.invocation is None:
                    self._fleet.retire(pool, live)

    def on_hand_over(self, hand_over: Run) -> None:
        """Have `hand_over`, which raises nothing, take the calls that wait for what was let go."""
        self._calls.hand_over = hand_over

    def let_go(self, target: Target) -> None:
        """Leave a function's version to another gateway: what runs is finished here, what waits is handed over."""
        pool = self._pools.pop(target.key, None)
        if pool is None:
            return
        for live in pool.cast_off():
            self._serving.let_go(pool, live)
        for invocation in pool.give_up():
            self._calls.pass_on(pool.target, invocation)

    def instances(self, target: Target) -> int:
        """How many instances a version has."""
        pool = self._pools.get(target.key)
        return 0 if pool is None else pool.instances

    def running(self, function: FunctionKey) -> int:
        """How many invocations of a function run, whatever its version."""
        return self._counts.running(function)

    async def stop(self, grace: float) -> None:
        """Take nothing more, give what runs `grace` seconds to finish, then end every instance."""
        await self._calls.stop(grace)
        ended = ServiceUnavailableException("The gateway stopped before the function had answered.")
        # A call may wait where no instance was asked for yet.
        for pool in self._sweep.pools | self._waits.pools:
            pool.end()
            running = [live.invocation for live in pool.busy if live.invocation is not None]
            self._calls.fail((*pool.give_up(), *running), ended)
        await self._fleet.close()
        self._waits.end()
        self._sweep.end()
        self._counts.end()

    # Timers.

    def _supply(self, pool: Pool) -> None:
        """Serve the waiting calls with what there is, and ask for the instances that they lack."""
        self._serving.serve(pool)
        if not pool.waiting:
            return
        spare, others = pool.lacks(self._loop.time(), self._backend.spare(pool.target))
        for number in range(spare + others):
            self._fleet.launch(pool, spare=number < spare)
            self._sweep.watch(pool)

    def _look_at(self, pool: Pool, now: float) -> None:
        """What time alone makes necessary."""
        self._end_late(pool, now)
        if pool.provision.wanted:
            self._keep_provisioned(pool, now)

    def _keep_provisioned(self, pool: Pool, now: float) -> None:
        """Replace the provisioned instances that are gone."""
        for _ in range(pool.lacks_provisioned(now)):
            self._fleet.launch_ahead(pool)
        if self._on_provisioned is not None:
            self._on_provisioned(pool.target)

    def _end_late(self, pool: Pool, now: float) -> None:
        """Hold no call for longer than it takes to know that no instance will come."""
        late = pool.late(now - self._launch_time - GRACE)
        none = ServiceUnavailableException(f"No instance became free within {self._launch_time:g} s.")
        self._calls.fail(late, pool.trouble or none)

    def _end_expired(self, pool: Pool, live: LiveInstance) -> None:
        self._fleet.retire(pool, live)

    def _end_overdue(self, pool: Pool, live: LiveInstance) -> None:
        """Not even the agent answers (it was stopped, or cannot get rid of the runtime)."""
        invocation = self._fleet.destroy(pool, live)
        if invocation is not None:
            payload = timed_out(invocation.call.request_id, pool.target.timeout)
            self._calls.finish(invocation, invocation.outcome or (payload, True), version=pool.target.version)
