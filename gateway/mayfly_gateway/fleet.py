"""The comings and goings of instances: what begins them, and how an instance leaves.

Rule: whatever was launched is destroyed exactly when it is of no more use, also if it never got ready; that
takes tasks, which is why it happens here and never on the path of a warm invocation.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mayfly_gateway import agent_calls, greeting
from mayfly_gateway.arrivals import CLOSING_GRACE, Arrivals, FleetEvents
from mayfly_gateway.backends import Backend, Instance
from mayfly_gateway.live import Invocation, LiveInstance
from mayfly_gateway.pool import Pool

_FOREVER = float("inf")

_log = logging.getLogger(__name__)


class Fleet:
    """The comings and goings of one gateway's instances."""

    def __init__(self, *, backend: Backend, launch_time: float, events: FleetEvents) -> None:
        self._loop = asyncio.get_running_loop()
        self._backend = backend
        self._arrivals = Arrivals(backend=backend, launch_time=launch_time, events=events, fleet=self)
        self._launches: set[asyncio.Task[None]] = set()
        self._removals: set[asyncio.Task[None]] = set()
        self._closed = False

    def launch(self, pool: Pool, *, spare: bool = False) -> None:
        """Ask for one instance, or take a `spare` one; `ready` or `failed` follows."""
        self._begin(self._arrivals.launch(pool, pool.launch(self._loop.time(), spare=spare)), self._launches)

    def launch_ahead(self, pool: Pool) -> None:
        """Ask for one instance that no call waits for; `ready` or `failed` follows."""
        self._begin(self._arrivals.launch(pool, pool.launch_ahead(self._loop.time())), self._launches)

    def adopt(
        self,
        pool: Pool,
        instance: Instance,
        *,
        bare: Callable[[], None],
        known: Callable[[], None],
        epoch: greeting.Epoch,
    ) -> None:
        """Take over an instance that another gateway had; `ready` follows, or `bare` if nobody had it.

        `known` is called before, or when it is lost: it runs nothing of that gateway's any more.
        """
        pool.adopting += 1
        adoption = self._arrivals.adopt(
            pool, pool.expect(self._loop.time()), instance, bare=bare, known=known, epoch=epoch
        )
        self._begin(adoption, self._launches)

    def fence(
        self, pool: Pool, live: LiveInstance, *, known: Callable[[], None], epoch: greeting.Epoch
    ) -> asyncio.Task[None]:
        """Have an idle instance take nothing of an earlier owner any more; `known` and `ready` follow."""
        pool.drop(live)
        pool.adopting += 1
        return self._begin(self._arrivals.fence(pool, live, known=known, epoch=epoch), self._launches)

    def retire(self, pool: Pool, live: LiveInstance) -> None:
        """Let an instance end in its own time, within bounds, once none of its lanes is busy.

        If it must stay, `ready` follows.
        """
        if any(lane.invocation is not None for lane in live.lanes):
            pool.drop(live)
        elif live not in pool.closing:
            for lane in live.lanes:
                pool.close(lane, _FOREVER)
            self._begin(self._retire(pool, live), self._removals)

    def let_go(self, pool: Pool, live: LiveInstance) -> None:
        """Leave an instance, which goes on, to another gateway."""
        for lane in live.lanes:
            lane.ended = True
            lane.connection.abort()
            pool.drop(lane)

    def leave(self, pool: Pool, live: LiveInstance) -> None:
        """As `let_go`, and the backend offers it again once whoever uses it is done."""
        self.let_go(pool, live)
        if not self._closed:
            self._begin(self._backend.leave(live.id), self._removals)

    def inquire(self, live: LiveInstance, on_answer: Callable[[bool], None]) -> None:
        """Find out whether an instance that was lost had been killed for its memory."""
        self._begin(self._inquire(live.id, on_answer), self._removals)

    def destroy(self, pool: Pool, live: LiveInstance) -> Invocation | None:
        """End an instance now, if it has not ended yet; returns the invocation that it had."""
        if not live.ended:
            for lane in live.lanes:
                lane.ended = True
                lane.connection.abort()
            self.remove(live.id)
        return pool.drop(live)

    async def close(self) -> None:
        """Give up the launches under way and end every instance."""
        self._closed = True
        for task in self._launches:
            task.cancel()
        await asyncio.gather(*self._launches, *self._removals, return_exceptions=True)
        await self._backend.close()

    def remove(self, instance_id: str) -> None:
        """End an instance that has no connection."""
        if not self._closed:
            self._begin(self._backend.destroy(instance_id), self._removals)

    async def _retire(self, pool: Pool, live: LiveInstance) -> None:
        if not await self._backend.release(live.id):
            if not live.ended:
                pool.closing.difference_update(live.lanes)
                self._arrivals.ready(pool, live)
            return
        live.deadline = self._loop.time() + CLOSING_GRACE
        if not live.connection.control(agent_calls.close(live.token), partial(self._on_closed, pool, live)):
            live.connection.abort()

    def _on_closed(self, pool: Pool, live: LiveInstance, status: int, content: bytes) -> None:
        """The agent's end shows by its connection, unless it runs another gateway's call first."""
        busy = greeting.runs(content)
        if busy:
            live.deadline = self._loop.time() + pool.target.timeout + CLOSING_GRACE
        if status:
            self._backend.ending(live.id, busy=busy)

    async def _inquire(self, instance_id: str, on_answer: Callable[[bool], None]) -> None:
        on_answer(await self._backend.out_of_memory(instance_id))

    def _begin(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(_complain)
        return task


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a backend failed to end an instance", exc_info=error)
