"""Instances on their way in: asks the backend for one, connects, specialises it or asks it what it is.

Rule: an instance that does not get ready is destroyed, but for one that is another gateway's.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mayfly_gateway import greeting
from mayfly_gateway.backends import Backend, Instance, InstanceTakenError, LaunchOverError
from mayfly_gateway.greeting import start_failed
from mayfly_gateway.live import Invocation, Launch, LiveInstance
from mayfly_gateway.pool import Pool
from mayfly_gateway.provision import InitFailedError
from mayfly_gateway.upstream import AgentConnection, AgentEvents
from mayfly_model.errors import LambdaError
from mayfly_model.limits import INIT_S, PROVISIONED_INIT_S, SHUTDOWN_S

if TYPE_CHECKING:
    from mayfly_gateway.fleet import Fleet

CLOSING_GRACE = SHUTDOWN_S + 1.0
"""How long an agent may take from POST /close to its end, in seconds."""
_ADOPTION = 0.5
"""How long calls wait for an instance that is being adopted before another is asked for, in seconds."""
_REACHABLE = 10.0
"""How long an agent that is to be adopted may refuse connections until it is given up, in seconds."""
_AGAIN = 0.05
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


class Arrivals:
    """The ways in. Those who do not get there leave by the `fleet`."""

    def __init__(self, *, backend: Backend, launch_time: float, events: FleetEvents, fleet: "Fleet") -> None:
        self._loop = asyncio.get_running_loop()
        self._backend = backend
        self._launch_time = launch_time
        self._events = events
        self._fleet = fleet

    async def adopt(
        self,
        pool: Pool,
        launch: Launch,
        instance: Instance,
        *,
        bare: Callable[[], None],
        known: Callable[[], None],
        epoch: greeting.Epoch,
    ) -> None:
        """Take over an instance that another gateway had: see `Fleet.adopt`."""
        # It may be busy for long with a call of its former owner: then others must not wait for it.
        giving_up = self._loop.call_later(_ADOPTION, pool.launches.discard, launch)
        live: LiveInstance | None = None
        try:
            async with asyncio.timeout(launch.target.timeout + INIT_S + CLOSING_GRACE):
                live = await self._reached(pool, launch, instance)
                status, content = await greeting.identity(live, epoch)
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
            self.ready(pool, live)
        elif status == _UNKNOWN_TO_US and live is not None:
            self._fleet.let_go(pool, live)
            bare()
        elif live is not None:
            self._fleet.destroy(pool, live)
        else:
            self._fleet.remove(instance.id)

    async def fence(
        self, pool: Pool, live: LiveInstance, *, known: Callable[[], None], epoch: greeting.Epoch
    ) -> None:
        """Ask an instance again what it is: see `Fleet.fence`."""
        try:
            async with asyncio.timeout(pool.target.timeout + CLOSING_GRACE):
                status, _ = await greeting.identity(live, epoch)
        except (OSError, TimeoutError):
            status = 0
        finally:
            pool.adopting -= 1
            known()
        if live.ended:
            return
        if status == 200:
            self._events.ready(pool, live)
        else:
            self._fleet.destroy(pool, live)

    async def launch(self, pool: Pool, launch: Launch) -> None:
        """Have one instance: see `Fleet.launch`."""
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
            self.ready(pool, live)

    def ready(self, pool: Pool, live: LiveInstance) -> None:
        """All its lanes are free."""
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
            self._fleet.remove(instance.id)
            raise
        live.provisioned = launch.is_provisioned
        try:
            failure = await greeting.specialise(live.connection, instance)
            if failure is not None and launch.is_provisioned:
                raise InitFailedError(failure)
            await self._open_lanes(pool, launch, instance, live)
        except InstanceTakenError:
            self._fleet.let_go(pool, live)
            raise
        except BaseException:
            self._fleet.destroy(pool, live)
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
