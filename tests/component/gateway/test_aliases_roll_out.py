"""An alias under a rollout leads a growing share of its calls to the new version, and back if that fails."""

import asyncio
import json
import time
from collections import Counter

import pytest
from tests.component.gateway.conftest import Agents, World

from mayfly_gateway.peers.ownership import Ownership, Peer
from mayfly_gateway.rollout import Alarm, Plan, Progress, Said
from mayfly_gateway.routes import Route
from mayfly_gateway.server import Gateway, Replicas
from mayfly_gateway.settings import Settings
from mayfly_model.rollout import RolloutPhase as Phase

LIVE = ("default", "hello", "live")
HOUR = 3600.0
FAIL = json.dumps({"do": "fail"})


def plan(*, share=0.5, interval=HOUR, linear=False, **alarm):
    watched = {"error_rate": None, "p99": None, "minimum": 1, **alarm}
    return Plan(linear=linear, share=share, interval=interval, alarm=Alarm(**watched) if alarm else None)


def said(wanted=None, *, generation=1, progress=None, uid="u"):
    return Said(plan=wanted, generation=generation, progress=progress, source="hello.live", uid=uid)


def publish(world, *versions):
    for version in versions:
        world.deploy(digest=f"digest-{version}", version=version)


def moved(world, wanted, **more):
    """The alias leads to version 1 and is moved to version 2."""
    publish(world, "1", "2")
    world.alias("live", "1", said=said(wanted))
    world.alias("live", "2", said=said(wanted, generation=2, **more))


def leads(world):
    return world.gateway.catalogue.leads(*LIVE)


def progress(world):
    return world.gateway.rollouts.progress(LIVE)


async def call(client, payload="{}", name="hello:live"):
    client.invoke(payload, name=name)
    status, headers, _ = await client.reply()
    return status, headers.get("x-amz-executed-version")


async def test_a_moved_alias_leads_a_share_to_the_new_version(world):
    moved(world, plan(share=0.3))
    assert leads(world) == Route("1", "2", 0.3)
    client = await world.client()
    seen = Counter([(await call(client))[1] for _ in range(200)])
    assert seen.keys() == {"1", "2"}
    assert 20 <= seen["2"] <= 110


async def test_a_rollout_completes_by_time_alone(world):
    moved(world, plan(share=0.4, interval=0.05, linear=True))
    seen = [leads(world)]

    def done():
        if leads(world) != seen[-1]:
            seen.append(leads(world))
        return progress(world).phase is Phase.COMPLETED

    await world.until(done)
    assert seen == [Route("1", "2", 0.4), Route("1", "2", 0.8), Route("2")]


async def test_a_version_that_fails_is_left_at_once(world):
    moved(world, plan(error_rate=0.1, minimum=5))
    client = await world.client()
    while leads(world) != Route("1"):
        await call(client, FAIL)
    assert progress(world).phase is Phase.ROLLED_BACK
    assert progress(world).message == "5 of 5 invocations failed; allowed: 10 %."
    assert {await call(client) for _ in range(20)} == {(200, "1")}


async def test_the_same_is_not_tried_again_and_something_new_is(world):
    wanted = plan(error_rate=0.1)
    moved(world, wanted)
    client = await world.client()
    while leads(world) != Route("1"):
        await call(client, FAIL)
    world.alias("live", "2", said=said(wanted, generation=2))
    assert leads(world) == Route("1")
    world.alias("live", "2", said=said(wanted, generation=3))
    assert leads(world) == Route("1", "2", 0.5)


async def test_a_version_that_became_slow_is_left(world):
    moved(world, plan(p99=0.02))
    client = await world.client()
    while leads(world) != Route("1"):
        client.invoke(json.dumps({"do": "hold"}), name="hello:live")
        await world.until(lambda: any(agent.held for agent in world.agents.connected.values()))
        await asyncio.sleep(0.03)
        next(agent for agent in world.agents.connected.values() if agent.held).release()
        assert (await client.reply())[0] == 200
    assert progress(world).message.endswith("took longer than 20 ms; allowed: one in a hundred.")


