"""Provisioned concurrency: instances that are there before the first call, and stay."""

import json

from mayfly_gateway.provision import INIT_FAILURE

HOLD = json.dumps({"do": "hold"})


def state(world, version):
    target = world.gateway.catalogue.resolve("default", "hello", version)
    told = world.gateway.provisioning.state(target)
    return None if told is None else (told.status, told.available, told.reason)


def holds(world, instance):
    agent = world.agents.connected.get(instance)
    return agent is not None and agent.held is not None


async def test_they_are_there_before_the_first_call_and_take_it(world):
    world.deploy(version="1", provisioned=2)
    assert state(world, "1") == ("IN_PROGRESS", 0, None)
    await world.until(lambda: state(world, "1") == ("READY", 2, None))
    client = await world.client()
    client.invoke(name="hello:1")
    status, headers, _ = await client.reply()
    assert (status, headers["x-amz-executed-version"]) == (200, "1")
    assert world.agents.initialisations == ["provisioned-concurrency"] * 2


async def test_one_that_dies_is_replaced(world):
    world.deploy(version="1", provisioned=2)
    await world.until(lambda: state(world, "1") == ("READY", 2, None))
    world.agents.connected["i-1"].transport.abort()
    await world.until(lambda: state(world, "1") == ("IN_PROGRESS", 1, None))
    await world.until(lambda: state(world, "1") == ("READY", 2, None))
    assert world.agents.number == 3


async def test_they_outlive_the_keep_alive_and_what_spills_over_does_not(world):
    world.deploy(version="1", provisioned=1, keepAlive=0)
    await world.until(lambda: state(world, "1") == ("READY", 1, None))
    first, second = await world.client(), await world.client()
    first.invoke(HOLD, name="hello:1")
    await world.until(lambda: world.agents.connected["i-1"].held is not None)
    second.invoke(name="hello:1")
    assert (await second.reply())[0] == 200
    assert world.agents.initialisations == ["provisioned-concurrency", "on-demand"]
    world.agents.connected["i-1"].release()
    assert (await first.reply())[0] == 200
    await world.until(lambda: world.agents.destroyed == ["i-2"])
    assert state(world, "1") == ("READY", 1, None)


async def test_calls_take_them_first(world):
    world.deploy(version="1", provisioned=1)
    await world.until(lambda: state(world, "1") == ("READY", 1, None))
    first, second = await world.client(), await world.client()
    for client, instance in ((first, "i-1"), (second, "i-2")):
        client.invoke(HOLD, name="hello:1")
        await world.until(lambda instance=instance: holds(world, instance))
    world.agents.connected["i-1"].release()
    await first.reply()
    world.agents.connected["i-2"].release()
    await second.reply()
    first.invoke(name="hello:1")
    await first.reply()
    assert world.agents.invocations[-1][0] == "i-1"


async def test_a_moved_alias_takes_them_along_and_leaves_none_before_the_others_are_ready(world):
    world.deploy(version="2", digest="2", keepAlive=0)
    world.deploy(version="1", keepAlive=0)
    world.alias("live", "1", None, 0.0, 2)
    await world.until(lambda: state(world, "1") == ("READY", 2, None))
    world.agents.launching.clear()
    world.alias("live", "2", None, 0.0, 2)
    await world.until(lambda: world.agents.number == 4)
    assert state(world, "1") == ("READY", 2, None)
    assert state(world, "2") == ("IN_PROGRESS", 0, None)
    world.agents.launching.set()
    await world.until(lambda: state(world, "2") == ("READY", 2, None))
    await world.until(lambda: sorted(world.agents.destroyed) == ["i-1", "i-2"])
    assert state(world, "1") is None


async def test_a_function_whose_init_fails_says_so_and_is_tried_again(world):
    world.agents.init_error = "Runtime.ImportModuleError"
    world.deploy(version="1", provisioned=1)
    await world.until(lambda: state(world, "1") == ("FAILED", 0, INIT_FAILURE))
    world.agents.init_error = None
    await world.until(lambda: state(world, "1") == ("READY", 1, None))


async def test_what_is_provisioned_is_that_versions_alone(world):
    world.deploy(version="$LATEST", reservedConcurrentExecutions=1)
    world.deploy(version="1", provisioned=1)
    await world.until(lambda: state(world, "1") == ("READY", 1, None))
    client = await world.client()
    client.invoke()
    assert (await client.reply())[0] == 429
    client.invoke(name="hello:1")
    assert (await client.reply())[0] == 200
    world.gateway.catalogue.remove("default", "hello", "1")
    client.invoke()
    assert (await client.reply())[0] == 200


async def test_what_is_provisioned_no_more_ends_like_any_other(world):
    world.deploy(version="1", provisioned=1, keepAlive=0)
    await world.until(lambda: state(world, "1") == ("READY", 1, None))
    world.deploy(version="1", keepAlive=0)
    assert state(world, "1") is None
    await world.until(lambda: world.agents.destroyed == ["i-1"])
    client = await world.client()
    client.invoke(name="hello:1")
    assert (await client.reply())[0] == 200
    assert world.agents.initialisations == ["provisioned-concurrency", "on-demand"]


async def test_a_version_that_is_gone_is_looked_at_no_more(world):
    world.deploy(version="1", provisioned=1)
    await world.until(lambda: state(world, "1") == ("READY", 1, None))
    world.gateway.catalogue.remove("default", "hello", "1")
    await world.until(lambda: not world.gateway.dispatcher._sweep.pools)
    assert not world.gateway.provisioning._told
