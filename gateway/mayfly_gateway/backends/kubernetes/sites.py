"""The Versions that this gateway has pods for: carries out what their placements decide.

Rule: whatever happens, in whatever order, ends in one look at the Version concerned (`_settle`), at most one in each
turn of the loop; a look does what is due and nothing twice.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from mayfly_gateway.backends import Instance, LaunchOverError
from mayfly_gateway.backends.kubernetes import troubles
from mayfly_gateway.backends.kubernetes.dial import PORT
from mayfly_gateway.backends.kubernetes.findings import Findings
from mayfly_gateway.backends.kubernetes.objects import VersionObject
from mayfly_gateway.backends.kubernetes.placement import Placement, State, Waiter
from mayfly_gateway.backends.kubernetes.pods import Pod, Trouble
from mayfly_gateway.backends.kubernetes.reports import Reports
from mayfly_gateway.backends.kubernetes.scale import Key, Scale
from mayfly_gateway.backends.kubernetes.versions import version_key
from mayfly_gateway.catalogue import Target
from mayfly_model.conditions import ConditionType, Reason

_SWEEP = 0.25

Adopt = Callable[[Target, Instance, Callable[[], None]], None]


@dataclass(slots=True, eq=False)
class Site:
    """One Version whose function is this gateway's."""

    key: Key
    target: Target
    version: VersionObject | None
    placement: Placement
    findings: Findings


