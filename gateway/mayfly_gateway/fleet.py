"""Instances on their way in and on their way out: asks the backend, connects, specialises, adopts, closes, destroys.

Rule: whatever was launched is destroyed exactly when it is of no more use, also if it never got ready; that
takes tasks, which is why it happens here and never on the path of a warm invocation.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from mayfly_gateway import agent_calls, greeting
from mayfly_gateway.backends import Backend, Instance, InstanceTakenError, LaunchOverError
from mayfly_gateway.greeting import start_failed
from mayfly_gateway.live import Invocation, Launch, LiveInstance
from mayfly_gateway.pool import Pool
from mayfly_gateway.provision import InitFailedError
from mayfly_gateway.upstream import AgentConnection, AgentEvents
from mayfly_model.errors import LambdaError
from mayfly_model.limits import INIT_S, PROVISIONED_INIT_S, SHUTDOWN_S

_CLOSING_GRACE = SHUTDOWN_S + 1.0
"""How long an agent may take from POST /close to its end, in seconds."""

_ADOPTION = 0.5
"""How long calls wait for an instance that is being adopted before another is asked for, in seconds."""
_REACHABLE = 10.0
"""How long an agent that is to be adopted may refuse connections until it is given up, in seconds."""
_AGAIN = 0.05
_FOREVER = float("inf")
_UNKNOWN_TO_US = 401
_STARTS = 3
"""How many instances are tried, one after the other, where one ends as it is started."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetEvents:
    """What the dispatcher does about each instance; the last four are `AgentEvents` with their instance."""

    ready: Callable[[Pool, LiveInstance], None]
    failed: Callable[[Pool, list[Invocation], LambdaError], None]
    over: Callable[[Pool], None]
    payload: Callable[[Pool, LiveInstance, bytes, bool], None]
    free: Callable[[Pool, LiveInstance, bytes, bytes], None]
    refused: Callable[[Pool, LiveInstance, int], None]
    lost: Callable[[Pool, LiveInstance, bool], None]


