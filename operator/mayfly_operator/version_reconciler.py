"""Brings a Version's pods and status to what is asked for.

Rule: pods first, for somebody is waiting for them; then what is told; then what is over is deleted, so that a reason
is read before its pod is gone.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from mayfly_model.conditions import ConditionType, find
from mayfly_model.labels import VERSION_LABEL, split_name
from mayfly_model.limits import ALIASES_MAX
from mayfly_operator import aliases, pod_manifests, published, resources, statuses, versions
from mayfly_operator.apply import RefusedByServerError
from mayfly_operator.pod_views import read_pod
from mayfly_operator.references import References
from mayfly_operator.refusals import TERMINATING_PAUSE, NamespaceEndsError, all_made, refusal
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.versions import Attempts
from mayfly_operator.views import Claim, FunctionView, Json, Key, PodView, Trouble, VersionView

_STATUS_PAUSE: Final = 0.5
"""Seconds for which a status that only counts waits, so that a burst is one write."""
_log = logging.getLogger(__name__)


class VersionReconciler:
    """Works on Versions, one at a time each."""

    def __init__(self, around: Surroundings, *, on_created: Callable[[Key, int], None] | None = None) -> None:
        """`on_created(pool, count)` is told of pods that this pool would have served."""
        self._around = around
        self._on_created = on_created
        self._attempts: dict[Key, Attempts] = {}
        self._due: dict[Key, float] = {}
        self._references = References(around)

    async def reconcile(self, key: Key) -> float | None:
        """Work on a Version; in how many seconds to look again."""
        version = self._around.cache.versions.get(key)
        if version is None:
            self._attempts.pop(key, None)
            self._due.pop(key, None)
            self._references.forget(key)
            return None
        if published.is_asked_for(version):
            return await self._report(key)
        await asyncio.gather(*(self._take_in(version, each) for each in version.claimed))
        try:
            again = await self._pods(version)
            waits = [again, await self._report(key)]
        except NamespaceEndsError:
            return TERMINATING_PAUSE
        return min((each for each in waits if each is not None), default=None)

    async def _pods(self, version: VersionView) -> float | None:
        key, now = version.key, self._around.clock()
        pods = self._around.cache.instances(key)
        before = self._attempts.get(key, Attempts())
        ended = versions.news(before, pods)
        attempts = self._attempts[key] = versions.observe(before, version, pods, now)
        plan = versions.plan(version, pods, attempts, runtimes=self._around.settings.runtimes, now=now)
        try:
            if plan.create:
                again = await self._create_all(version, plan.create)
                plan = replace(plan, again=again if again is not None else plan.again)
            for pod in ended:
                await self._tell(version, pod)
        finally:
            # Also where none can be created: what is over may hold the quota that the next one lacks.
            await asyncio.gather(*(self._around.cluster.delete("pods", pod) for pod in plan.delete))
        return plan.again

    async def _create_all(self, version: VersionView, names: tuple[str, ...]) -> float | None:
        """Create pods; in how many seconds to go on, if not all are there."""
        troubles = await all_made(self._create(version, name) for name in names)
        pool = None if version.shape is None else version.shape.pool
        if self._on_created is not None and pool is not None and len(names) > len(troubles):
            self._on_created((version.namespace, pool), len(names) - len(troubles))
        if not troubles:
            return None
        attempts = versions.refused(self._attempts[version.key], troubles[0], self._around.clock())
        self._attempts[version.key] = attempts
        return max(attempts.not_before - self._around.clock(), 0.0)

    async def _create(self, version: VersionView, name: str) -> Trouble | None:
        """Create a pod; why the API server does not take it, if it does not."""
        shape = version.shape
        if shape is None or shape.runtime is None:
            return None
        runtime = self._around.settings.runtimes[shape.runtime]
        manifest = pod_manifests.pod(name, version, shape, runtime, self._around.settings)
        try:
            self._around.intake.pod(await self._around.cluster.create("pods", manifest))
        except RefusedByServerError as error:
            if error.reason == "AlreadyExists":
                await self._learn(version, name)
                return None
            return refusal(error)
        return None

    async def _learn(self, version: VersionView, name: str) -> None:
        """Look at a pod that was not known: its news is on its way, or it is somebody else's."""
        item = await self._around.cluster.get("pods", (version.namespace, name))
        labels = item["metadata"].get("labels") or {} if item else {}
        if item is None or labels.get(VERSION_LABEL) == version.name:
            if item is not None:
                self._around.intake.pod(item)
            return
        attempts = self._attempts[version.key]
        self._attempts[version.key] = replace(attempts, taken=attempts.taken | {name})

    async def _take_in(self, version: VersionView, claim: Claim) -> None:
        """Make a pod that a gateway has claimed from a pool this Version's."""
        pod = self._around.cache.pods.get((version.namespace, claim.name))
        if pod is None:
            item = await self._around.cluster.get("pods", (version.namespace, claim.name))
            pod = None if item is None else read_pod(item)
        if pod is None or not versions.may_take_in(version, claim, pod):
            return
        try:
            self._around.intake.pod(
                await self._around.cluster.merge(
                    "pods", pod.key, pod_manifests.claimed(pod, version, claim.revision)
                )
            )
        except RefusedByServerError as error:
            if not error.is_another:
                # The others are not to wait for it.
                _log.warning("%s/%s cannot be taken in: %s", version.namespace, claim.name, error)

    async def _tell(self, version: VersionView, pod: PodView) -> None:
        """An Event of a pod that ended badly."""
        function = self._function(version)
        if function is None or pod.ending is None or not pod.ending.failed:
            return
        message = f"Instance {pod.name} ended: {pod.ending.word}. {pod.ending.message}".strip()
        reason = pod.ending.word if pod.ending.word.isalpha() else "InstanceFailed"
        await self._around.events.tell(
            function, warning=True, reason=reason, message=message, now=self._around.clock()
        )

    async def _report(self, key: Key) -> float | None:
        """Write the status if it is news; in how many seconds to, if it can wait."""
        version = self._around.cache.versions.get(key)
        if version is None or version.deleting:
            return None
        now, pods = self._around.clock(), self._around.cache.instances(key)
        trouble, again = await self._trouble(version, pods)
        moment = datetime.fromtimestamp(now, UTC)
        new = statuses.version_status(version, pods, trouble, moment, self._aliases(version))
        # Of a version that is about to be published there is nothing to tell yet.
        if new is None or (trouble is None and published.is_asked_for(version)):
            self._due.pop(key, None)
            return again
        due = self._due.setdefault(key, now + _STATUS_PAUSE)
        if not new.urgent and due > now:
            return due - now
        self._due.pop(key, None)
        await self._write(version, new)
        return again

    async def _trouble(
        self, version: VersionView, pods: Collection[PodView]
    ) -> tuple[Trouble | None, float | None]:
        """Why no instance can run, and in how many seconds to ask again."""
        if published.is_asked_for(version):
            return published.trouble(version, self._function(version)), None
        attempts, runtimes = self._attempts.get(version.key, Attempts()), self._around.settings.runtimes
        found = versions.trouble(version, pods, attempts, runtimes=runtimes, now=self._around.clock())
        return (found, None) if found is not None else await self._references.trouble(version, pods)

    async def _write(self, version: VersionView, new: statuses.NewStatus) -> None:
        manifest = resources.status(version, "Version", new.fields)
        try:
            self._around.intake.version(await self._around.cluster.apply("versions", manifest, "status"))
        except RefusedByServerError as error:
            if not error.is_another:
                raise
            return
        await self._tell_turn(version, new.fields["conditions"][0])

    async def _tell_turn(self, version: VersionView, ready: Json) -> None:
        """An Event of a published version's turn for the worse; of `$LATEST` its Function has one."""
        before = find(statuses.conditions(version.status), ConditionType.READY)
        known = before is not None and (before.status, before.reason) == (ready["status"], ready["reason"])
        if version.number is None or ready["status"] == "True" or known:
            return
        await self._around.events.tell(
            version,
            kind="Version",
            warning=True,
            reason=ready["reason"],
            message=ready["message"],
            now=self._around.clock(),
        )

    def _function(self, version: VersionView) -> FunctionView | None:
        return self._around.cache.functions.get((version.namespace, version.function))

    def _aliases(self, version: VersionView) -> list[str]:
        name = split_name(version.name)[1]
        found = self._around.cache.aliases_of((version.namespace, version.function))
        return sorted(each.alias for each in found if name in aliases.refers_to(each))[:ALIASES_MAX]
