"""Two gateways that know each other, as replicas in a cluster do."""

import contextlib
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

from tests.component.gateway.conftest import Agents, World

from mayfly_gateway.peers.ownership import Ownership, Peer
from mayfly_gateway.server import Gateway, Replicas
from mayfly_gateway.settings import Settings

HELLO = ("default", "hello")
TOKEN = "known-to-gateways"


class Replica(World):
    """One of two gateways. `leases` are its own, where it has any."""

    def __init__(self, gateway, agents, ownership, *, uid, leases=None) -> None:
        super().__init__(gateway, agents)
        self.uid, self.ownership, self.leases = uid, ownership, leases

    @property
    def peer(self) -> Peer:
        return Peer(self.uid, ("127.0.0.1", int(self.gateway.url.rpartition(":")[2])))


@contextlib.asynccontextmanager
async def two(
    folders, *, leases=None, on_rollout=None, on_scaled=None, clock=time.time, **settings
) -> AsyncIterator[SimpleNamespace]:
    """`both` gateways, without any function: `owner` is the one that would own hello, `other` is not.

    `leases(uid)` makes the leases of one.
    """
    settings = {"port": 0, "stop_time": 0.2, "launch_time": 0.5, "leave_time": 0.05, **settings}
    both: list[Replica] = []
    try:
        for uid in ("one", "two"):
            agents, ownership = Agents(folders.mktemp("s")), Ownership(uid)
            gateway = Gateway(Settings(**settings))
            its_leases = None if leases is None else await leases(uid)
            replicas = Replicas(ownership=ownership, token=TOKEN, leases=its_leases)
            await gateway.start(
                agents, replicas=replicas, on_rollout=on_rollout, on_scaled=on_scaled, clock=clock
            )
            both.append(Replica(gateway, agents, ownership, uid=uid, leases=its_leases))
        for replica in both:
            replica.ownership.set_peers([each.peer for each in both])
        owner, other = sorted(both, key=lambda replica: not replica.ownership.owns(HELLO))
        yield SimpleNamespace(owner=owner, other=other, both=both)
    finally:
        for replica in both:
            await replica.end()
            replica.ownership.close()
