"""A call on its way to an instance, and back to whoever asked.

Rules: a call is tried again only while nothing can have reached the runtime. An invocation counts as running
until its payload is complete; its instance is busy until the trailers. A warm invocation costs no task, no
timer and no log line.
"""

import asyncio
import logging
from collections.abc import Callable

from mayfly_gateway import agent_calls
from mayfly_gateway.answers import exit_error, out_of_memory
from mayfly_gateway.arrivals import FleetEvents
from mayfly_gateway.backends import Backend
from mayfly_gateway.calls import Calls
from mayfly_gateway.catalogue import Target
from mayfly_gateway.counts import Counts, LapsedError
from mayfly_gateway.fleet import Fleet
from mayfly_gateway.live import SHARED, Invocation, LiveInstance
from mayfly_gateway.pool import Pool
from mayfly_gateway.request import Call
from mayfly_model.errors import LambdaError, ServiceException, function_not_found
from mayfly_model.names import LATEST

OnReport = Callable[[Target, bytes], None]

GRACE = 2.0
"""How much later than the function's timeout, in seconds, the agent's answer may come."""
_ATTEMPTS = 5
_ELSEWHERE = (409, 503)

_log = logging.getLogger(__name__)


class Serving:
    """The instances at work. `fleet` brings and ends them."""

    def __init__(
        self,
        *,
        backend: Backend,
        launch_time: float,
        calls: Calls,
        counts: Counts,
        wait: Callable[[Pool], None],
        watch: Callable[[Pool], None],
        on_report: OnReport | None,
    ) -> None:
        """`wait(pool)` has the pool's waiting calls looked at soon, `watch(pool)` has it looked at by time.

        `on_report(target, report)` is told of every invocation that is over, with the agent's JSON.
        """
        self._loop = asyncio.get_running_loop()
        self._calls = calls
        self._counts = counts
        self._wait = wait
        self._watch = watch
        self._on_report = on_report
        self.fleet = Fleet(
            backend=backend,
            launch_time=launch_time,
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

    def serve(self, pool: Pool) -> None:
        """Give the waiting calls the idle instances."""
        while (live := pool.match(self._loop.time())) is not None:
            self.send(pool, live)

    def send(self, pool: Pool, live: LiveInstance) -> None:
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
        live.deadline = live.since + target.timeout + GRACE
        if not live.connection.invoke(head, invocation.payload):
            self.fleet.destroy(pool, live)
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
            self._calls.answer(invocation, not_found(pool.target, invocation.call))
        elif invocation.attempts >= _ATTEMPTS:
            self._calls.answer(
                invocation, ServiceException("No instance of the function took the invocation.")
            )
        else:
            pool.put_back(invocation)
            self._wait(pool)

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
        self._watch(pool)
        self._admit_free(pool, live, self._loop.time())

    def _admit_free(self, pool: Pool, live: LiveInstance, now: float) -> None:
        if pool.release(live, now):
            if pool.waiting:
                self.serve(pool)
        elif pool.adrift or live.digest == SHARED:
            self.let_go(pool, live)
        else:
            self.fleet.retire(pool, live)

    def let_go(self, pool: Pool, live: LiveInstance) -> None:
        """Let an instance go, which another gateway may use, once none of its lanes is busy with calls of ours."""
        if any(lane.invocation is not None for lane in live.lanes):
            return
        if pool.adrift:
            self.fleet.let_go(pool, live)
        else:
            self.fleet.leave(pool, live)

    def _on_refused(self, pool: Pool, live: LiveInstance, status: int) -> None:
        """Busy or closing, it may run another gateway's call, and leaves ours to others; else the fault is ours."""
        _log.warning("an instance of %s refused an invocation: HTTP %d", pool.target.arn, status)
        if status in _ELSEWHERE:
            invocation = pool.share(live)
            self.let_go(pool, live)
        else:
            invocation = self.fleet.destroy(pool, live)
        if invocation is None:
            return
        if status in _ELSEWHERE:
            self._again(pool, invocation)
        else:
            self._calls.answer(
                invocation, ServiceException(f"The instance refused the invocation: {status}.")
            )

    def _on_lost(self, pool: Pool, live: LiveInstance, delivered: bool) -> None:
        invocation = self.fleet.destroy(pool, live)
        if invocation is None:
            return
        if invocation.outcome is not None:
            self._calls.finish(invocation, invocation.outcome, version=pool.target.version, log_tail=b"")
        elif delivered:
            version = pool.target.version
            self.fleet.inquire(
                live, lambda out: self._calls.finish(invocation, _killed(invocation, out), version=version)
            )
        elif invocation.on_answer is not None:
            self._again(pool, invocation)

    def _on_over(self, pool: Pool) -> None:
        """What was launched is wanted no more; what is wanted instead may not be launched yet."""
        self._wait(pool)

    def _on_failed(self, pool: Pool, hopeless: list[Invocation], error: LambdaError) -> None:
        self._calls.fail(hopeless, error)
        self._wait(pool)


def not_found(target: Target, call: Call) -> LambdaError:
    """The answer to a call whose function is gone."""
    return function_not_found(target.called(call.reference.qualifier or LATEST))


def _killed(invocation: Invocation, out: bool) -> tuple[bytes, bool]:
    """The outcome of an invocation whose instance was killed whole, for its memory or for another reason."""
    return (out_of_memory if out else exit_error)(invocation.call.request_id), True
