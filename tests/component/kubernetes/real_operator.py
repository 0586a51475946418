"""The operator's own reconcilers on the stand-in for the API server: what it decides of pods, without its watches."""

import asyncio
import contextlib
from dataclasses import replace

from kubernetes.aio.client import ApiClient, Configuration
from tests.component.kubernetes.api_server import PODS, VERSIONS, ApiServer
from tests.unit.operator_objects import SETTINGS

from mayfly_operator.apply import Cluster
from mayfly_operator.cache import Cache
from mayfly_operator.events import Events
from mayfly_operator.intake import Intake
from mayfly_operator.lists import Lists
from mayfly_operator.pool_reconciler import PoolReconciler
from mayfly_operator.settings import PoolOptions
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.version_reconciler import VersionReconciler
from mayfly_operator.work_queue import WorkQueue

KINDS = {PODS: "pods", VERSIONS: "versions"}


class RealOperator:
    """One operator process: it knows nothing at its start but what lists say."""

    def __init__(self, server: ApiServer, *, image: str = "mayfly/python:1", **pools) -> None:
        self.server = server
        (runtime,) = SETTINGS.runtimes.values()
        runtimes = {runtime.name: replace(runtime, image=image)}
        self.settings = replace(SETTINGS, runtimes=runtimes, pools=PoolOptions(**{"enabled": True, **pools}))

    async def start(self) -> None:
        configuration = Configuration()
        configuration.host = self.server.url
        self.cluster = Cluster(ApiClient(configuration), lambda: True)
        cache = Cache()
        intake, events = Intake(cache), Events(self.cluster)
        around = Surroundings(
            cache=cache, cluster=self.cluster, intake=intake, events=events, settings=self.settings
        )
        pools = PoolReconciler(around)
        versions = VersionReconciler(around, on_created=pools.missed)
        intake.versions = WorkQueue("Version", versions.reconcile, workers=8)
        intake.pools = WorkQueue("Pool", pools.reconcile, workers=2)
        seen = self.server.version
        await Lists(cache, self.cluster, intake).load()
        work = (intake.versions.run(), intake.pools.run(), self._watch(intake, seen))
        self.tasks = [asyncio.create_task(each) for each in work]

    async def stop(self) -> None:
        """As a process that is killed."""
        for task in self.tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.cluster.close()

    async def _watch(self, intake: Intake, seen: int) -> None:
        while True:
            news = self.server.news
            told = [
                (version, kind, path, item)
                for path in KINDS
                for version, kind, item in self.server.events[path]
                if version > seen
            ]
            for version, kind, path, item in sorted(told, key=lambda each: each[0]):
                if kind == "DELETED":
                    intake.gone(KINDS[path], item)
                elif path == PODS:
                    intake.pod(item)
                else:
                    intake.version(item)
                seen = version
            await news.wait()
