"""Gateways come and go, pods die, the API server has troubles: no call is lost or run twice, and nothing is left."""

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.component.kubernetes.api_server import PODS, VERSIONS, ApiServer, api_server
from tests.component.kubernetes.cluster import Kubelet, Operator, Replica, Store
from tests.component.kubernetes.objects import NAMESPACE, version
from tests.component.soak.one_at_a_time import OneAtATime
from tests.component.waiting import until

from mayfly_gateway.peers.ownership import Ownership, Peer
from mayfly_gateway.server import Replicas

FUNCTIONS = [f"f{number}" for number in range(6)]
CALLERS = 12
LENGTH = 8.0
NEWS = 0.15
"""Seconds within which gateways hear of one another; shorter than a gateway takes to leave."""


class Member(Replica):
    """One of several gateways that find each other."""

    def __init__(self, server: ApiServer) -> None:
        self.uid = str(uuid.uuid4())
        self.known = asyncio.Event()
        self.leaving = False
        super().__init__(server, Store(), owners=Ownership(self.uid))

    async def join(self) -> None:
        peers = Replicas(ownership=self.owners, token="between-gateways")
        await self.start(self.known, peers=peers, leave_time=0.4, stop_time=20.0, namespace=NAMESPACE)
        self.peer = Peer(self.uid, ("127.0.0.1", int(self.gateway.url.rpartition(":")[2])))

    async def quit(self) -> None:
        await self.gateway.leave()
        await self.stop()
        self.owners.close()