class Sites:
    """All of them. `adopt` asks a pod's agent what it is; `token(uid)` is what that demands."""

    def __init__(self, *, scale: Scale, reports: Reports, adopt: Adopt, token: Callable[[str], str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._scale = scale
        self._reports = reports
        self._adopt = adopt
        self._token = token
        self._sites: dict[Key, Site] = {}
        self._of_pods: dict[str, Site] = {}
        self._dirty: set[Key] = set()
        self._restless: set[Key] = set()
        self._timer: asyncio.TimerHandle | None = None

    # What this gateway has.

    def find(self, key: Key) -> Site | None:
        """The Version, if it is here."""
        return self._sites.get(key)

    def open(
        self, target: Target, version: VersionObject | None, pods: list[Pod], waiting: Iterable[Pod] = ()
    ) -> Site:
        """Have the pods of this target's Version from now on; those that wait in its pool may be claimed for it."""
        key = version_key(target)
        self._scale.forget(key)
        placement = Placement(target.digest, target.keep_alive)
        site = self._sites[key] = Site(key, target, version, placement, Findings(version))
        site.findings.keep(pod.uid for pod in (*pods, *waiting))
        for pod in pods:
            self.see_pod(key, pod)
        for each in site.findings.retired:
            # Useless to a former owner, and about to be deleted.
            self.mark(each.uid, State.LOST)
        self.see_version(key, version)
        return site

    def close(self, key: Key) -> None:
        """Leave the Version and its pods to others."""
        site = self._sites.pop(key, None)
        if site is None:
            return
        self._scale.forget(key)
        self._reports.forget(key)
        for uid in site.placement.placed:
            self._of_pods.pop(uid, None)
        self._give_up(site)

    def change(self, target: Target) -> None:
        """The Version's target is another now."""
        site = self._sites[version_key(target)]
        placement = site.placement
        changed = placement.revision != target.digest
        site.target = target
        placement.revision, placement.keep_alive = target.digest, target.keep_alive
        if changed:
            placement.block(None, self._loop.time())
            self._give_up(site)
        self.touch(site)

    def end(self) -> None:
        """Do nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        for key in tuple(self._sites):
            self.close(key)

    # What is seen.

    def see_version(self, key: Key, version: VersionObject | None) -> None:
        """The Version as it is now."""
        site = self._sites.get(key)
        if site is None or version is None:
            return
        site.version = version
        blocking = troubles.blocking(version)
        trouble = None if blocking is None else Trouble(blocking.reason, blocking.message)
        site.placement.block(trouble, self._loop.time())
        self._scale.see(key, version.spec.instances or 0)
        site.findings.compare(version)
        self.touch(site)

    def see_pod(self, key: Key, pod: Pod) -> None:
        """A pod of the Version as it is now."""
        site = self._sites.get(key)
        if site is not None:
            site.placement.see(pod, self._loop.time())
            site.findings.labelled(pod.uid)
            if pod.uid in site.placement.placed:
                self._of_pods[pod.uid] = site
            self.touch(site)

    def claim(self, site: Site, pod: Pod, revision: str, state: State) -> bool:
        """Have a pod that was claimed from a pool, for this content; False if the Version is left to others by now.

        :meth:`report_claim` is to follow.
        """
        if self._sites.get(site.key) is not site:
            return False
        site.placement.claim(replace(pod, revision=revision), state, self._loop.time())
        self._of_pods[pod.uid] = site
        self.touch(site)
        return True

    def report_claim(self, site: Site, uid: str) -> None:
        """Write down that a pod was claimed, for the operator to make it the Version's, if it is still there."""
        placed = site.placement.placed.get(uid)
        if self._sites.get(site.key) is site and placed is not None:
            site.findings.claim(uid, placed.pod.name, placed.pod.revision)
            self.touch(site)

    def see_claimed(self, pod: Pod) -> None:
        """A pod that still waits in a pool as it is now: it may have been claimed here."""
        site = self._of_pods.get(pod.uid)
        placed = None if site is None else site.placement.placed.get(pod.uid)
        if site is not None and placed is not None:
            site.placement.see(replace(pod, revision=placed.pod.revision), self._loop.time())
            self.touch(site)

    def pod_gone(self, key: Key, uid: str) -> None:
        """The pod is no more."""
        site = self._of_pods.pop(uid, None) or self._sites.get(key)
        if site is not None:
            site.placement.forget(uid)
            site.findings.forget(uid)
            self.touch(site)

    # What the backend does.

    async def pod(self, site: Site, revision: str) -> Pod:
        """A running pod of this content that nobody has, asked for if there is none.

        Raises:
            LambdaError: why there will be none.
            LaunchOverError: there will be none of this content.
        """
        if self._sites.get(site.key) is not site or site.placement.revision != revision:
            raise LaunchOverError
        waiter = Waiter(self._loop.create_future(), self._loop.time())
        site.placement.waiting.append(waiter)
        self.touch(site)
        try:
            return await waiter.pod
        except asyncio.CancelledError:
            if waiter in site.placement.waiting:
                site.placement.waiting.remove(waiter)
                self.touch(site)
            elif waiter.pod.done() and not waiter.pod.cancelled() and waiter.pod.exception() is None:
                self.mark(waiter.pod.result().uid, State.BARE)
            raise

    def mark(self, uid: str, state: State) -> Site | None:
        """Note what became of a pod; returns whose it is, if it is here."""
        site = self._of_pods.get(uid)
        if site is not None:
            site.placement.mark(uid, state, self._loop.time())
            self.touch(site)
        return site

    def placed(self, uid: str) -> bool:
        """Whether the pod is there and has not ended."""
        site = self._of_pods.get(uid)
        return site is not None and uid in site.placement.placed

    def found(self, site: Site, kind: ConditionType, trouble: Trouble | None, revision: str) -> None:
        """Note that a condition holds or, with a trouble, that it does not."""
        site.findings.find(
            kind,
            holds=trouble is None,
            reason=Reason.AVAILABLE if trouble is None else trouble.reason,
            message="" if trouble is None else trouble.message,
            revision=revision,
            generation=0 if site.version is None else site.version.metadata.generation,
            now=datetime.now(UTC),
        )
        self._reports.write(site.key, site.findings)

    def touch(self, site: Site) -> None:
        """Look at the Version in the next turn of the loop."""
        if not self._dirty:
            self._loop.call_soon(self._settle_all)
        self._dirty.add(site.key)

    def settle(self, site: Site) -> None:
        """Look at the Version now."""
        placement, now = site.placement, self._loop.time()
        for waiter, pod in placement.match(now):
            if not waiter.pod.done():
                waiter.pod.set_result(pod)
        hopeless, trouble = placement.hopeless(now)
        for waiter in hopeless:
            if trouble is not None and not waiter.pod.done():
                waiter.pod.set_exception(troubles.error(trouble))
        for pod in placement.to_probe(now):
            self._adopt(site.target, self._instance(pod), partial(self._bare, pod.uid))
        for pod in placement.surplus(now):
            site.findings.retire(pod.uid, pod.name)
        at_first = site.version.spec.instances if site.version is not None else None
        self._scale.want(site.key, placement.wanted(), at_first=at_first or 0)
        self._reports.write(site.key, site.findings)

    # Inner workings.

    def _settle_all(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for key in dirty:
            if (site := self._sites.get(key)) is not None:
                self.settle(site)
                if site.placement.restless:
                    self._restless.add(key)
        if self._timer is None and self._restless:
            self._timer = self._loop.call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        restless, self._restless = self._restless, set()
        for key in restless:
            if (site := self._sites.get(key)) is not None:
                self.touch(site)

    def _bare(self, uid: str) -> None:
        # It may have been asked more than once, and be of use to somebody since the first answer.
        site = self._of_pods.get(uid)
        placed = None if site is None else site.placement.placed.get(uid)
        if placed is not None and placed.state is State.PROBED:
            self.mark(uid, State.BARE)

    def _instance(self, pod: Pod) -> Instance:
        return Instance(id=pod.uid, address=(pod.ip, PORT), token=self._token(pod.uid))

    def _give_up(self, site: Site) -> None:
        waiting = list(site.placement.waiting)
        site.placement.waiting.clear()
        for waiter in waiting:
            if not waiter.pod.done():
                waiter.pod.set_exception(LaunchOverError())
