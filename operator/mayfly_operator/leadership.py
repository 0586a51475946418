"""Which replica is the active one: who holds the Lease.

Rule: the election is the library's; this is the Lease it writes to. A lease that ran out by this process's own clock
forbids every write, whatever the election has noticed by then (a process that was stopped notices late).
"""

import asyncio
import json
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.baselock import BaseLock

from mayfly_operator.apply import Cluster, RefusedByServerError, UnavailableError
from mayfly_operator.settings import Settings

_log = logging.getLogger(__name__)
_NOBODY: Final = ""


async def _nothing() -> None:
    """Its end is seen by who runs it."""


def _failure(reason: str, code: int | None = None) -> ApiException:
    """What went wrong, in the only form that the library reads."""
    return ApiException(reason=reason, body=json.dumps({"code": code}))


class Leadership(BaseLock):
    """The Lease, for the library's election, and what it says of this process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.lease, settings.namespace, settings.identity)
        self._settings = settings
        self._lease: dict[str, Any] = {}
        self._renewed: float | None = None
        self.tried = -1.0
        """When the Lease was looked at last, by the event loop's clock."""
        self.answered = -1.0
        """When the API server said something about it."""
        self.leading = asyncio.Event()

    def may_write(self) -> bool:
        """Whether nobody else can be leading yet."""
        if self._renewed is None:
            return False
        return asyncio.get_running_loop().time() - self._renewed < self._settings.lease_duration

    async def run(self, cluster: Cluster) -> None:
        """Take part in the election until the lease is lost; `leading` is set when it is won."""
        self._cluster = cluster

        async def lead() -> None:
            self.leading.set()

        config = Config(
            self,
            lease_duration=self._settings.lease_duration,
            renew_deadline=self._settings.renew_deadline,
            retry_period=self._settings.retry_period,
            onstarted_leading=lead,
            onstopped_leading=_nothing,
        )
        await LeaderElection(config).run()
        _log.error("the lease %s/%s is lost", self.namespace, self.name)

    async def release(self) -> None:
        """Let another replica lead at once, if this one leads."""
        if not self.may_write():
            return
        self._renewed = None
        spec = self._lease["spec"] | {"holderIdentity": _NOBODY, "leaseDurationSeconds": 1}
        try:
            await asyncio.wait_for(self._write({**self._lease, "spec": spec}), timeout=3.0)
        except (RefusedByServerError, UnavailableError, TimeoutError) as error:
            _log.warning("the lease is not released: %s", error)

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """For the library: the record, or what went wrong."""
        self.tried = asyncio.get_running_loop().time()
        try:
            lease = await self._bounded(self._cluster.get("leases", (namespace, name)))
        except (RefusedByServerError, UnavailableError, TimeoutError) as error:
            return False, _failure(str(error) or "no answer in time")
        self.answered = asyncio.get_running_loop().time()
        if lease is None:
            return False, _failure("there is none", HTTPStatus.NOT_FOUND)
        self._lease = dict(lease)
        spec = lease.get("spec") or {}
        return True, LeaderElectionRecord(
            spec.get("holderIdentity") or None,
            str(spec.get("leaseDurationSeconds")),
            spec.get("acquireTime"),
            spec.get("renewTime"),
        )

    async def create(self, name: str, namespace: str, election_record: object) -> bool:  # noqa: ARG002
        """For the library: whether the Lease was created, and so won."""
        self._lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"namespace": namespace, "name": name},
        }
        return await self._hold(new=True)

    async def update(self, name: str, namespace: str, updated_record: object) -> bool:  # noqa: ARG002
        """For the library: whether the Lease is this process's now."""
        return await self._hold(new=False)

    async def _hold(self, *, new: bool) -> bool:
        started = asyncio.get_running_loop().time()
        try:
            await self._bounded(self._write({**self._lease, "spec": self._spec()}, new=new))
        except (RefusedByServerError, UnavailableError, TimeoutError) as error:
            _log.warning("the lease %s/%s is not written: %s", self.namespace, self.name, error)
            return False
        # The lease may run from when it was sent, for the others cannot have seen it earlier.
        self._renewed = started
        return True

    def _spec(self) -> dict[str, Any]:
        before = self._lease.get("spec") or {}
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        stays = before.get("holderIdentity") == self.identity
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": round(self._settings.lease_duration),
            "acquireTime": before["acquireTime"] if stays and before.get("acquireTime") else now,
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (0 if stays else 1),
        }

    async def _write(self, lease: dict[str, Any], *, new: bool = False) -> None:
        key = self.namespace, self.name
        self._lease = dict(await self._cluster.replace_lease(key, lease, new=new))

    async def _bounded(self, request: Any) -> Any:
        return await asyncio.wait_for(request, timeout=self._settings.renew_deadline / 2)
