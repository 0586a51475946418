"""Wiring: builds the gateway from its settings and a backend, starts it, stops it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from mayfly_gateway.app import application
from mayfly_gateway.archives import ArchiveRoutes
from mayfly_gateway.backends import Backend
from mayfly_gateway.bodies import Bodies
from mayfly_gateway.catalogue import Catalogue, Target
from mayfly_gateway.dispatch import Dispatcher
from mayfly_gateway.front import Front
from mayfly_gateway.invoke import Invoke, IsStale, WhyAbsent
from mayfly_gateway.lambda_api.limits import Limits
from mayfly_gateway.lambda_api.registry import Registry
from mayfly_gateway.lambda_api.routes import LambdaApi
from mayfly_gateway.logs import Logs
from mayfly_gateway.peers.counted import Counted
from mayfly_gateway.peers.forward import Forwarder
from mayfly_gateway.peers.ownership import Ownership
from mayfly_gateway.provision_scaling import OnScaled, ProvisionScaling
from mayfly_gateway.provisioning import OnNews, Provisioning
from mayfly_gateway.request import Call
from mayfly_gateway.rollouts import OnProgress, Rollouts
from mayfly_gateway.serving import OnReport
from mayfly_gateway.settings import Settings

if TYPE_CHECKING:
    from mayfly_gateway.peers.leases import Leases

_SHUTDOWN_TIME = 1.0
"""Seconds that requests which are no invocations may take to end when the gateway stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """The gateways of one installation: who owns what, and the word by which they know each other's calls.

    `leases`: by which functions with reserved concurrency are counted exactly; None where there is no store for them.
    """

    ownership: Ownership
    token: str
    leases: "Leases | None" = None