class World:
    """The cluster, its callers and what happens to them; `wrong` is what callers must not see."""

    def __init__(self, server: ApiServer, seed: int) -> None:
        self.random = random.Random(seed)
        self.loop = asyncio.get_running_loop()
        self.server, self.operator, self.kubelet = server, Operator(server), Kubelet(server)
        self.executed: Counter[int] = Counter()
        self.kubelet.agent = lambda uid, address: OneAtATime(uid, address, self.executed, self.random)
        self.members: list[Member] = []
        self.quitting: set[asyncio.Task[None]] = set()
        self.number = 0
        self.killed = 0
        self.doomed: set[int | None] = set()
        self.lost = 0
        self.wrong: list[str] = []

    def deploy(self, name: str) -> None:
        """A Function's next content, or its first."""
        content = {"keepAlive": self.random.choice([0, 1, 2]), "memorySize": self.random.choice([128, 256])}
        before = self.server.objects[VERSIONS].get((NAMESPACE, f"{name}.latest"), {"spec": {}})
        after = version(name, timeout=5, **content)
        after["spec"]["instances"] = before["spec"].get("instances", 0)
        self.server.put(
            VERSIONS, after | {key: before[key] for key in ("metadata", "status") if key in before}
        )

    async def join(self) -> None:
        member = Member(self.server)
        await member.join()
        self.members.append(member)
        self.tell()

    def tell(self, part: float = 1.0) -> None:
        """Have every gateway hear, sooner or later, of all the others or of a part of them."""
        for member in self.members:
            self.loop.call_later(self.random.uniform(0, NEWS), self.hear, member, part)

    def hear(self, member: Member, part: float) -> None:
        staying = [each.peer for each in self.members if not each.leaving]
        if len(staying) < len(self.members):
            # Who leaves and believes to be alone answers 503: that is so, and callers try again.
            part = 1.0
        member.owners.set_peers([peer for peer in staying if self.random.random() < part])
        member.known.set()

    @staticmethod
    def serves(member: Member) -> bool:
        """Whether a Service would send calls there."""
        return not member.leaving and member.backend.ready()

    # Callers.

    async def call_until(self, end: float) -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            while self.loop.time() < end:
                await self.call(session)
                await asyncio.sleep(self.random.choice([0, 0, 0.02, 0.3]))

    async def call(self, session: aiohttp.ClientSession) -> None:
        self.number += 1
        number = self.number
        member = self.random.choice([each for each in self.members if self.serves(each)])
        url = f"{member.gateway.url}/2015-03-31/functions/{self.random.choice(FUNCTIONS)}/invocations"
        body = json.dumps({"n": number})
        async with session.post(url, data=body) as answer:
            said = (await answer.read()).decode()
        executed = self.executed[number]
        if "Runtime.ExitError" in said and (number in self.doomed or not executed):
            # Nobody can know whether what was sent to an agent as it died was begun.
            self.lost += 1
        elif (answer.status, said) != (200, body) or executed != 1:
            self.wrong.append(f"call {number}: {answer.status} {said[:200]}, executed {executed} times")

    # What happens.

    async def happen_until(self, end: float) -> None:
        events = [
            self.flap, self.suspect, self.kill, self.refuse, self.forget, self.delete, self.replace, self.deploy_one,
            self.pause,
        ]  # fmt: skip
        while self.loop.time() < end:
            await asyncio.sleep(self.random.uniform(0.05, 0.3))
            await self.random.choice(events)()

    async def flap(self) -> None:
        """Gateways disagree for a while about who is there."""
        self.tell(part=0.8)
        self.loop.call_later(0.5, self.tell)

    async def suspect(self) -> None:
        one, other = self.random.choices(self.members, k=2)
        one.owners.suspect(other.peer)

    async def kill(self) -> None:
        """A pod is killed, and its status says so somewhat later."""
        if self.kubelet.agents:
            agent = self.random.choice(list(self.kubelet.agents.values()))
            self.doom(agent)
            self.kubelet.kill(agent)
            self.loop.call_later(self.random.uniform(0, 1), self.end, agent)

    def doom(self, agent: OneAtATime | None) -> None:
        self.killed += 1
        if agent is not None:
            self.doomed.add(agent.running)

    def end(self, agent: OneAtATime) -> None:
        found = [key for key, pod in self.server.objects[PODS].items() if pod["metadata"]["uid"] == agent.uid]
        for key in found:
            self.kubelet.end(key, exit_code=137, reason="Error")

    async def refuse(self) -> None:
        """The API server answers nothing but an error for a while."""
        self.server.refusing = (self.random.choice([500, 429, 403]), "trouble")
        self.loop.call_later(self.random.uniform(0.1, 0.8), setattr, self.server, "refusing", None)

    async def forget(self) -> None:
        """Every watch ends and is too old."""
        self.server.compact()
        self.server.drop_watches()

    async def delete(self) -> None:
        """A pod is deleted and perhaps another of its name created, and no watch tells."""
        if self.server.objects[PODS]:
            key, pod = self.random.choice(list(self.server.objects[PODS].items()))
            self.doom(self.kubelet.agents.get(pod["metadata"]["uid"]))
            self.server.delete_unseen(PODS, key)
            await self.forget()
            await self.kubelet.sync()
            self.operator.reconcile()

    async def replace(self) -> None:
        """A gateway goes as another one comes."""
        if any(each.leaving for each in self.members):
            return
        old = self.random.choice(self.members)
        old.leaving = True
        await self.join()
        quitting = asyncio.create_task(old.quit())
        self.quitting.add(quitting)
        quitting.add_done_callback(lambda _: self.members.remove(old))

    async def deploy_one(self) -> None:
        self.deploy(self.random.choice(FUNCTIONS))

    async def pause(self) -> None:
        """The operator is away for a while."""
        self.operator.paused = True
        self.loop.call_later(self.random.uniform(0.1, 0.6), self.go_on)

    def go_on(self) -> None:
        self.operator.paused = False
        self.operator.reconcile()

    async def calm_down(self) -> None:
        await asyncio.gather(*self.quitting)
        self.server.refusing = None
        self.go_on()
        self.tell()

    # What is left.

    def left(self) -> list[str]:
        """Everything that should be gone once nobody has called for longer than instances are kept."""
        found = [f"pod {name}" for _, name in self.server.objects[PODS]]
        for key, item in self.server.objects[VERSIONS].items():
            owners = sum(each.backend._sites.find(key) is not None for each in self.members)
            if owners != 1 or item["spec"].get("instances", 0):
                found.append(f"{key[1]}: {owners} owners, {item['spec'].get('instances')} instances")
        for member in self.members:
            fleet = member.gateway.dispatcher._fleet
            kept = (fleet._launches, fleet._removals, member.backend._sites._of_pods, member.backend._pods)
            counted = (member.gateway.dispatcher._calls._under_way, member.gateway.forwarder._under_way)
            if any(kept) or any(counted):
                found.append(f"a gateway keeps {[*map(len, kept)]} and counts {counted}")
        return found


@pytest.fixture
async def world(request) -> AsyncIterator[World]:
    async with api_server() as server:
        world = World(server, seed=request.param)
        for name in FUNCTIONS:
            world.deploy(name)
        running = asyncio.create_task(world.kubelet.run())
        for _ in range(3):
            await world.join()
        await until(lambda: all(each.backend.ready() for each in world.members))
        yield world
        for member in world.members:
            await member.stop()
            member.owners.close()
        world.kubelet.stop()
        await running
        for agent in world.kubelet.agents.values():
            agent.die()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("world", [1, 2], indirect=True, ids=str)
async def test_no_call_is_lost_or_run_twice_and_nothing_is_left(world):
    end = world.loop.time() + LENGTH
    await asyncio.gather(world.happen_until(end), *(world.call_until(end) for _ in range(CALLERS)))
    await world.calm_down()
    assert world.wrong == []
    assert world.lost <= world.killed
    assert world.number > 50
    await until(lambda: not world.left(), within=30)
