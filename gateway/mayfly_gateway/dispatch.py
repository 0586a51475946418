"""From an admitted call to an instance and back to whoever asked. Knows nothing of how a request came in.

Rules: a call is tried again only while nothing can have reached the runtime. An invocation counts as running
until its payload is complete; its instance is busy until the trailers. A warm invocation costs no task, no
timer and no log line.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from mayfly_gateway import agent_calls
from mayfly_gateway.answers import OnAnswer, exit_error, out_of_memory, timed_out
from mayfly_gateway.backends import Backend, Instance
from mayfly_gateway.calls import Calls
from mayfly_gateway.catalogue import Target
from mayfly_gateway.counts import Counts, Epoch, LapsedError
from mayfly_gateway.elsewhere import FunctionKey
from mayfly_gateway.fleet import Fleet, FleetEvents
from mayfly_gateway.invoke import Run
from mayfly_gateway.pool import NO_DIGEST, SHARED, Invocation, LiveInstance, Pool
from mayfly_gateway.provision import Provisioned
from mayfly_gateway.request import Call
from mayfly_gateway.settings import Settings
from mayfly_gateway.sweeping import Sweep
from mayfly_gateway.waits import Waits
from mayfly_gateway.watching import OnOver
from mayfly_model.errors import (
    LambdaError,
    ServiceException,
    ServiceUnavailableException,
    function_not_found,
)
from mayfly_model.names import LATEST

OnReport = Callable[[Target, bytes], None]

_GRACE = 2.0
"""How much later than the function's timeout, in seconds, the agent's answer may come."""
_ATTEMPTS = 5
_ELSEWHERE = (409, 503)

_log = logging.getLogger(__name__)


class Dispatcher:
    """The pools of every function's versions, and the timers that watch them."""

    def __init__(self, *, backend: Backend, settings: Settings, on_report: OnReport | None = None) -> None:
        """`on_report(target, report)` is told of every invocation that is over, with the agent's JSON."""
        self._loop = asyncio.get_running_loop()
        self._on_report = on_report
        self._backend = backend
        self._fleet = Fleet(
            backend=backend,
            launch_time=settings.launch_time,
            events=FleetEvents(
                ready=self._on_ready,
                failed=self._on_failed,
                over=self._on_over,
                payload=self._on_payload,
                free=self._on_free,
                refused=self._on_refused,
                lost=self._on_lost,
            ),
        )
        self._counts = Counts(account_limit=settings.account_limit)
        self._calls = Calls(self._counts)
        self._on_provisioned: Callable[[Target], None] | None = None
        self._serving: dict[tuple[str, str, str], Pool] = {}
        self._launch_time = settings.launch_time
        self._sweep = Sweep(overdue=self._end_overdue, expired=self._fleet.retire, late=self._look_at)
        self._waits = Waits(self._supply)

    def invoke(self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer) -> None:
        """Run the function; `on_answer` is called once, from the loop, however it ends.

        Raises:
            LambdaError: what `Calls.begin` refuses.
        """
        invocation = self._calls.begin(target, call, payload, on_answer)
        pool = self._serving.get(target.key) or self._pool(target)
        live = pool.take(invocation, self._loop.time())
        if live is None:
            self._waits.add(pool)
        else:
            self._send(pool, live)

    def _pool(self, target: Target) -> Pool:
        """The pool of a version, made if it is the first that is asked of it."""
        pool = self._serving.get(target.key)
        if pool is None:
            pool = self._serving[target.key] = Pool(target)
        return pool

    def watch(self, version: tuple[str, str, str], alias: str, over: OnOver | None) -> None:
        """Have `over(failed, seconds)` told of every invocation of a version by an alias; None: no more."""
        self._calls.watching.watch(version, alias, over)

    def on_change(self, before: Target | None, after: Target | None) -> None:
        """Follow the catalogue: reservations, new contents, versions that are gone."""
        target = after or before
        assert target is not None  # noqa: S101
        self._counts.on_change(target, gone=after is None)
        pool = self._serving.get(target.key)
        if pool is None:
            return
        if after is None:
            del self._serving[target.key]
            for invocation in pool.give_up():
                self._calls.answer(invocation, _not_found(target, invocation.call))
        for live in pool.end() if after is None else pool.replace(after):
            self._fleet.retire(pool, live)
        self._waits.add(pool)

    def provision(self, target: Target, instances: int, *, share: int) -> None:
        """Keep so many instances of a version initialised.

        `share` of the function's concurrency is its alone.
        """
        self._counts.provision(target, share)
        if not instances and target.key not in self._serving:
            return
        pool = self._pool(target)
        # They are asked for by the next sweep: what another gateway had is adopted first.
        pool.provision.want(instances)
        self._sweep.watch(pool)

    def provisioned(self, target: Target) -> Provisioned | None:
        """How far a version's provisioned concurrency is; None if it has none here."""
        pool = self._serving.get(target.key)
        if pool is None or not pool.provision.wanted:
            return None
        return pool.provision.told(*pool.provisioned())

    def on_provisioned(self, told: Callable[[Target], None]) -> None:
        """Have `told(target)` called when there may be news of a version's provisioned instances."""
        self._on_provisioned = told

    def adopt(self, target: Target, instance: Instance, bare: Callable[[], None]) -> None:
        """Use an instance that may be another gateway's work; `bare` is called if it is nobody's yet."""
        pool = self._pool(target)
        self._sweep.watch(pool)
        self._fleet.adopt(pool, instance, bare=bare, known=self._counts.adopt(target, instance.id))

    def count_exactly(self, epoch: Epoch) -> None:
        """Send invocations of functions with reserved concurrency only while `epoch(function)` is not None."""
        self._counts.count_exactly(epoch)

    def is_reserved(self, function: FunctionKey) -> bool:
        """Whether the function has reserved concurrency."""
        return self._counts.is_reserved(function)

    def take_over(self, function: FunctionKey, running: Mapping[str, int]) -> None:
        """Count what runs by instance, started by another gateway, until it is known to be over."""
        own = {live.id for pool in self._pools(function) for live in (*pool.idle, *pool.busy)}
        self._counts.take_over(function, running, own)

    def running_by_instance(self, function: FunctionKey) -> Mapping[str, int]:
        """The invocations of a function that run, whoever has started them."""
        busy = (live.id for pool in self._pools(function) for live in pool.busy)
        return self._counts.by_instance(function, busy)

    def _pools(self, function: FunctionKey) -> list[Pool]:
        return [pool for key, pool in self._serving.items() if key[:2] == function]

    def retire(self, target: Target, instance_id: str) -> None:
        """Have an instance end as soon as it runs nothing, whatever it is."""
        pool = self._serving.get(target.key)
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
        pool = self._serving.pop(target.key, None)
        if pool is None:
            return
        for live in pool.cast_off():
            self._release_shared(pool, live)
        for invocation in pool.give_up():
            self._calls.pass_on(pool.target, invocation)

    def instances(self, target: Target) -> int:
        """How many instances a version has."""
        pool = self._serving.get(target.key)
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

    # Calls.

    def _serve(self, pool: Pool) -> None:
        """Give the waiting calls the idle instances."""
        while (live := pool.match(self._loop.time())) is not None:
            self._send(pool, live)

    def _send(self, pool: Pool, live: LiveInstance) -> None:
        """Send an instance the invocation that it was given; if it is just closing, the call waits again."""
        invocation, target = live.invocation, pool.target
        assert invocation is not None  # noqa: S101
        call = invocation.call
        try:
            epoch = self._counts.epoch(target.function)
        except LapsedError:
            self._withhold(pool, live, invocation)
            return
        head = agent_calls.invoke(
            live.prefix,
            request_id=call.request_id,
            arn=target.called(call.reference.qualifier),
            trace_id=call.trace_id,
            client_context=call.client_context,
            tail=call.tail,
            size=len(invocation.payload),
            epoch=epoch,
        )
        live.deadline = live.since + target.timeout + _GRACE
        if not live.connection.invoke(head, invocation.payload):
            self._fleet.destroy(pool, live)
            self._again(pool, invocation)

    def _withhold(self, pool: Pool, live: LiveInstance, invocation: Invocation) -> None:
        """The function may not be counted here any more: whoever may shall have its calls."""
        withheld = (invocation, *pool.give_up())
        self._admit_free(pool, live, self._loop.time())
        for each in withheld:
            self._calls.pass_on(pool.target, each)

    def _again(self, pool: Pool, invocation: Invocation) -> None:
        """Let a call that reached no runtime wait at the head of the queue, a bounded number of times."""
        invocation.attempts += 1
        if pool.adrift:
            self._calls.pass_on(pool.target, invocation)
        elif pool.gone:
            self._calls.answer(invocation, _not_found(pool.target, invocation.call))
        elif invocation.attempts >= _ATTEMPTS:
            self._calls.answer(
                invocation, ServiceException("No instance of the function took the invocation.")
            )
        else:
            pool.put_back(invocation)
            self._waits.add(pool)

    # What happens to instances.

    def _on_payload(self, pool: Pool, live: LiveInstance, payload: bytes, function_error: bool) -> None:
        invocation = live.invocation
        if invocation is None:
            return
        live.answered = self._loop.time()
        if invocation.watched is not None:
            invocation.watched.seconds = live.answered - live.since
        if invocation.call.tail:
            invocation.outcome = (payload, function_error)
            self._calls.leave(invocation)
        else:
            self._calls.finish(invocation, (payload, function_error), version=pool.target.version)

    def _on_free(self, pool: Pool, live: LiveInstance, report: bytes, log_tail: bytes) -> None:
        invocation, now = live.invocation, self._loop.time()
        if invocation is not None and invocation.outcome is not None:
            self._calls.finish(invocation, invocation.outcome, version=pool.target.version, log_tail=log_tail)
        pool.estimates.observe_duration(now - live.since)
        self._admit_free(pool, live, now)
        if self._on_report is not None:
            self._on_report(pool.target, report)

    def _on_ready(self, pool: Pool, live: LiveInstance) -> None:
        self._sweep.watch(pool)
        self._admit_free(pool, live, self._loop.time())

    def _admit_free(self, pool: Pool, live: LiveInstance, now: float) -> None:
        if pool.release(live, now):
            if pool.waiting:
                self._serve(pool)
        elif pool.adrift or live.digest == SHARED:
            self._release_shared(pool, live)
        else:
            self._fleet.retire(pool, live)

    def _release_shared(self, pool: Pool, live: LiveInstance) -> None:
        """Let an instance go, which another gateway may use, once none of its lanes is busy with calls of ours."""
        if any(lane.invocation is not None for lane in live.lanes):
            return
        if pool.adrift:
            self._fleet.let_go(pool, live)
        else:
            self._fleet.leave(pool, live)

    def _on_refused(self, pool: Pool, live: LiveInstance, status: int) -> None:
        """Busy or closing, it may run another gateway's call, and leaves ours to others; else the fault is ours."""
        _log.warning("an instance of %s refused an invocation: HTTP %d", pool.target.arn, status)
        if status in _ELSEWHERE:
            invocation = pool.share(live)
            self._release_shared(pool, live)
        else:
            invocation = self._fleet.destroy(pool, live)
        if invocation is None:
            return
        if status in _ELSEWHERE:
            self._again(pool, invocation)
        else:
            self._calls.answer(
                invocation, ServiceException(f"The instance refused the invocation: {status}.")
            )

    def _on_lost(self, pool: Pool, live: LiveInstance, delivered: bool) -> None:
        invocation = self._fleet.destroy(pool, live)
        if invocation is None:
            return
        if invocation.outcome is not None:
            self._calls.finish(invocation, invocation.outcome, version=pool.target.version, log_tail=b"")
        elif delivered:
            version = pool.target.version
            self._fleet.inquire(
                live, lambda out: self._calls.finish(invocation, _killed(invocation, out), version=version)
            )
        elif invocation.on_answer is not None:
            self._again(pool, invocation)

    def _on_over(self, pool: Pool) -> None:
        """What was launched is wanted no more; what is wanted instead may not be launched yet."""
        self._waits.add(pool)

    def _on_failed(self, pool: Pool, hopeless: list[Invocation], error: LambdaError) -> None:
        self._calls.fail(hopeless, error)
        self._waits.add(pool)

    # Timers.

    def _supply(self, pool: Pool) -> None:
        """Serve the waiting calls with what there is, and ask for the instances that they lack."""
        self._serve(pool)
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
        late = pool.late(now - self._launch_time - _GRACE)
        none = ServiceUnavailableException(f"No instance became free within {self._launch_time:g} s.")
        self._calls.fail(late, pool.trouble or none)

    def _end_overdue(self, pool: Pool, live: LiveInstance) -> None:
        """Not even the agent answers (it was stopped, or cannot get rid of the runtime)."""
        invocation = self._fleet.destroy(pool, live)
        if invocation is not None:
            payload = timed_out(invocation.call.request_id, pool.target.timeout)
            self._calls.finish(invocation, invocation.outcome or (payload, True), version=pool.target.version)


def _not_found(target: Target, call: Call) -> LambdaError:
    return function_not_found(target.called(call.reference.qualifier or LATEST))


def _killed(invocation: Invocation, out: bool) -> tuple[bytes, bool]:
    """The outcome of an invocation whose instance was killed whole, for its memory or for another reason."""
    return (out_of_memory if out else exit_error)(invocation.call.request_id), True
