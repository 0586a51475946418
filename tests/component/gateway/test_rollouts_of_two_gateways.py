"""A rollout has one owner at a time, and goes on where that one was when another gateway takes over."""

import asyncio

import pytest
from tests.component.gateway.replicas import two
from tests.component.gateway.rollouts import ALIAS, FAIL, LIVE, leads, plan, said

from mayfly_gateway.routes import Route
from mayfly_model.rollout import RolloutPhase as Phase


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
    """Two gateways, the owner of the function first, and what is written down."""
    written = Written()
    async with two(tmp_path_factory, on_rollout=written.write, account_limit=20) as found:
        for replica in found.both:
            replica.deploy()
            replica.publish("1", "2")
        written.worlds = [found.owner, found.other]
        yield found.owner, found.other, written


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
        await client.call(ALIAS, FAIL)
    await owner.until(lambda: written.progress.phase is Phase.ROLLED_BACK)
    await owner.until(lambda: leads(other) == Route("1"))
    assert other.agents.number == 0


async def test_the_next_owner_goes_on_where_the_last_one_was(pair):
    owner, other, written = pair
    begin(written, plan(share=0.3, interval=0.6, linear=True))
    await owner.until(lambda: written.progress.step >= 2)
    began = written.progress.started_at
    written.worlds = [other]
    await owner.gateway.stop()
    # It may have made one more step until it had stopped.
    last = written.progress
    other.ownership.set_peers([other.peer])
    assert leads(other) == last.leads
    assert last.weight in (0.6, 0.9)
    client = await other.client()
    assert (await client.call(ALIAS))[0] == 200
    await other.until(lambda: written.progress.phase is Phase.COMPLETED)
    assert (written.progress.started_at, written.progress.step) == (began, 4)


async def test_a_function_that_goes_back_and_forth_is_rolled_out_once(pair):
    owner, other, written = pair
    begin(written, plan(share=0.2, interval=0.3, linear=True))
    for _ in range(20):
        # As quickly as two gateways may come to see it, and no more quickly.
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
