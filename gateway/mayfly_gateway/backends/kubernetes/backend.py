"""The Kubernetes backend: an instance is a pod, made by the operator, and made the function's by this gateway.

Rule: while the API server is away everything goes on that needs no new pod, on what was known last.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from mayfly_gateway import agent_calls
from mayfly_gateway.backends import Instance, InstanceTakenError
from mayfly_gateway.backends.kubernetes import troubles
from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.code import CodeError, Package, Packages
from mayfly_gateway.backends.kubernetes.dial import PORT, dial
from mayfly_gateway.backends.kubernetes.keys import Keys
from mayfly_gateway.backends.kubernetes.objects import AliasObject, PodObject, VersionObject
from mayfly_gateway.backends.kubernetes.placement import State
from mayfly_gateway.backends.kubernetes.pods import Pod, read_pod
from mayfly_gateway.backends.kubernetes.reports import Reports
from mayfly_gateway.backends.kubernetes.runtimes import words
from mayfly_gateway.backends.kubernetes.scale import Key, Scale
from mayfly_gateway.backends.kubernetes.sites import Adopt, Site, Sites
from mayfly_gateway.backends.kubernetes.specialised import judge
from mayfly_gateway.backends.kubernetes.versions import Names, version_key
from mayfly_gateway.backends.kubernetes.watch import Watch
from mayfly_gateway.catalogue import Catalogue, Target
from mayfly_model.conditions import ConditionType, Reason
from mayfly_model.errors import ServiceUnavailableException
from mayfly_model.labels import INSTANCE_SELECTOR
from mayfly_model.runtime_list import RuntimeImage

_RELEASE_TIME = 1.0
"""Seconds that an idle instance waits for the API server before it goes on serving."""
_AUTOPSY_TIME = 2.5
"""Seconds within which a pod's status says how it ended; the kubelet looks every second."""

_log = logging.getLogger(__name__)


class Ownership(Protocol):
    """Which functions are this gateway's."""

    def owns(self, function: tuple[str, str]) -> bool:
        """Whether this one is."""
        ...

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called whenever that may be another."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the backend works with. `runtimes` by name; `endpoint`: the gateways' address, for SDKs in functions."""

    api: Api
    catalogue: Catalogue
    ownership: Ownership
    keys: Keys
    runtimes: Mapping[str, RuntimeImage]
    packages: Packages
    cluster: str
    endpoint: str | None = None


class KubernetesBackend:
    """The pods of one gateway's functions."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._scale = Scale(around.api)
        self._reports = Reports(around.api, self._scale)
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
        owners_known: asyncio.Event | None = None,
    ) -> None:
        """Follow the cluster; returns at once.

        `adopt(target, instance, bare)` takes over an instance, `let_go(target)` leaves those of a version.
        `owners_known` is set once it is known which functions are whose, None where that is so from the start.
        """
        self._let_go = let_go
        self._sites = Sites(
            scale=self._scale, reports=self._reports, adopt=adopt, token=self._around.keys.session_token
        )
        self._around.catalogue.on_change(self._on_target)
        self._around.ownership.on_change(self._on_owners)
        self._tasks = [
            asyncio.create_task(self._instances.run()),
            asyncio.create_task(self._aliases.run()),
            asyncio.create_task(self._follow_versions(owners_known)),
        ]

    async def close(self) -> None:
        """Follow the cluster no more. The instances go on, for the gateways that are left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            self._sites.end()
        self._scale.close()
        self._reports.close()
        await self._around.api.close()

    # The dispatcher's calls.

    async def launch(self, target: Target) -> Instance:
        """A pod for this function version, and what makes it one's.

        Raises:
            LambdaError: why there is none.
            ConnectionAbortedError: the pod ended before its agent listened.
        """
        runtime = self._around.runtimes.get(target.spec.runtime or "")
        if runtime is None:
            known = ", ".join(sorted(self._around.runtimes))
            raise troubles.error_for(
                Reason.RUNTIME_NOT_FOUND,
                f"{target.spec.runtime or 'none'} is not installed here; there are {known}",
            )
        site = self._sites.find(version_key(target))
        if site is None:
            # Let go of, or gone, between two attempts: the pods are another's to ask for.
            raise ServiceUnavailableException("Another gateway serves the function now: try again.")
        package = await self._package(site, target)
        pod = await self._sites.pod(site, target.digest)
        try:
            return await self._prepared(site, target, pod, runtime, package)
        except BaseException:
            self._sites.mark(pod.uid, State.LOST)
            raise

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
        self._sites.mark(instance_id, State.LOST)

    async def _package(self, site: Site, target: Target) -> Package:
        try:
            return await self._around.packages.get(target.namespace, target.spec.code)
        except CodeError as error:
            self._sites.found(site, ConditionType.CODE_AVAILABLE, error.trouble, target.digest)
            raise troubles.error(error.trouble) from error

    async def _prepared(
        self, site: Site, target: Target, pod: Pod, runtime: RuntimeImage, package: Package
    ) -> Instance:
        token = self._around.keys.session_token(pod.uid)
        code = (package.format, package.sha256)
        said = words(target, runtime, token=token, code=code, endpoint=self._around.endpoint)
        instruction = json.dumps(said).encode()
        address = (pod.ip, PORT)
        permit, connected = await asyncio.gather(
            self._around.keys.permit(pod.uid, (instruction, package.data)),
            dial(address, hopeless=lambda: not self._sites.placed(pod.uid)),
        )
        return Instance(
            id=pod.uid,
            address=address,
            token=token,
            specialise=agent_calls.specialise(instruction, permit=permit, code_size=len(package.data)),
            code=package.data,
            connected=connected,
            on_specialised=partial(self._on_specialised, site, target, pod.uid),
        )

    def _on_specialised(self, site: Site, target: Target, uid: str, status: int, body: bytes) -> None:
        code, init, error = judge(status, body)
        if code is not None:
            self._sites.found(site, ConditionType.CODE_AVAILABLE, code.trouble, target.digest)
        if init is not None:
            self._sites.found(site, ConditionType.INITIALIZED, init.trouble, target.digest)
        if isinstance(error, InstanceTakenError):
            # It is another's work, and will be ours when that is done.
            self._sites.mark(uid, State.UNKNOWN)
        if error is not None:
            raise error

    # What the cluster tells.

    async def _follow_versions(self, owners_known: asyncio.Event | None) -> None:
        # A Version without its pods would be scaled to none, and one that is another's by two.
        await self._instances.warm.wait()
        if owners_known is not None:
            await owners_known.wait()
        await self._versions.run()

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
                self._sites.close(site.key, "The function was changed while an instance of it was started.")
        if after is None or not self._around.ownership.owns(after.function):
            return
        if self._sites.find(version_key(after)) is None:
            self._open(after)
        else:
            self._sites.change(after)

    def _on_owners(self) -> None:
        for target in self._around.catalogue.every():
            site = self._sites.find(version_key(target))
            owned = self._around.ownership.owns(target.function)
            if owned and site is None:
                self._open(target)
            elif not owned and site is not None:
                self._sites.close(site.key, "Another gateway serves the function now: try again.")
                self._let_go(target)

    def _open(self, target: Target) -> Site:
        key = version_key(target)
        return self._sites.open(
            target, self._versions.objects.get(key), list(self._pods.get(key, {}).values())
        )
