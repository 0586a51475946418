"""An alias under a rollout leads a growing share of its calls to the new version, and back if that fails."""

import asyncio
import itertools
import json
import time
from collections import Counter

from tests.component.gateway.rollouts import ALIAS, FAIL, LIVE, leads, plan, said

from mayfly_gateway.rollout import Progress
from mayfly_gateway.routes import Route
from mayfly_model.rollout import RolloutPhase as Phase


def moved(world, wanted, **more):
    """The alias leads to version 1 and is moved to version 2."""
    world.publish("1", "2")
    world.alias("live", "1", said=said(wanted))
    world.alias("live", "2", said=said(wanted, generation=2, **more))


def progress(world):
    return world.gateway.rollouts.progress(LIVE)


def steps(world):
    """Where the alias led, one after the other, as it was told to be written down."""
    return [each for each, _ in itertools.groupby(progress.leads for _, _, progress in world.rollouts)]


async def test_a_moved_alias_leads_a_share_to_the_new_version(world):
    moved(world, plan(share=0.3))
    assert leads(world) == Route("1", "2", 0.3)
    client = await world.client()
    seen = Counter([(await client.call(ALIAS))[1] for _ in range(200)])
    assert seen.keys() == {"1", "2"}
    assert 20 <= seen["2"] <= 110


async def test_a_rollout_completes_by_time_alone(world):
    moved(world, plan(share=0.4, interval=0.05, linear=True))
    assert leads(world) == Route("1", "2", 0.4)
    await world.until(lambda: leads(world) == Route("2"))
    assert steps(world) == [Route("1", "2", 0.4), Route("1", "2", 0.8), Route("2")]
    assert progress(world).phase is Phase.COMPLETED


async def test_a_version_that_fails_is_left_at_once(world):
    moved(world, plan(error_rate=0.1, minimum=5))
    client = await world.client()
    while leads(world) != Route("1"):
        await client.call(ALIAS, FAIL)
    assert progress(world).phase is Phase.ROLLED_BACK
    assert progress(world).message == "5 of 5 invocations failed; allowed: 10 %."
    assert {await client.call(ALIAS) for _ in range(20)} == {(200, "1")}


async def test_the_same_is_not_tried_again_and_something_new_is(world):
    wanted = plan(error_rate=0.1)
    moved(world, wanted)
    client = await world.client()
    while leads(world) != Route("1"):
        await client.call(ALIAS, FAIL)
    world.alias("live", "2", said=said(wanted, generation=2))
    assert leads(world) == Route("1")
    world.alias("live", "2", said=said(wanted, generation=3))
    assert leads(world) == Route("1", "2", 0.5)


async def test_a_version_that_became_slow_is_left(world):
    moved(world, plan(p99=0.02))
    client = await world.client()
    while leads(world) != Route("1"):
        client.invoke(json.dumps({"do": "hold"}), name=ALIAS)
        await world.until(lambda: world.agents.holding)
        # The call itself, which takes longer than it may.
        await asyncio.sleep(0.03)
        world.agents.holding[0].release()
        assert (await client.reply())[0] == 200
    assert progress(world).message.endswith("took longer than 20 ms; allowed: one in a hundred.")


async def test_only_calls_of_the_new_version_by_the_alias_are_looked_at(world):
    moved(world, plan(share=0.01, error_rate=0.0))
    client = await world.client()
    for name in ("hello:1", "hello:2", "hello"):
        for _ in range(5):
            await client.call(name, FAIL)
    assert progress(world).under_way
    assert world.gateway.dispatcher._calls.watching.versions.keys() == {("default", "hello", "2")}


async def test_who_is_throttled_says_nothing_of_the_version(world):
    moved(world, plan(share=0.99, error_rate=0.0))
    world.deploy(reservedConcurrentExecutions=0)
    client = await world.client()
    assert {await client.call(ALIAS) for _ in range(10)} == {(429, None)}
    assert progress(world).under_way


async def test_an_instance_that_dies_counts_as_failed(world):
    moved(world, plan(share=0.99, error_rate=0.0))
    client = await world.client()
    while leads(world) != Route("1"):
        await client.call(ALIAS, json.dumps({"do": "die"}))
    assert progress(world).message == "1 of 1 invocations failed; allowed: 0 %."


async def test_nothing_is_counted_once_a_rollout_has_ended(world):
    moved(world, plan(interval=0.02, error_rate=0.5))
    await world.until(lambda: progress(world).phase is Phase.COMPLETED)
    assert not world.gateway.dispatcher._calls.watching.versions
    client = await world.client()
    for _ in range(5):
        assert await client.call(ALIAS, FAIL) == (200, "2")
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
    world.publish("1")
    world.alias("live", "1", said=said(plan()))
    assert leads(world) == Route("1")


async def test_an_alias_of_latest_goes_where_it_says(world):
    world.publish("1")
    world.alias("live", "$LATEST", said=said())
    world.alias("live", "1", said=said(plan(), generation=2))
    assert leads(world) == Route("1")


async def test_a_version_that_comes_later_is_rolled_out_all_the_same(world):
    world.publish("1")
    world.alias("live", "1", said=said(plan()))
    world.alias("live", "2", said=said(plan(), generation=2))
    assert leads(world) == Route("1")
    world.publish("2")
    assert leads(world) == Route("1")
    await world.until(lambda: leads(world) == Route("1", "2", 0.5))


async def test_a_version_that_goes_leaves_the_calls_to_the_old_one(world):
    moved(world, plan())
    world.gateway.catalogue.remove("default", "hello", "2")
    assert leads(world) == Route("1")
    client = await world.client()
    assert await client.call(ALIAS) == (200, "1")


async def test_what_was_written_down_goes_on(world):
    """As for a gateway that has just started: it knows no more than what the object says."""
    world.publish("1", "2")
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
    await world.until(lambda: leads(world) == Route("2"))
    assert steps(world) == [Route("1", "2", 0.9), Route("2")]