class Gateway:
    """One gateway. Its `catalogue` is filled from outside, its `logs` by the backend."""

    def __init__(self, settings: Settings, *, on_report: OnReport | None = None) -> None:
        """`on_report(target, report)` is told of every invocation that is over, with the agent's JSON."""
        self.catalogue = Catalogue()
        self.logs = Logs()
        self._settings = settings
        self._on_report = on_report
        self._port = settings.port

    @property
    def url(self) -> str:
        """Where it is reached from this machine, with the real port once it is started."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._settings.host, self._settings.host)  # noqa: S104
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    async def start(
        self,
        backend: Backend,
        *,
        is_stale: IsStale | None = None,
        replicas: Replicas | None = None,
        ready: Callable[[], bool] = lambda: True,
        archives: ArchiveRoutes | None = None,
        registry: Registry | None = None,
        log_elsewhere: Callable[[Target], str] | None = None,
        on_provisioned: OnNews | None = None,
        on_rollout: OnProgress | None = None,
        on_scaled: OnScaled | None = None,
        clock: Callable[[], float] = time.time,
        why_absent: WhyAbsent | None = None,
    ) -> None:
        """Listen, with instances from this backend. `is_stale`, `why_absent`: see `Invoke`.

        `replicas`: None if it is alone.
        `ready()` says whether the gateway knows what it needs to serve calls, for its readiness probe. `archives`:
        where code is uploaded to, None where that cannot be. `registry`: where the objects of the Lambda API are.
        `log_elsewhere(target)`: how logs are read if not here. `on_provisioned(target, state)` is told how far a
        version's provisioned instances are, `on_rollout(alias, said, progress)` how far an alias's rollout is,
        `on_scaled(alias, said, decided)` how many instances are kept of one by the clock and the load. `clock` gives
        seconds since 1970.

        Raises:
            OSError: the address cannot be listened on.
        """
        settings, bounds = self._settings, self._settings.bounds
        self.dispatcher = Dispatcher(backend=backend, settings=settings, on_report=self._on_report)
        self.catalogue.on_change(self.dispatcher.on_change)
        self.forwarder: Forwarder | None = None
        self._counted: Counted | None = None
        if replicas is not None:
            self._work_together(replicas)
        owns = None if replicas is None else replicas.ownership.owns
        # Before it is asked how many to keep.
        self.scaling = ProvisionScaling(
            catalogue=self.catalogue,
            dispatcher=self.dispatcher,
            owns=owns or (lambda _: True),
            ready=ready,
            on_scaled=on_scaled,
            clock=clock,
        )
        self.provisioning = Provisioning(
            catalogue=self.catalogue, dispatcher=self.dispatcher, owns=owns, on_news=on_provisioned
        )
        self.rollouts = Rollouts(
            catalogue=self.catalogue,
            dispatcher=self.dispatcher,
            owns=owns or (lambda _: True),
            ready=ready,
            on_progress=on_rollout,
        )
        if replicas is not None:
            replicas.ownership.on_change(self.scaling.refresh)
            replicas.ownership.on_change(self.provisioning.refresh)
            replicas.ownership.on_change(self.rollouts.refresh)
        invoke = Invoke(
            catalogue=self.catalogue,
            run=self.dispatcher.invoke if self.forwarder is None else self.forwarder.invoke,
            settings=settings,
            forwarding_token=None if replicas is None else replicas.token,
            is_stale=is_stale,
            why_absent=why_absent,
            ready=ready,
        )
        bodies = Bodies(bounds.buffered_bodies)
        app = application(
            invoke=invoke,
            catalogue=self.catalogue,
            dispatcher=self.dispatcher,
            logs=self.logs,
            bodies=bodies,
            bounds=bounds,
            leaving=lambda: self._front.leaving,
            ready=ready,
            log_elsewhere=log_elsewhere,
        )
        if archives is not None:
            archives.add_to(app)
        if registry is not None:
            limits = Limits(settings.account_limit, settings.unreserved_minimum)
            api = LambdaApi(registry, limits, cluster=settings.cluster, namespace=settings.namespace)
            api.add_to(app, knows=self.catalogue.knows, bodies=bodies, bounds=bounds)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            auto_decompress=False,
            keepalive_timeout=bounds.idle_time,
            shutdown_timeout=_SHUTDOWN_TIME,
        )
        await self._runner.setup()
        other = self._runner.server
        assert other is not None  # noqa: S101
        self._front = Front(
            invoke=invoke, bodies=bodies, bounds=bounds, other=other, others=lambda: len(other.connections)
        )
        await self._listen()

    def _exists(self, call: Call) -> bool:
        reference = call.reference
        return self.catalogue.resolve(call.namespace, reference.name, reference.qualifier) is not None

    def _work_together(self, replicas: Replicas) -> None:
        """Run calls where their functions' owners are, and count exactly what must be."""
        run = self.dispatcher.invoke
        if replicas.leases is not None:
            self._counted = Counted(leases=replicas.leases, counting=self.dispatcher)
            replicas.leases.count_by(self.dispatcher.running_by_instance)
            self.dispatcher.count_exactly(replicas.leases.epoch)
            run = self._counted.invoke
            self.catalogue.on_change(self._forget)
        self.forwarder = Forwarder(
            ownership=replicas.ownership, token=replicas.token, run=run, exists=self._exists
        )
        self.dispatcher.on_hand_over(self.forwarder.hand_over)
        if self._counted is not None:
            self._counted.on_hand_over(self.forwarder.hand_over)

    def _forget(self, before: Target | None, after: Target | None) -> None:
        gone = before is not None and after is None and not self.catalogue.versions(*before.function)
        if gone and before is not None and self._counted is not None:
            self._counted.forget(before)

    def let_go(self, target: Target) -> None:
        """Leave a function's version to another gateway, which owns the function now."""
        if self._counted is not None:
            self._counted.let_go(target.function)
        self.dispatcher.let_go(target)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._front.connection, self._settings.host, self._settings.port, backlog=1024
            )
        except OSError:
            self._front.close()
            await self._runner.cleanup()
            raise
        self._port = self._server.sockets[0].getsockname()[1]

    async def leave(self) -> None:
        """Get out of everybody's way while still serving: not ready, every connection ended by its next reply.

        Returns after the settings' `leave_time`, within which the cluster tells its proxies and the other replicas.
        """
        self._front.leave()
        await asyncio.sleep(self._settings.leave_time)

    async def stop(self) -> None:
        """Accept nothing more, give what runs the settings' `stop_time` to finish, then end everything."""
        self._server.close()
        self.rollouts.close()
        self.scaling.close()
        self._front.stop()
        stop_time = self._settings.stop_time
        forwarded = () if self.forwarder is None else (self.forwarder.finish(stop_time),)
        await asyncio.gather(self.dispatcher.stop(stop_time), *forwarded)
        if self._counted is not None:
            await self._counted.close()
        await self._runner.cleanup()
        self._front.close()
        await self._server.wait_closed()