class Fleet:
    """The comings and goings of one gateway's instances."""

    def __init__(self, *, backend: Backend, launch_time: float, events: FleetEvents) -> None:
        self._loop = asyncio.get_running_loop()
        self._backend = backend
        self._launch_time = launch_time
        self._events = events
        self._launches: set[asyncio.Task[None]] = set()
        self._removals: set[asyncio.Task[None]] = set()
        self._closed = False

    def launch(self, pool: Pool, *, spare: bool = False) -> None:
        """Ask for one instance, or take a `spare` one; `ready` or `failed` follows."""
        self._begin(self._launch(pool, pool.launch(self._loop.time(), spare=spare)), self._launches)

    def launch_ahead(self, pool: Pool) -> None:
        """Ask for one instance that no call waits for; `ready` or `failed` follows."""
        self._begin(self._launch(pool, pool.launch_ahead(self._loop.time())), self._launches)

    def adopt(
        self, pool: Pool, instance: Instance, *, bare: Callable[[], None], known: Callable[[], None]
    ) -> None:
        """Take over an instance that another gateway had; `ready` follows, or `bare` if nobody had it.

        `known` is called before, or when it is lost: it runs nothing of that gateway's any more.
        """
        pool.adopting += 1
        adoption = self._adopt(pool, pool.expect(self._loop.time()), instance, bare, known)
        self._begin(adoption, self._launches)

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
            self._remove(live.id)
        return pool.drop(live)

    async def close(self) -> None:
        """Give up the launches under way and end every instance."""
        self._closed = True
        for task in self._launches:
            task.cancel()
        await asyncio.gather(*self._launches, *self._removals, return_exceptions=True)
        await self._backend.close()

    def _remove(self, instance_id: str) -> None:
        if not self._closed:
            self._begin(self._backend.destroy(instance_id), self._removals)

    async def _retire(self, pool: Pool, live: LiveInstance) -> None:
        if not await self._backend.release(live.id):
            if not live.ended:
                pool.closing.difference_update(live.lanes)
                self._ready(pool, live)
            return
        live.deadline = self._loop.time() + _CLOSING_GRACE
        if not live.connection.control(agent_calls.close(live.token), partial(self._on_closed, pool, live)):
            live.connection.abort()

    def _on_closed(self, pool: Pool, live: LiveInstance, status: int, content: bytes) -> None:
        """The agent's end shows by its connection, unless it runs another gateway's call first."""
        busy = greeting.runs(content)
        if busy:
            live.deadline = self._loop.time() + pool.target.timeout + _CLOSING_GRACE
        if status:
            self._backend.ending(live.id, busy=busy)

    async def _inquire(self, instance_id: str, on_answer: Callable[[bool], None]) -> None:
        on_answer(await self._backend.out_of_memory(instance_id))

    async def _adopt(
        self,
        pool: Pool,
        launch: Launch,
        instance: Instance,
        bare: Callable[[], None],
        known: Callable[[], None],
    ) -> None:
        # It may be busy for long with a call of its former owner: then others must not wait for it.
        giving_up = self._loop.call_later(_ADOPTION, pool.launches.discard, launch)
        live: LiveInstance | None = None
        try:
            async with asyncio.timeout(launch.target.timeout + INIT_S + _CLOSING_GRACE):
                live = await self._reached(pool, launch, instance)
                status, content = await greeting.identity(live)
                if status == 200:
                    live.digest = greeting.revision(content)
                    live.provisioned = greeting.was_provisioned(content)
                    await self._open_lanes(pool, launch, instance, live)
        except (OSError, TimeoutError):
            status = 0
        finally:
            giving_up.cancel()
            pool.launches.discard(launch)
            pool.adopting -= 1
            known()
        if status == 200 and live is not None and not live.ended:
            self._ready(pool, live)
        elif status == _UNKNOWN_TO_US and live is not None:
            self.let_go(pool, live)
            bare()
        elif live is not None:
            self.destroy(pool, live)
        else:
            self._remove(instance.id)

    async def _launch(self, pool: Pool, launch: Launch) -> None:
        try:
            async with asyncio.timeout(self._launch_time + self._init_time(launch)):
                live = await self._start(pool, launch)
        except LaunchOverError:
            # No call waits for it: each was passed on, answered, or waits for what comes next.
            pool.launches.discard(launch)
            self._events.over(pool)
        except LambdaError as error:
            self._failed(pool, launch, error)
        except TimeoutError:
            self._failed(pool, launch, start_failed(f"it was not ready after {self._launch_time:g} s"))
        except OSError as error:
            self._failed(pool, launch, start_failed(str(error)))
        except Exception as error:
            _log.exception("launching an instance of %s", launch.target.arn)
            self._failed(pool, launch, start_failed(f"{type(error).__name__} in the gateway"))
        else:
            pool.launched(launch, self._loop.time())
            self._ready(pool, live)

    def _ready(self, pool: Pool, live: LiveInstance) -> None:
        for lane in live.lanes:
            self._events.ready(pool, lane)

    @staticmethod
    def _init_time(launch: Launch) -> float:
        """What INIT may take beyond what is usual."""
        return max(PROVISIONED_INIT_S, launch.target.timeout) if launch.is_provisioned else 0.0

    async def _start(self, pool: Pool, launch: Launch) -> LiveInstance:
        """A specialised instance; one that ends on the way there is replaced, for nothing has been run on it."""
        starts = 0
        while True:
            try:
                return await self._start_once(pool, launch)
            except InstanceTakenError as error:
                # There is one less to be taken each time.
                _log.info("an instance for %s was another's: %s", launch.target.arn, error)
            except (ConnectionError, FileNotFoundError) as error:
                starts += 1
                if starts == _STARTS:
                    raise
                _log.warning("an instance of %s ended as it was started: %s", launch.target.arn, error)

    async def _start_once(self, pool: Pool, launch: Launch) -> LiveInstance:
        """An instance whose runtime is initialised, or has failed to: then its first invocation is told why."""
        instance = await self._backend.launch(launch.target)
        launch.spare = instance.waited
        try:
            live = await self._connected(pool, launch.target.digest, instance, instance.connected)
        except BaseException:
            self._remove(instance.id)
            raise
        live.provisioned = launch.is_provisioned
        try:
            failure = await greeting.specialise(live.connection, instance)
            if failure is not None and launch.is_provisioned:
                raise InitFailedError(failure)
            await self._open_lanes(pool, launch, instance, live)
        except InstanceTakenError:
            self.let_go(pool, live)
            raise
        except BaseException:
            self.destroy(pool, live)
            raise
        if live.ended:
            raise ConnectionAbortedError("its agent ended")
        return live

    async def _reached(self, pool: Pool, launch: Launch, instance: Instance) -> LiveInstance:
        """As `_connected`, tried again for some time: its agent may just be starting, and others' calls be in it."""
        until = self._loop.time() + _REACHABLE
        while True:
            try:
                return await self._connected(pool, launch.target.digest, instance)
            except OSError:
                if self._loop.time() > until:
                    raise
            await asyncio.sleep(_AGAIN)

    async def _connected(
        self, pool: Pool, digest: str, instance: Instance, sock: socket.socket | None = None
    ) -> LiveInstance:
        live = LiveInstance(instance, digest=digest)
        # There before it is open: what is cancelled or reset while it opens is lost like any other.
        live.connection = AgentConnection(self._agent_events(pool, live))
        await greeting.connect(instance, live.connection, sock)
        return live

    async def _open_lanes(self, pool: Pool, launch: Launch, instance: Instance, first: LiveInstance) -> None:
        """A connection for each further invocation that the instance takes at once."""
        for _ in range(launch.target.concurrency - 1):
            lanes = (*first.lanes, await self._connected(pool, first.digest, instance))
            for lane in lanes:
                lane.lanes = lanes
                lane.provisioned = first.provisioned

    def _agent_events(self, pool: Pool, live: LiveInstance) -> AgentEvents:
        events = self._events
        return AgentEvents(
            payload=partial(events.payload, pool, live),
            free=partial(events.free, pool, live),
            refused=partial(events.refused, pool, live),
            lost=partial(events.lost, pool, live),
        )

    def _failed(self, pool: Pool, launch: Launch, error: LambdaError) -> None:
        _log.warning("no instance of %s: %s", launch.target.arn, error.message)
        self._events.failed(pool, pool.launch_failed(launch, error, self._loop.time()), error)

    def _begin(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = self._loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(_complain)


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a backend failed to end an instance", exc_info=error)
