"""The Kubernetes backend: an instance is a pod, made by the operator, and made the function's by this gateway.

Rule: while the API server is away everything goes on that needs no new pod, on what was known last.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from mayfly_gateway.backends import Instance
from mayfly_gateway.backends.kubernetes import rollouts, scaled
from mayfly_gateway.backends.kubernetes.alias_reports import AliasReports
from mayfly_gateway.backends.kubernetes.claims import Claims, Retire
from mayfly_gateway.backends.kubernetes.invoked import LOOK
from mayfly_gateway.backends.kubernetes.launches import Launches
from mayfly_gateway.backends.kubernetes.objects import AliasObject, PodObject, VersionObject
from mayfly_gateway.backends.kubernetes.placement import State
from mayfly_gateway.backends.kubernetes.pods import Pod, read_pod
from mayfly_gateway.backends.kubernetes.reports import Reports
from mayfly_gateway.backends.kubernetes.scale import Key, Scale
from mayfly_gateway.backends.kubernetes.sites import Adopt, Site, Sites
from mayfly_gateway.backends.kubernetes.surroundings import Surroundings
from mayfly_gateway.backends.kubernetes.uploads import Uploads
from mayfly_gateway.backends.kubernetes.versions import Names, version_key
from mayfly_gateway.backends.kubernetes.watch import Watch
from mayfly_gateway.catalogue import AliasKey, Target
from mayfly_gateway.provision import Provisioned
from mayfly_gateway.provision_plan import Decided
from mayfly_gateway.rollout import Progress, Said
from mayfly_model.labels import GATEWAY_FIELD_MANAGER, INSTANCE_SELECTOR, SCALING_FIELD_MANAGER

_RELEASE_TIME = 1.0
"""Seconds that an idle instance waits for the API server before it goes on serving."""
_AUTOPSY_TIME = 2.5
"""Seconds within which a pod's status says how it ended; the kubelet looks every second."""

_log = logging.getLogger(__name__)