async def test_only_calls_of_the_new_version_by_the_alias_are_looked_at(world):
    moved(world, plan(share=0.01, error_rate=0.0))
    client = await world.client()
    for name in ("hello:1", "hello:2", "hello"):
        for _ in range(5):
            await call(client, FAIL, name)
    assert progress(world).under_way
    assert world.gateway.dispatcher._calls.watching.versions.keys() == {("default", "hello", "2")}


async def test_who_is_throttled_says_nothing_of_the_version(world):
    moved(world, plan(share=0.99, error_rate=0.0))
    world.deploy(reservedConcurrentExecutions=0)
    client = await world.client()
    assert {await call(client) for _ in range(10)} == {(429, None)}
    assert progress(world).under_way


async def test_an_instance_that_dies_counts_as_failed(world):
    moved(world, plan(share=0.99, error_rate=0.0))
    client = await world.client()
    while leads(world) != Route("1"):
        await call(client, json.dumps({"do": "die"}))
    assert progress(world).message == "1 of 1 invocations failed; allowed: 0 %."


async def test_nothing_is_counted_once_a_rollout_has_ended(world):
    moved(world, plan(interval=0.02, error_rate=0.5))
    await world.until(lambda: progress(world).phase is Phase.COMPLETED)
    assert not world.gateway.dispatcher._calls.watching.versions
    client = await world.client()
    for _ in range(5):
        assert await call(client, FAIL) == (200, "2")
    assert leads(world) == Route("2")


async def test_the_way_back_by_hand_is_at_once(world):
    moved(world, plan(error_rate=0.1))
    world.alias("live", "1", said=said(plan(), generation=3))
    assert leads(world) == Route("1")
    assert progress(world) is None
    assert not world.gateway.dispatcher._calls.watching.versions


async def test_without_its_rollout_the_alias_goes_where_it_says(world):
    moved(world, plan())
    world.alias("live", "2", said=said(None, generation=3))
    assert leads(world) == Route("2")


async def test_a_deleted_alias_is_forgotten(world):
    moved(world, plan(interval=0.02, error_rate=0.1))
    world.gateway.catalogue.route(*LIVE, None)
    assert (leads(world), progress(world)) == (None, None)
    assert not world.gateway.dispatcher._calls.watching.versions
    world.alias("live", "2", said=said(plan()))
    assert leads(world) == Route("2")


async def test_a_new_alias_goes_where_it_says(world):
    publish(world, "1")
    world.alias("live", "1", said=said(plan()))
    assert leads(world) == Route("1")


async def test_an_alias_of_latest_goes_where_it_says(world):
    publish(world, "1")
    world.alias("live", "$LATEST", said=said())
    world.alias("live", "1", said=said(plan(), generation=2))
    assert leads(world) == Route("1")


async def test_a_version_that_comes_later_is_rolled_out_all_the_same(world):
    publish(world, "1")
    world.alias("live", "1", said=said(plan()))
    world.alias("live", "2", said=said(plan(), generation=2))
    assert leads(world) == Route("1")
    publish(world, "2")
    assert leads(world) == Route("1")
    await world.until(lambda: leads(world) == Route("1", "2", 0.5))


async def test_a_version_that_goes_leaves_the_calls_to_the_old_one(world):
    moved(world, plan())
    world.gateway.catalogue.remove("default", "hello", "2")
    assert leads(world) == Route("1")
    client = await world.client()
    assert await call(client) == (200, "1")


async def test_what_was_written_down_goes_on(world):
    """As for a gateway that has just started: it knows no more than what the object says."""
    publish(world, "1", "2")
    begun = Progress(
        generation=2,
        origin="1",
        goal="2",
        weight=0.6,
        step=2,
        started_at=time.time() - 50,
        stepped_at=time.time() - 5,
    )
    world.gateway.catalogue.route(
        *LIVE,
        Route("2"),
        last=Route("1"),
        said=said(plan(share=0.3, interval=0.2, linear=True), generation=2, progress=begun),
    )
    assert leads(world) == Route("1", "2", 0.6)
    await world.until(lambda: leads(world) == Route("1", "2", 0.9))
    await world.until(lambda: leads(world) == Route("2"))


