"""Keeps the warm pools filled: pods that wait, in a namespace, to become a function's of one runtime.

Rule: no pod is made for a pool while an instance that somebody waits for is not there; what goes wrong with a pool is
told once and tried again later. What waits already counts against the namespace's quota.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Final

from mayfly_model.labels import pool_pod_name
from mayfly_model.runtime_list import RuntimeImage
from mayfly_operator import pod_manifests, pools
from mayfly_operator.apply import RefusedByServerError
from mayfly_operator.pools import Past
from mayfly_operator.refusals import TERMINATING_PAUSE, NamespaceEndsError, all_made, refusal
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.views import Key, PodView, Trouble

_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_AT_ONCE: Final = 8
"""Most pods that one decision creates; the next one follows soon."""


class PoolReconciler:
    """Works on pools, one at a time each; a pool's key is its namespace and runtime."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._pasts: dict[Key, Past] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Work on a pool; in how many seconds to look again."""
        now, pods = self._around.clock(), self._around.cache.waiting(key)
        if not pods and not self._around.settings.pools.enabled:
            self._pasts.pop(key, None)
            return None
        users = {
            each.key: (each, self._around.cache.instances(each.key)) for each in self._around.cache.users(key)
        }
        past = self._pasts[key] = pools.observe(self._pasts.get(key), users, pods, now)
        if not pods and not users:
            del self._pasts[key]
            return None
        runtime = self._around.settings.runtimes.get(key[1])
        if runtime is None:
            # It was taken out of the list: what waits ends in its time.
            await self._delete(each for each in pods if each.ending is not None and not each.deleting)
            return None
        plan = pools.plan(past, pods, self._template(past, runtime), self._around.settings.pools, now)
        await self._delete(plan.delete)
        try:
            again = await self._create_all(key, runtime, plan.create)
        except NamespaceEndsError:
            return TERMINATING_PAUSE
        return again if again is not None else plan.again

    async def _delete(self, pods: Iterable[PodView]) -> None:
        delete = self._around.cluster.delete
        await asyncio.gather(*(delete("pods", pod, unchanged=pools.never_ran(pod)) for pod in pods))

    def missed(self, key: Key, count: int) -> None:
        """So many pods were created for Versions that the pool would have served."""
        past = self._pasts.get(key)
        if past is not None:
            self._pasts[key] = pools.missed(past, count, self._around.clock())

    def _template(self, past: Past, runtime: RuntimeImage) -> str:
        return pod_manifests.template(runtime, self._around.settings, largest=_largest(past))

    async def _create_all(self, key: Key, runtime: RuntimeImage, count: int) -> float | None:
        """Create pods; in how many seconds to go on, if not all are there."""
        troubles = await all_made(self._create(key, runtime) for _ in range(min(count, _AT_ONCE)))
        if troubles:
            return await self._refused(key, troubles[0])
        return 0.0 if count > _AT_ONCE else None

    async def _create(self, key: Key, runtime: RuntimeImage) -> Trouble | None:
        """Create a pod; why the API server does not take it, if it does not."""
        namespace, _ = key
        name = pool_pod_name(runtime.name, "".join(random.choices(_LETTERS, k=5)))  # noqa: S311
        lifetime = round(self._around.settings.pools.lifetime_seconds * random.uniform(0.8, 1.2))  # noqa: S311
        manifest = pod_manifests.waiting_pod(
            name,
            namespace,
            runtime,
            self._around.settings,
            lifetime=lifetime,
            largest=_largest(self._pasts[key]),
        )
        try:
            self._around.intake.pod(await self._around.cluster.create("pods", manifest))
        except RefusedByServerError as error:
            return None if error.reason == "AlreadyExists" else refusal(error)
        return None

    async def _refused(self, key: Key, trouble: Trouble) -> float:
        now = self._around.clock()
        past = self._pasts[key] = pools.refused(self._pasts[key], trouble, now)
        if past.refusal is not None:
            await self._tell(key, trouble, now)
        return max(past.not_before - now, 0.0)

    async def _tell(self, key: Key, trouble: Trouble, now: float) -> None:
        """An Event, on one of the Functions that go without a pool."""
        for version in self._around.cache.users(key):
            function = self._around.cache.functions.get((version.namespace, version.function))
            if function is not None:
                message = f"No warm pool for {key[1]} in this namespace: {trouble.message}"
                await self._around.events.tell(
                    function, warning=True, reason="PoolUnavailable", message=message, now=now
                )
                return


def _largest(past: Past) -> int | None:
    return past.largest if past.limited else None
