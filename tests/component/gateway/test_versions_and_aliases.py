"""Calls by number and by alias reach instances of that version and of no other."""

import asyncio
import json

HOLD = json.dumps({"do": "hold"})


async def test_each_version_has_instances_of_its_own(world):
    world.publish("1", "2")
    client = await world.client()
    for version in ("1", "2", "$LATEST", "1", "2"):
        assert await client.call(f"hello:{version}") == (200, version)
    assert [instance for instance, _, _ in world.agents.invocations] == ["i-1", "i-2", "i-3", "i-1", "i-2"]


async def test_the_arn_keeps_the_qualifier_as_it_was_called(world):
    world.publish("1")
    world.alias("live", "1")
    client = await world.client()
    for qualifier in ("1", "live"):
        assert await client.call(f"hello:{qualifier}") == (200, "1")
        assert f"function:hello:{qualifier}\r\n".encode() in world.agents.invocations[-1][1]


async def test_a_moved_alias_touches_no_instance(world):
    world.publish("1", "2")
    world.alias("live", "1")
    client = await world.client()
    assert await client.call("hello:live") == (200, "1")
    world.alias("live", "2")
    assert await client.call("hello:live") == (200, "2")
    world.alias("live", "1")
    assert await client.call("hello:live") == (200, "1")
    assert (world.agents.number, world.agents.destroyed) == (2, [])


async def test_a_call_that_waits_is_of_the_version_that_was_named_when_it_came(world):
    world.publish("1", "2")
    world.alias("live", "1")
    world.agents.launching.clear()
    client = await world.client()
    client.invoke(name="hello:live")
    await world.until(lambda: world.agents.number == 1)
    world.alias("live", "2")
    world.agents.launching.set()
    status, headers, _ = await client.reply()
    assert (status, headers["x-amz-executed-version"]) == (200, "1")


async def test_a_version_that_is_removed_drains(world):
    world.publish("1")
    client, waiting = await world.client(), await world.client()
    client.invoke(HOLD, name="hello:1")
    await world.until(lambda: world.agents.invocations)
    world.agents.launching.clear()
    waiting.invoke(name="hello:1")
    await world.until(lambda: world.agents.number == 2)
    world.gateway.catalogue.remove("default", "hello", "1")
    status, _, body = await waiting.reply()
    assert (status, json.loads(body)["Message"].rpartition("function:")[2]) == (404, "hello:1")
    next(iter(world.agents.connected.values())).release()
    status, headers, _ = await client.reply()
    assert (status, headers["x-amz-executed-version"]) == (200, "1")
    await world.until(lambda: "i-1" in world.agents.destroyed)
    assert await client.call("hello:1") == (404, None)
    world.agents.launching.set()
    assert await client.call("hello:$LATEST") == (200, "$LATEST")


async def test_what_is_reserved_is_for_all_versions_together(world):
    world.deploy(reservedConcurrentExecutions=1)
    world.deploy(version="1", reservedConcurrentExecutions=5)
    client, other = await world.client(), await world.client()
    client.invoke(HOLD)
    await world.until(lambda: world.agents.invocations)
    assert (await other.call("hello:1"))[0] == 429
    world.gateway.catalogue.remove("default", "hello", "1")
    world.deploy(version="1")
    assert (await other.call("hello:1"))[0] == 429
    next(iter(world.agents.connected.values())).release()
    assert (await client.reply())[0] == 200
    assert await other.call("hello:1") == (200, "1")


async def test_a_new_latest_leaves_the_instances_of_published_versions(world):
    world.publish("1")
    client = await world.client()
    await client.call("hello:1")
    await client.call("hello:$LATEST")
    world.deploy(digest="another")
    await world.until(lambda: world.agents.destroyed == ["i-2"])
    assert await client.call("hello:1") == (200, "1")
    assert world.agents.invocations[-1][0] == "i-1"


async def test_an_alias_that_is_moved_under_load_fails_no_call(world):
    world.publish("1", "2")
    world.alias("live", "1")
    clients = [await world.client() for _ in range(8)]
    done = False

    async def calls(client):
        seen = []
        while not done:
            seen.append(await client.call("hello:live"))
        return seen

    running = [asyncio.create_task(calls(client)) for client in clients]
    for move in range(100):
        world.alias("live", "12"[move % 2])
        # So that calls come in between.
        await asyncio.sleep(0.002)
    done = True
    seen = [each for task in running for each in await task]
    assert set(seen) == {(200, "1"), (200, "2")}
