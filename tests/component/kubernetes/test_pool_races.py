"""Claims against whatever else happens to a pool: no claimed pod dies, no pool freezes, no pod stays that is nobody's.

The gateway and what the operator decides are their own; the API server and the agents are stand-ins. Pauses of a random
length put the one before the other, or the other before the one.
"""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from tests.component.kubernetes.api_server import PODS, VERSIONS, api_server
from tests.component.kubernetes.cluster import Kubelet, Replica, Store
from tests.component.kubernetes.objects import NAMESPACE, version
from tests.component.kubernetes.real_operator import RealOperator
from tests.component.waiting import until

from mayfly_model.labels import POOL_LABEL, VERSION_LABEL

pytestmark = pytest.mark.timeout(300)
ROUNDS = 500
SIZE = 3
AT_MOST = 0.012
"""Seconds from a call until something comes in its way; a claim takes a few milliseconds."""
RESTART = 0.05
"""Seconds that an operator takes to end and to start anew here, and a little more."""


class World:
    """A cluster, the operator that leads in it, and the gateway that owns its functions."""

    def __init__(self, server) -> None:
        self.server = server
        self.kubelet = Kubelet(server)
        self.store = Store()
        self.random = random.Random(7)
        self.image = 1
        server.on_change = lambda path, key: asyncio.get_running_loop().call_soon(self.collect_garbage)

    async def operate(self) -> None:
        self.operator = RealOperator(self.server, image=f"python:{self.image}", size=SIZE, max_size=SIZE)
        await self.operator.start()

    async def restart(self) -> None:
        await self.operator.stop()
        await self.operate()

    async def serve(self) -> None:
        self.gateway = Replica(self.server, self.store, fetch=None)
        await self.gateway.start(doubt=0.05, stop_time=0.0)
        await until(lambda: self.gateway.backend.ready())

    def pods(self, label: str) -> dict[str, dict]:
        """The pods with this label, by uid."""
        pods = self.server.objects[PODS].values()
        return {each["metadata"]["uid"]: each for each in pods if label in each["metadata"]["labels"]}

    @property
    def waiting(self) -> list:
        """The agents in the pool's pods."""
        pods = self.pods(POOL_LABEL)
        return [agent for uid, agent in self.kubelet.agents.items() if uid in pods]

    def unlabelled(self) -> list:
        """The agents that are some function's, and whose pods do not say so yet."""
        return [agent for agent in self.waiting if agent.specialised is not None]

    async def create(self, name: str) -> None:
        self.server.put(VERSIONS, version(name))
        await self.gateway.serves(name)

    def delete(self, name: str) -> None:
        """A Version; the garbage collector then deletes the pods that are its."""
        self.server.delete(VERSIONS, (NAMESPACE, f"{name}.latest"))
        for events in self.server.events.values():
            del events[:-300]

    def collect_garbage(self) -> None:
        """Delete what is owned by a Version that is gone, be it since long ago."""
        there = {each["metadata"]["uid"] for each in self.server.objects[VERSIONS].values()}
        for key, pod in tuple(self.server.objects[PODS].items()):
            owners = {each["uid"] for each in pod["metadata"].get("ownerReferences", [])}
            if owners and not owners & there:
                self.server.delete(PODS, key)

    async def some_time(self, at_most: float = AT_MOST) -> None:
        await asyncio.sleep(self.random.uniform(0, at_most))

    def expire_some(self) -> None:
        for agent in self.waiting:
            if self.random.random() < 0.6:
                agent.expire()

    def died_at_work(self) -> list[str]:
        """Pods that the operator deleted while they were some function's."""
        bodies = [item["metadata"]["uid"] for path, item in self.server.deleted if path == PODS]
        claimed = [self.seen[uid] for uid in bodies if uid in self.seen]
        return [agent.uid for agent in claimed if agent.specialised is not None and not agent.closed]

    def watch_agents(self) -> None:
        """Remember every agent, for those that have ended are forgotten."""
        self.seen = {}
        self.kubelet.script = lambda agent: self.seen.setdefault(agent.uid, agent)

    async def settled(self) -> None:
        """The pool is full, and every other pod is gone."""

        def calm() -> bool:
            agents = [self.kubelet.agents.get(uid) for uid in self.pods(POOL_LABEL)]
            bare = [agent for agent in agents if agent is not None and agent.specialised is None]
            return len(bare) == len(agents) == SIZE and not self.pods(VERSION_LABEL)

        await until(calm, within=20)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with api_server() as server:
        made = World(server)
        made.watch_agents()
        running = asyncio.create_task(made.kubelet.run())
        await made.operate()
        await made.serve()
        await made.create("first")
        await made.gateway.invoke(name="first")
        await until(lambda: len(made.waiting) == SIZE)
        made.delete("first")
        yield made
        await made.gateway.stop()
        await made.operator.stop()
        made.kubelet.stop()
        await running
        for agent in made.kubelet.agents.values():
            agent.die()


async def answered(world: World, name: str, n: int) -> None:
    status, _, body = await world.gateway.invoke(f'{{"n": {n}}}', name=name)
    assert (status, body) == (200, {"n": n})


async def test_claims_while_pods_that_wait_come_to_their_end(world):
    for n in range(ROUNDS):
        await world.create(f"f{n}")
        call = asyncio.create_task(answered(world, f"f{n}", n))
        await world.some_time()
        world.expire_some()
        await call
        world.delete(f"f{n}")
    await world.settled()
    assert world.died_at_work() == []


async def test_claims_while_the_operator_is_restarted_and_the_template_changes(world):
    for n in range(ROUNDS):
        await world.create(f"f{n}")
        world.image = n % 2
        restart = asyncio.create_task(world.restart())
        await world.some_time(RESTART)
        await answered(world, f"f{n}", n)
        await restart
        world.expire_some()
        world.delete(f"f{n}")
    for agent in world.waiting:
        agent.expire()
    await world.settled()
    assert world.died_at_work() == []


async def test_claims_while_the_version_is_deleted(world):
    for n in range(ROUNDS):
        await world.create(f"f{n}")
        call = asyncio.create_task(world.gateway.invoke(name=f"f{n}"))
        await world.some_time()
        world.delete(f"f{n}")
        status, headers, _ = await call
        assert status in (200, 404, 502, 503), headers
    await world.settled()
    assert world.died_at_work() == []


async def test_claims_while_gateways_die(world):
    for n in range(ROUNDS // 10):
        names = [f"f{n}-{each}" for each in range(10)]
        for name in names:
            await world.create(name)
        calls = [asyncio.create_task(world.gateway.invoke(name=name)) for name in names]
        await world.some_time()
        await world.gateway.stop()
        await asyncio.gather(*calls, return_exceptions=True)
        await world.serve()
        for name in names:
            await world.gateway.serves(name)
        await answered(world, names[0], n)
        await until(lambda: not world.unlabelled())
        for name in names:
            world.delete(name)
    await world.settled()
    assert world.died_at_work() == []
