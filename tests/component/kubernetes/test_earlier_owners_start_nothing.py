"""What an earlier owner of a function with reserved concurrency sends late finds no instance that begins it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.component.kubernetes.api_server import VERSIONS
from tests.component.kubernetes.cluster import Replica, Store, instances
from tests.component.kubernetes.objects import HELLO, NAMESPACE, version
from tests.component.nats_server import NatsServer
from tests.component.waiting import until

from mayfly_gateway.nats_connection import NatsConnection
from mayfly_gateway.peers.leases import Leases
from mayfly_gateway.peers.ownership import Ownership, Peer
from mayfly_gateway.server import Replicas


class Member:
    """A gateway that counts exactly."""

    def __init__(self, cluster, uid: str, url: str) -> None:
        self.connection = NatsConnection(url)
        self.leases = Leases(self.connection, pod=uid, boot="1")
        self.ownership = Ownership(uid)
        self.replica = Replica(cluster.server, Store(), None, self.ownership)
        self.uid = uid

    async def start(self) -> None:
        self.connection.start()
        await until(self.connected)
        self.leases.start()
        peers = Replicas(ownership=self.ownership, token="between-gateways", leases=self.leases)
        await self.replica.start(peers=peers)
        self.peer = Peer(self.uid, ("127.0.0.1", int(self.replica.gateway.url.rpartition(":")[2])))

    def connected(self) -> bool:
        with contextlib.suppress(ConnectionError):
            return bool(self.connection.jetstream(timeout=1))
        return False

    async def stop(self) -> None:
        await self.replica.stop()
        await self.connection.close()
        self.ownership.close()


@pytest.fixture
async def members(cluster, tmp_path) -> AsyncIterator[list[Member]]:
    cluster.server.put(VERSIONS, version(reservedConcurrentExecutions=2))
    server = NatsServer(tmp_path)
    await server.start()
    both = [Member(cluster, uid, server.url) for uid in ("one", "two")]
    for member in both:
        await member.start()
    for member in both:
        member.ownership.set_peers([both[0].peer])
    await until(lambda: all(member.replica.backend.ready() for member in both))
    yield both
    for member in both:
        await member.stop()
    await server.kill()


async def test_every_instance_hears_of_a_new_owner_before_it_counts_the_first_call(cluster, members):
    one, two = members
    agents = cluster.kubelet.agents
    calls = [asyncio.create_task(one.replica.invoke('{"do": "hold"}')) for _ in range(2)]
    await until(lambda: sum(bool(agent.held) for agent in agents.values()) == 2)
    for agent in agents.values():
        agent.release()
    assert [(await call)[0] for call in calls] == [200, 200]
    first = one.leases.epoch((NAMESPACE, "hello"))
    assert {agent.epoch for agent in agents.values()} == {first}
    for member in members:
        member.ownership.set_peers([two.peer])
    await until(lambda: instances(two.replica) == 2)
    assert {agent.epoch for agent in agents.values()} == {first}
    assert (await two.replica.invoke())[0] == 200
    second = two.leases.epoch((NAMESPACE, "hello"))
    assert second > first
    assert {agent.epoch for agent in agents.values()} == {second}
    assert cluster.server.objects[VERSIONS][HELLO]["spec"]["instances"] == 2
