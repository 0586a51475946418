"""Takes pods out of warm pools for functions of ours, and sees to what follows once the agent in one has agreed.

Rule: a call waits for the agent's answer alone. Then, once no other is waited for any more, the pod is resized and the
claim reported, so that the operator makes it the Version's; and whatever goes wrong on the way, a gateway that died
included, shows when the pods that wait are asked whose they are.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.asking import Asking
from mayfly_gateway.backends.kubernetes.dial import PORT, dial
from mayfly_gateway.backends.kubernetes.placement import State
from mayfly_gateway.backends.kubernetes.pods import Pod
from mayfly_gateway.backends.kubernetes.pools import Pools, Standing, Waiting, settled
from mayfly_gateway.backends.kubernetes.resizing import resize
from mayfly_gateway.backends.kubernetes.scale import Key
from mayfly_gateway.backends.kubernetes.sites import Site, Sites
from mayfly_gateway.catalogue import Target
from mayfly_model.sizing import Sizing, fits_a_pool

_REACHED = 0.2
"""Seconds within which a pod that has run for a while is to take a connection: its kernel does, however busy it is."""
_STARTED = 3.0
"""The same for one that has just started."""
_AFTERWARDS, _LOOKS = 0.1, 10
"""Seconds until what follows a claim is begun, and how often that is put off while other claims are under way: a
resize, a label and a new pod for the pool keep the node busy, and the calls of a burst need it."""
_DEFERRED = 1.0
"""Seconds after which a resize that the node has not begun is taken for one that it will not do."""
_BARRED = 300.0
"""Seconds for which a function whose instance could not be resized has none from pools."""
_STRANGE = 2
"""How often a pod must say that it is of a Version which is not there before it is ended."""

_log = logging.getLogger(__name__)

Retire = Callable[[Target, str], None]


class Claims:
    """One gateway's. `known(version)` says whether there is such a Version; `retire(target, uid)` has it replaced.

    `doubt`: for how many seconds a pod may wait, or be another's, until it is asked.
    """

    def __init__(
        self,
        *,
        api: Api,
        sites: Sites,
        sizing: Sizing,
        token: Callable[[str], str],
        known: Callable[[Key], bool],
        retire: Retire,
        doubt: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._api = api
        self._sites = sites
        self._sizing = sizing
        self._token = token
        self._known = known
        self._retire = retire
        self._pools = Pools(doubt=doubt)
        self._turn = doubt / 2
        self._barred: dict[Key, float] = {}
        self._under_way: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # What is seen.

    def see(self, pod: Pod) -> None:
        """A pod that waits as it is now."""
        self._pools.see(pod, self._loop.time())
        self._sites.see_claimed(pod)

    def forget(self, uid: str) -> None:
        """A pod waits no more: it is gone, or some Version's."""
        self._pools.forget(uid)

    def waiting(self, target: Target) -> Iterable[Pod]:
        """The pods that might have been claimed for it."""
        return self._pools.pods(_pool(target))

    # From the choice of a pod to its being the function's.

    def spare(self, target: Target, site: Site) -> int:
        """How many instances of it could be had at once."""
        return self._pools.spare(_pool(target)) if self._may(target, site) else 0

    def begin(self, target: Target, site: Site) -> Waiting | None:
        """A pod that nobody else here tries to claim from now on; None if there is none for it."""
        if not self._may(target, site):
            return None
        taken = self._pools.take(_pool(target), f"{target.namespace}/{target.name}", self._loop.time())
        if taken is not None:
            self._under_way.add(taken.pod.uid)
        return taken

    async def reach(self, waiting: Waiting) -> socket.socket | None:
        """A connection to its agent; None if that takes longer than a pod's start is worth."""
        pod, listening = waiting.pod, settled(waiting, self._loop.time())
        try:
            async with asyncio.timeout(_REACHED if listening else _STARTED):
                return await dial(
                    (pod.ip, PORT), hopeless=lambda: not self._pools.here(pod.uid), listening=listening
                )
        except (TimeoutError, ConnectionAbortedError):
            self.fail(pod.uid)
            return None

    def cancel(self, uid: str) -> None:
        """Nothing was said to the agent: others may claim it."""
        self._over(uid, Standing.FREE)

    def fail(self, uid: str) -> None:
        """The agent did not agree, or nobody knows whether it did."""
        self._over(uid, Standing.DOUBTFUL)

    def succeed(self, site: Site, target: Target, pod: Pod) -> None:
        """The agent has agreed."""
        self._under_way.discard(pod.uid)
        if self._take_in(site, pod, target.digest, State.USED):
            self._begin(self._follow(site, target, pod))

    def _over(self, uid: str, standing: Standing) -> None:
        self._under_way.discard(uid)
        self._pools.mark(uid, standing)

    async def _follow(self, site: Site, target: Target, pod: Pod) -> None:
        """What nobody waits for, when it is in nobody's way."""
        for _ in range(_LOOKS):
            await asyncio.sleep(_AFTERWARDS)
            if not self._under_way:
                break
        self._sites.report_claim(site, pod.uid)
        await self._resized(site, target, pod)

    def _take_in(self, site: Site, pod: Pod, revision: str, state: State) -> bool:
        if not self._pools.here(pod.uid) or not self._sites.claim(site, pod, revision, state):
            self._pools.mark(pod.uid, Standing.DOUBTFUL)
            return False
        self._pools.mark(pod.uid, Standing.CLAIMED)
        return True

    async def _resized(self, site: Site, target: Target, pod: Pod) -> None:
        if await resize(self._api, pod, target.memory_size, self._sizing):
            await asyncio.sleep(_DEFERRED)
            placed = site.placement.placed.get(pod.uid)
            if placed is None or not placed.pod.unresizable:
                return
            _log.warning("%s/%s is not resized where it is", pod.namespace, pod.name)
        now = self._loop.time()
        self._barred = {key: until for key, until in self._barred.items() if until > now}
        self._barred[site.key] = now + _BARRED
        self._retire(target, pod.uid)

    def _may(self, target: Target, site: Site) -> bool:
        spec = target.spec
        barred = self._barred.get(site.key)
        if barred is not None and barred > self._loop.time():
            return False
        return fits_a_pool(
            service_account=spec.service_account_name,
            config_maps=spec.environment.config_map_refs,
            secrets=spec.environment.secret_refs,
            ephemeral_storage=spec.ephemeral_storage.size,
        )

    # Whose the pods are.

    async def run(self) -> None:
        """Ask the pods that wait, now and again, until cancelled."""
        asking = Asking()
        try:
            while True:
                asked = self._pools.to_ask(self._loop.time(), self._sites.placed)
                await asyncio.gather(*(self._ask(asking, each) for each in asked))
                await asyncio.sleep(self._turn)
        finally:
            await asking.close()

    async def _ask(self, asking: Asking, waiting: Waiting) -> None:
        pod = waiting.pod
        token = self._token(pod.uid)
        said = await asking.whose(pod.ip, token)
        if said is None or waiting.standing is Standing.TAKEN or self._sites.placed(pod.uid):
            return
        if said.bare:
            waiting.standing, waiting.strange = Standing.FREE, 0
            return
        waiting.standing = Standing.DOUBTFUL
        version = (pod.namespace, said.version)
        site = self._sites.find(version)
        if site is not None:
            if self._take_in(site, pod, said.revision, State.UNKNOWN):
                self._sites.report_claim(site, pod.uid)
        elif not self._known(version):
            waiting.strange += 1
            if waiting.strange >= _STRANGE:
                _log.info("%s/%s is of a version that is gone", pod.namespace, pod.name)
                await asking.end(pod.ip, token)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        """Do nothing any more."""
        for task in self._tasks:
            task.cancel()


def _pool(target: Target) -> Key:
    return target.namespace, target.spec.runtime or ""
