"""Looks at everything again from time to time, whatever was or was not told.

Rule: nothing is decided here that a reconciler decides; only what has no reconciler, since its owner is gone, is
deleted here, and only after the API server itself has said that the owner is gone.
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final

from mayfly_operator import functions, published
from mayfly_operator.apply import Cluster, NotLeadingError, RefusedByServerError, UnavailableError
from mayfly_operator.cache import Cache
from mayfly_operator.lists import Lists
from mayfly_operator.network_policies import NetworkPolicies
from mayfly_operator.settings import Settings
from mayfly_operator.views import Key, VersionView
from mayfly_operator.work_queue import WorkQueue

_EVERY_FUNCTION: Final = 5
"""Every so many sweeps the Functions are looked at too, for which far less can go unnoticed than for pods."""
_log = logging.getLogger(__name__)


class Sweep:
    """Sweeps."""

    def __init__(
        self,
        *,
        cache: Cache,
        cluster: Cluster,
        lists: Lists,
        policies: NetworkPolicies,
        functions: WorkQueue,
        versions: WorkQueue,
        aliases: WorkQueue,
        pools: WorkQueue,
        settings: Settings,
    ) -> None:
        self._cache = cache
        self._cluster = cluster
        self._lists = lists
        self._policies = policies
        self._functions = functions
        self._versions = versions
        self._aliases = aliases
        self._pools = pools
        self._settings = settings

    async def run(self) -> None:
        """Sweep until cancelled."""
        count = 0
        while True:
            await asyncio.sleep(self._settings.sweep_interval)
            count += 1
            await self._attempt("sweep", self.sweep(every_function=count % _EVERY_FUNCTION == 0))

    async def compare(self) -> None:
        """Compare the lists with what the watches told, until cancelled."""
        while True:
            await asyncio.sleep(self._settings.listing_interval)
            await self._attempt("comparison", self._lists.compare())

    async def sweep(self, *, every_function: bool) -> None:
        """Have everything that may need it looked at, and delete what has lost its owner."""
        if not self._cache.complete:
            return
        for version in self._cache.versions:
            if self._is_worth_it(version):
                self._versions.add(version.key)
        for pool in self._cache.pools():
            self._pools.add(pool)
        if every_function:
            self._policies.forget({each.namespace for each in self._cache.functions})
            for function in self._cache.functions:
                self._functions.add(function.key)
            for alias in self._cache.aliases:
                self._aliases.add(alias.key)
        await self._stray_pods()
        await self._stray_versions()

    def _is_worth_it(self, version: VersionView) -> bool:
        return bool(
            version.instances
            or version.status.get("instances")
            or self._cache.instances(version.key)
            or version.claimed
            or published.is_asked_for(version)
        )

    async def _stray_pods(self) -> None:
        for key in self._cache.versions_with_pods():
            if self._cache.versions.get(key) is None:
                uid = await self._uid_of_version(key)
                for pod in self._cache.instances(key):
                    if pod.owner != uid and not pod.deleting:
                        _log.info("%s/%s has no Version any more", pod.namespace, pod.name)
                        await self._cluster.delete("pods", pod)

    async def _uid_of_version(self, key: Key) -> str | None:
        item = await self._cluster.get("versions", key) if key[1] else None
        return item["metadata"]["uid"] if item else None

    async def _stray_versions(self) -> None:
        for version in self._cache.versions:
            key = version.namespace, version.function
            stray = functions.is_latest(version) and not version.deleting
            if not stray or self._cache.functions.get(key) is not None:
                continue
            if await self._cluster.get("functions", key) is None:
                await self._cluster.delete("versions", version)

    async def _attempt(self, what: str, work: Awaitable[None]) -> None:
        try:
            await work
        except (UnavailableError, RefusedByServerError, NotLeadingError) as error:
            _log.warning("%s: %s", what, error)