class KubernetesBackend:
    """The pods of one gateway's functions."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._scale = Scale(around.api)
        self._reports = Reports(around.api, self._scale)
        self._rollouts = AliasReports(around.api, GATEWAY_FIELD_MANAGER)
        self._scaled = AliasReports(around.api, SCALING_FIELD_MANAGER)
        self._names = Names(around.catalogue, cluster=around.cluster)
        self._pods: dict[Key, dict[str, Pod]] = {}
        self._autopsies: dict[str, asyncio.Future[bool]] = {}
        self._versions = Watch(
            around.api, "/apis/mayfly.dev/v1beta1/versions", VersionObject, self._on_version
        )
        self._aliases = Watch(
            around.api, "/apis/mayfly.dev/v1beta1/aliases", AliasObject, self._names.follow_alias
        )
        self._instances = Watch(
            around.api, "/api/v1/pods", PodObject, self._on_pod, selector=INSTANCE_SELECTOR
        )
        self._tasks: list[asyncio.Task[None]] = []

    def ready(self) -> bool:
        """Whether all functions and instances are known."""
        return all(watch.warm.is_set() for watch in (self._versions, self._aliases, self._instances))

    def versions(self) -> Iterable[VersionObject]:
        """The Versions that are known."""
        return tuple(self._versions.objects.values())

    def start(
        self,
        *,
        adopt: Adopt,
        let_go: Callable[[Target], None],
        retire: Retire,
        owners_known: asyncio.Event | None = None,
    ) -> None:
        """Follow the cluster; returns at once.

        `adopt(target, instance, bare)` takes over an instance, `let_go(target)` leaves those of a version,
        `retire(target, id)` has an instance end once it runs nothing.
        `owners_known` is set once it is known which functions are whose, None where that is so from the start.
        """
        self._let_go = let_go
        self._sites = Sites(
            scale=self._scale, reports=self._reports, adopt=adopt, token=self._around.keys.session_token
        )
        self._claims = Claims(
            api=self._around.api,
            sites=self._sites,
            sizing=self._around.sizing,
            token=self._around.keys.session_token,
            known=self._is_version,
            retire=retire,
            doubt=self._around.doubt,
        )
        self._uploads = Uploads(self._around.packages, self._sites)
        self._launches = Launches(self._around, self._sites, self._claims)
        self._around.catalogue.on_change(self._on_target)
        self._around.ownership.on_change(self._on_owners)
        self._tasks = [
            asyncio.create_task(self._instances.run()),
            asyncio.create_task(self._aliases.run()),
            asyncio.create_task(self._follow_versions(owners_known)),
            asyncio.create_task(self._claims.run()),
            asyncio.create_task(self._write_invoked()),
            asyncio.create_task(self._uploads.run()),
        ]

    async def close(self) -> None:
        """Follow the cluster no more. The instances go on, for the gateways that are left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            self._claims.end()
            self._sites.end()
        self._scale.close()
        self._reports.close()
        self._rollouts.close()
        self._scaled.close()
        await self._around.api.close()

    # The dispatcher's calls.

    async def launch(self, target: Target) -> Instance:
        """A pod for this function version, and what makes it one's.

        Raises:
            LambdaError: why there is none.
            ConnectionAbortedError: the pod ended before its agent listened.
        """
        return await self._launches.launch(target)

    def spare(self, target: Target) -> int:
        """How many pods wait that could become an instance of it at once."""
        site = self._sites.find(version_key(target))
        return 0 if site is None else self._claims.spare(target, site)

    async def release(self, instance_id: str) -> bool:
        """Have the pod counted no more, so that the operator replaces it not; False while that cannot be said."""
        site = self._sites.mark(instance_id, State.LEAVING)
        if site is None:
            return True
        self._sites.settle(site)
        if await self._scale.said(site.key, within=_RELEASE_TIME):
            return True
        self._sites.mark(instance_id, State.USED)
        return False

    def ending(self, instance_id: str, *, busy: bool) -> None:
        """Let the pod be deleted if a launch waits for its place; one that is busy keeps it."""
        self._sites.mark(instance_id, State.PROBED if busy else State.ENDING)

    async def out_of_memory(self, instance_id: str) -> bool:
        """Whether the pod's status says so, once it says how the pod ended."""
        ended = self._autopsies.setdefault(instance_id, asyncio.get_running_loop().create_future())
        try:
            await asyncio.wait((ended,), timeout=_AUTOPSY_TIME)
            return ended.done() and ended.result()
        finally:
            self._autopsies.pop(instance_id, None)

    async def destroy(self, instance_id: str) -> None:
        """Count the pod no more, and have it deleted unless it ends by itself."""
        if self._sites.mark(instance_id, State.LOST) is None:
            self._claims.fail(instance_id)

    async def leave(self, instance_id: str) -> None:
        """Have the pod asked again what it is: another gateway took itself for its owner, or is it."""
        self._sites.mark(instance_id, State.UNKNOWN)

    def provisioned(self, target: Target, state: Provisioned | None) -> None:
        """Write down how far a version's provisioned instances are; None if none are asked for."""
        site = self._sites.find(version_key(target))
        if site is not None:
            site.findings.provision(state)
            self._reports.write(site.key, site.findings)

    def rollout(self, key: AliasKey, said: Said, progress: Progress | None) -> None:
        """Write down how far an alias's rollout is; None if there is none."""
        self._rollouts.write(key[0], said.source, rollouts.applied(key[0], said, progress))

    def scaled(self, key: AliasKey, said: Said, decided: Decided | None) -> None:
        """Write down how many instances are kept of an alias by the clock and the load; None if it is not scaled."""
        self._scaled.write(key[0], said.source, scaled.applied(key[0], said, decided))

    # What the cluster tells.

    async def _follow_versions(self, owners_known: asyncio.Event | None) -> None:
        # A Version without its pods would be scaled to none, and one that is another's by two.
        await self._instances.warm.wait()
        if owners_known is not None:
            await owners_known.wait()
        await self._versions.run()

    async def _write_invoked(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            for target, at in self._around.invoked.due():
                if (site := self._sites.find(version_key(target))) is not None:
                    site.findings.invoked(at)
                    self._reports.write(site.key, site.findings)

    def _on_version(self, before: VersionObject | None, after: VersionObject | None) -> None:
        self._names.follow(before, after)
        if after is not None:
            self._sites.see_version((after.metadata.namespace, after.metadata.name), after)

    def _on_pod(self, before: PodObject | None, after: PodObject | None) -> None:
        item = after or before
        assert item is not None  # noqa: S101
        pod = read_pod(item)
        key = (pod.namespace, pod.version)
        if pod.ended or after is None:
            self._autopsy(pod)
        if pod.pool and after is not None:
            self._claims.see(pod)
            return
        self._claims.forget(pod.uid)
        if after is not None:
            self._pods.setdefault(key, {})[pod.uid] = pod
            self._sites.see_pod(key, pod)
            return
        pods = self._pods.get(key, {})
        pods.pop(pod.uid, None)
        if not pods:
            self._pods.pop(key, None)
        self._sites.pod_gone(key, pod.uid)

    def _autopsy(self, pod: Pod) -> None:
        ended = self._autopsies.get(pod.uid)
        if ended is not None and not ended.done():
            ended.set_result(pod.out_of_memory)

    def _on_target(self, before: Target | None, after: Target | None) -> None:
        """Follow the catalogue; two functions may just be changing their names."""
        if before is not None and (after is None or version_key(after) != version_key(before)):
            site = self._sites.find(version_key(before))
            if site is not None and site.target.key == before.key:
                self._sites.close(site.key)
        if after is None or not self._around.ownership.owns(after.function):
            return
        if self._sites.find(version_key(after)) is None:
            self._open(after)
        else:
            self._sites.change(after)
            self._uploads.look_for(after)

    def _on_owners(self) -> None:
        for target in self._around.catalogue.every():
            site = self._sites.find(version_key(target))
            owned = self._around.ownership.owns(target.function)
            if owned and site is None:
                self._open(target)
            elif not owned and site is not None:
                self._sites.close(site.key)
                self._let_go(target)

    def _open(self, target: Target) -> Site:
        key = version_key(target)
        pods = list(self._pods.get(key, {}).values())
        site = self._sites.open(
            target, self._versions.objects.get(key), pods, waiting=self._claims.waiting(target)
        )
        self._uploads.look_for(target)
        return site

    def _is_version(self, key: Key) -> bool:
        return not self._versions.warm.is_set() or key in self._versions.objects
