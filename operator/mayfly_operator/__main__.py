"""`python -m mayfly_operator`: puts the parts together and runs them.

Rule: two things run side by side, the election and what an active replica does; the end of either is the end of the
process, for a process that starts anew knows nothing that is out of date.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, Final

import uvloop

from mayfly_operator import handlers, health
from mayfly_operator.alias_reconciler import AliasReconciler
from mayfly_operator.apply import Cluster, RefusedByServerError, UnavailableError
from mayfly_operator.cache import Cache
from mayfly_operator.events import Events
from mayfly_operator.function_reconciler import FunctionReconciler
from mayfly_operator.intake import Intake
from mayfly_operator.leadership import Leadership
from mayfly_operator.lists import Lists
from mayfly_operator.network_policies import NetworkPolicies
from mayfly_operator.pool_reconciler import PoolReconciler
from mayfly_operator.publisher import Publisher
from mayfly_operator.settings import Settings, SettingsError, read_settings
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.sweep import Sweep
from mayfly_operator.version_reconciler import VersionReconciler
from mayfly_operator.work_queue import WorkQueue

_FUNCTION_WORKERS: Final = 8
_VERSION_WORKERS: Final = 24
_POOL_WORKERS: Final = 4
_ALIAS_WORKERS: Final = 4
_log = logging.getLogger("mayfly_operator")


async def run(settings: Settings) -> int:
    """Run one operator process; its exit status."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    leadership = Leadership(settings)
    cluster = await Cluster.connect(settings.kubeconfig, leadership.may_write)
    told = health.Health(leadership)
    server = await health.serve(told, settings.health_host, settings.health_port)
    election = asyncio.create_task(leadership.run(cluster), name="election")
    try:
        await _first(stop.wait(), leadership.leading.wait(), election)
        if leadership.leading.is_set() and not stop.is_set():
            _log.info("%s leads", settings.identity)
            work = asyncio.create_task(_lead(settings, cluster, told), name="work")
            await _first(stop.wait(), work, election)
            _log.info("stopping")
            work.cancel()
            await asyncio.wait([work])
            return 1 if election.done() or _failed(work) else 0
        return 1 if election.done() else 0
    finally:
        election.cancel()
        await asyncio.wait([election])
        await leadership.release()
        await server.cleanup()
        await cluster.close()


async def _lead(settings: Settings, cluster: Cluster, told: health.Health) -> None:
    """What an active replica does, until it is told to stop or one of its parts fails."""
    cache = Cache()
    intake = Intake(cache)
    lists = Lists(cache, cluster, intake)
    policies = NetworkPolicies(cluster, settings.network_policy)
    around = Surroundings(
        cache=cache, cluster=cluster, intake=intake, events=Events(cluster), settings=settings
    )
    functions = FunctionReconciler(around, policies=policies, publisher=Publisher(around))
    aliases = AliasReconciler(around)
    pools = PoolReconciler(around)
    versions = VersionReconciler(around, on_created=pools.missed)
    intake.functions = WorkQueue("Function", functions.reconcile, workers=_FUNCTION_WORKERS)
    intake.versions = WorkQueue("Version", versions.reconcile, workers=_VERSION_WORKERS)
    intake.aliases = WorkQueue("Alias", aliases.reconcile, workers=_ALIAS_WORKERS)
    intake.pools = WorkQueue("Pool", pools.reconcile, workers=_POOL_WORKERS)
    queues = intake.functions, intake.versions, intake.aliases, intake.pools
    sweep = Sweep(
        cache=cache,
        cluster=cluster,
        lists=lists,
        policies=policies,
        functions=intake.functions,
        versions=intake.versions,
        aliases=intake.aliases,
        pools=intake.pools,
        settings=settings,
    )
    told.cache, told.lists, told.queues = cache, lists, queues
    await _load(lists)
    counts = len(cache.functions), len(cache.versions), len(cache.pods)
    _log.info("%d Functions, %d Versions, %d instances", *counts)
    # Before kopf starts: it ends every task that was started after it.
    tasks = [
        asyncio.create_task(part)
        for part in (*(queue.run() for queue in queues), sweep.run(), sweep.compare())
    ]
    await asyncio.sleep(0)
    try:
        await _first(handlers.watch(intake), *tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _load(lists: Lists) -> None:
    """Read everything, as soon as the API server has the CRDs."""
    while True:
        try:
            return await lists.load()
        except (RefusedByServerError, UnavailableError) as error:
            _log.warning("the lists cannot be read: %s", error)
            await asyncio.sleep(1.0)


async def _first(*parts: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> None:
    """Wait for the first of these to end; those that began here are cancelled then. Raises what it raised."""
    own = [asyncio.ensure_future(part) for part in parts if not isinstance(part, asyncio.Task)]
    given = [part for part in parts if isinstance(part, asyncio.Task)]
    try:
        done, _ = await asyncio.wait([*own, *given], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in own:
            task.cancel()
        await asyncio.wait(own)


def _failed(work: "asyncio.Task[None]") -> bool:
    error = None if work.cancelled() else work.exception()
    if error is not None:
        _log.error("stopped by an error", exc_info=error)
    return error is not None


def main() -> None:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        sys.exit(f"mayfly_operator: {error}")
    sys.exit(uvloop.run(run(settings)))


if __name__ == "__main__":
    main()
