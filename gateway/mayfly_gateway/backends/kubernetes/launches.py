"""Brings a pod, from a pool or of the Version's own, to where it only has to be told what it is.

Rule: pods that wait are tried first, each once; where none can be reached a pod of the Version's own is asked for.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mayfly_gateway import agent_calls
from mayfly_gateway.backends import Instance, InstanceTakenError
from mayfly_gateway.backends.kubernetes import troubles
from mayfly_gateway.backends.kubernetes.claims import Claims
from mayfly_gateway.backends.kubernetes.code import CodeError, Package
from mayfly_gateway.backends.kubernetes.dial import PORT, dial
from mayfly_gateway.backends.kubernetes.placement import State
from mayfly_gateway.backends.kubernetes.pods import Pod
from mayfly_gateway.backends.kubernetes.pools import Waiting
from mayfly_gateway.backends.kubernetes.runtimes import words
from mayfly_gateway.backends.kubernetes.sites import Site, Sites
from mayfly_gateway.backends.kubernetes.specialised import judge
from mayfly_gateway.backends.kubernetes.surroundings import Surroundings
from mayfly_gateway.backends.kubernetes.versions import version_key
from mayfly_gateway.catalogue import Target
from mayfly_model.conditions import ConditionType, Reason
from mayfly_model.errors import ServiceUnavailableException
from mayfly_model.runtime_list import RuntimeImage

_AGREED = 200


class Launches:
    """The launches of one gateway."""

    def __init__(self, around: Surroundings, sites: Sites, claims: Claims) -> None:
        self._around = around
        self._sites = sites
        self._claims = claims

    async def launch(self, target: Target) -> Instance:
        """A pod for this function version, and what makes it one's.

        Raises:
            LambdaError: why there is none.
            ConnectionAbortedError: the pod ended before its agent listened.
        """
        runtime, site = self._runtime(target), self._site(target)
        claim = self._claims.begin(target, site)
        try:
            package = await self._package(site, target)
            while claim is not None:
                instance = await self._claimed(site, target, claim, runtime, package)
                if instance is not None:
                    return instance
                claim = self._claims.begin(target, site)
        except BaseException:
            if claim is not None:
                self._claims.cancel(claim.pod.uid)
            raise
        pod = await self._sites.pod(site, target.digest)
        try:
            return await self._started(site, target, pod, runtime, package)
        except BaseException:
            self._sites.mark(pod.uid, State.LOST)
            raise

    def _runtime(self, target: Target) -> RuntimeImage:
        runtime = self._around.runtimes.get(target.spec.runtime or "")
        if runtime is None:
            known = ", ".join(sorted(self._around.runtimes))
            raise troubles.error_for(
                Reason.RUNTIME_NOT_FOUND,
                f"{target.spec.runtime or 'none'} is not installed here; there are {known}",
            )
        return runtime

    def _site(self, target: Target) -> Site:
        site = self._sites.find(version_key(target))
        if site is None:
            # Let go of, or gone, between two attempts: the pods are another's to ask for.
            raise ServiceUnavailableException("Another gateway serves the function now: try again.")
        return site

    async def _package(self, site: Site, target: Target) -> Package:
        try:
            return await self._around.packages.get(target.namespace, target.spec.code)
        except CodeError as error:
            self._sites.found(site, ConditionType.CODE_AVAILABLE, error.trouble, target.digest)
            raise troubles.error(error.trouble) from error

    async def _claimed(
        self, site: Site, target: Target, claim: Waiting, runtime: RuntimeImage, package: Package
    ) -> Instance | None:
        """A pod of a pool, about to be claimed; None if its agent cannot be reached."""
        pod = claim.pod

        def told(status: int, _: Exception | None) -> None:
            if status == _AGREED:
                self._claims.succeed(site, target, pod)
            else:
                self._claims.fail(pod.uid)

        said = self._said(target, pod, runtime, package)
        reached = await self._reach(pod, said, package, self._claims.reach(claim))
        on_specialised = partial(self._on_specialised, site, target, told)
        return None if reached is None else self._instance(pod, said, package, *reached, on_specialised)

    async def _started(
        self, site: Site, target: Target, pod: Pod, runtime: RuntimeImage, package: Package
    ) -> Instance:
        """A pod of its own, about to be specialised."""

        def told(_: int, error: Exception | None) -> None:
            if isinstance(error, InstanceTakenError):
                # It is another's work, and will be ours when that is done.
                self._sites.mark(pod.uid, State.UNKNOWN)

        said = self._said(target, pod, runtime, package)
        dialled = dial((pod.ip, PORT), hopeless=lambda: not self._sites.placed(pod.uid))
        reached = await self._reach(pod, said, package, dialled)
        assert reached is not None  # noqa: S101 - a call of its own that fails raises
        on_specialised = partial(self._on_specialised, site, target, told)
        return self._instance(pod, said, package, *reached, on_specialised)

    def _said(self, target: Target, pod: Pod, runtime: RuntimeImage, package: Package) -> bytes:
        token, code = self._around.keys.session_token(pod.uid), (package.format, package.sha256)
        said = words(target, runtime, token=token, code=code, endpoint=self._around.endpoint)
        return json.dumps(said).encode()

    async def _reach(
        self, pod: Pod, said: bytes, package: Package, dialled: Coroutine[Any, Any, socket.socket | None]
    ) -> tuple[str, socket.socket] | None:
        """A permit, signed while the agent is dialled, and the connection to it; None if there is none."""
        permit = asyncio.ensure_future(self._around.keys.permit(pod.uid, (said, package.data)))
        connected: socket.socket | None = None
        try:
            connected = await dialled
            return None if connected is None else (await permit, connected)
        except BaseException:
            if connected is not None:
                connected.close()
            raise
        finally:
            permit.cancel()

    def _instance(
        self,
        pod: Pod,
        said: bytes,
        package: Package,
        permit: str,
        connected: socket.socket,
        on_specialised: Callable[[int, bytes], None],
    ) -> Instance:
        return Instance(
            id=pod.uid,
            address=(pod.ip, PORT),
            token=self._around.keys.session_token(pod.uid),
            specialise=agent_calls.specialise(said, permit=permit, code_size=len(package.data)),
            code=package.data,
            connected=connected,
            on_specialised=on_specialised,
            waited=bool(pod.pool),
        )

    def _on_specialised(
        self,
        site: Site,
        target: Target,
        told: Callable[[int, Exception | None], None],
        status: int,
        body: bytes,
    ) -> None:
        code, init, error = judge(status, body)
        if code is not None:
            self._sites.found(site, ConditionType.CODE_AVAILABLE, code.trouble, target.digest)
        if init is not None:
            self._sites.found(site, ConditionType.INITIALIZED, init.trouble, target.digest)
        told(status, error)
        if error is not None:
            raise error