class Written:
    """Keeps what is written down, and tells every gateway of it, as watches do."""

    def __init__(self):
        self.worlds = []
        self.wanted = None
        self.progress = None
        self.route = Route("1")
        self.generation = 1

    def write(self, key, said_, progress):
        if self.progress != progress:
            self.progress = progress
            asyncio.get_running_loop().call_soon(self.tell)

    def move(self, version):
        self.generation += 1
        self.route = Route(version)
        self.tell()

    def tell(self):
        for world in self.worlds:
            heard = said(self.wanted, generation=self.generation, progress=self.progress)
            world.gateway.catalogue.route(*LIVE, self.route, said=heard)


@pytest.fixture
async def pair(tmp_path_factory):
    """Two gateways that know each other, the owner of the function first, and what is written down."""
    written, found = Written(), []
    for uid in ("one", "two"):
        agents, ownership = Agents(tmp_path_factory.mktemp("s")), Ownership(uid)
        gateway = Gateway(Settings(port=0, account_limit=20, stop_time=0.2, launch_time=0.5))
        await gateway.start(
            agents, replicas=Replicas(ownership=ownership, token="word"), on_rollout=written.write
        )
        world = World(gateway, agents)
        world.ownership = ownership
        world.peer = Peer(uid, ("127.0.0.1", int(gateway.url.rpartition(":")[2])))
        found.append(world)
    for world in found:
        world.ownership.set_peers([each.peer for each in found])
        world.deploy()
        publish(world, "1", "2")
    found.sort(key=lambda world: not world.ownership.owns(("default", "hello")))
    written.worlds = found
    yield *found, written
    for world in found:
        await world.end()
        world.ownership.close()


def begin(written, wanted):
    written.wanted = wanted
    written.tell()
    written.move("2")


async def test_the_owner_makes_the_steps_and_the_others_follow(pair):
    owner, other, written = pair
    begin(written, plan(share=0.4, interval=0.05, linear=True))
    await owner.until(lambda: written.progress is not None and written.progress.phase is Phase.COMPLETED)
    await owner.until(lambda: leads(owner) == leads(other) == Route("2"))
    assert written.progress.step == 3


async def test_calls_count_wherever_they_come_in(pair):
    owner, other, written = pair
    begin(written, plan(error_rate=0.1, minimum=5))
    client = await other.client()
    while leads(owner) != Route("1"):
        await call(client, FAIL)
    await owner.until(lambda: written.progress.phase is Phase.ROLLED_BACK)
    await owner.until(lambda: leads(other) == Route("1"))
    assert other.agents.number == 0


async def test_the_next_owner_goes_on_where_the_last_one_was(pair):
    owner, other, written = pair
    begin(written, plan(share=0.3, interval=0.4, linear=True))
    await owner.until(lambda: leads(other) == Route("1", "2", 0.6))
    began = written.progress.started_at
    written.worlds = [other]
    await owner.gateway.stop()
    other.ownership.set_peers([other.peer])
    assert leads(other) == Route("1", "2", 0.6)
    client = await other.client()
    assert (await call(client))[0] == 200
    await other.until(lambda: written.progress.phase is Phase.COMPLETED)
    assert (written.progress.started_at, written.progress.step) == (began, 4)


async def test_a_function_that_goes_back_and_forth_is_rolled_out_once(pair):
    owner, other, written = pair
    begin(written, plan(share=0.2, interval=0.3, linear=True))
    for _ in range(20):
        other.ownership.set_peers([other.peer])
        await asyncio.sleep(0.01)
        other.ownership.set_peers([owner.peer, other.peer])
        await asyncio.sleep(0.01)
    await owner.until(lambda: written.progress.phase is Phase.COMPLETED)
    await owner.until(lambda: leads(owner) == leads(other) == Route("2"))
    assert written.progress.step == 5


async def test_a_move_that_no_owner_saw_is_rolled_out_by_the_next(pair):
    owner, other, written = pair
    written.wanted = plan()
    written.tell()
    written.worlds = [other]
    written.move("2")
    assert leads(other) == Route("1")
    await owner.gateway.stop()
    other.ownership.set_peers([other.peer])
    assert leads(other) == Route("1", "2", 0.5)
