"""A function with reserved concurrency is counted by one gateway at a time, whatever becomes of gateways and store."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from tests.component.gateway.replicas import HELLO, two
from tests.component.nats_server import NatsServer

from mayfly_gateway.nats_connection import NatsConnection
from mayfly_gateway.peers.lease import LeaseError
from mayfly_gateway.peers.leases import Leases, LeaseTimes

TIMES = LeaseTimes(duration=2.0, renewal=0.2, margin=0.2)
HOLD = json.dumps({"do": "hold"})


@pytest.fixture
async def store(tmp_path_factory) -> AsyncIterator[SimpleNamespace]:
    """A NATS, and gateways' leases in it."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    await server.start()
    open_ones: list[tuple[Leases, NatsConnection]] = []

    async def leases(pod: str, boot: str = "1") -> Leases:
        connection = NatsConnection(server.url)
        connection.start()
        new = Leases(connection, pod=pod, boot=boot, times=TIMES)
        new.start()
        open_ones.append((new, connection))
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(ConnectionError):
                    connection.jetstream(timeout=1)
                    return new
                await asyncio.sleep(0.01)

    async def kill(leases: Leases) -> None:
        """As a process that is killed: it renews and releases nothing."""
        found = next(each for each in open_ones if each[0] is leases)
        open_ones.remove(found)
        leases._renewing.cancel()
        await found[1].close()

    yield SimpleNamespace(server=server, leases=leases, kill=kill)
    for each, connection in open_ones:
        await each.close()
        await connection.close()
    if server.process.returncode is None:
        await server.kill()


async def renewals(leases: Leases, count: int) -> None:
    """Wait until a process has renewed so often. Ten times last as long as a lease without any."""
    for _ in range(count):
        last = leases._valid_until
        async with asyncio.timeout(10):
            while leases._valid_until == last:
                await asyncio.sleep(0.01)


async def test_one_holds_until_it_releases_and_says_what_still_runs(store):
    one, two = await store.leases("one"), await store.leases("two")
    first = await one.acquire(HELLO, patience=20)
    assert one.epoch(HELLO) == first.epoch
    waiting = asyncio.create_task(two.acquire(HELLO, patience=20))
    await renewals(one, 15)
    assert not waiting.done()
    assert two.epoch(HELLO) is None
    one.count_by(lambda _: {"i-1": 2})
    one.release(HELLO)
    assert one.epoch(HELLO) is None
    second = await asyncio.wait_for(waiting, 10)
    assert second.epoch > first.epoch
    assert second.running == {"i-1": 2}


async def test_a_killed_holder_is_waited_out(store):
    one, two = await store.leases("one"), await store.leases("two")
    await one.acquire(HELLO, patience=20)
    loop = asyncio.get_running_loop()
    await store.kill(one)
    began = loop.time()
    await asyncio.wait_for(two.acquire(HELLO, patience=20), 20)
    assert loop.time() - began >= TIMES.duration - TIMES.renewal
    assert one.epoch(HELLO) is None


async def test_a_pod_that_came_back_has_outlived_its_former_life(store):
    one = await store.leases("one")
    await one.acquire(HELLO, patience=20)
    await store.kill(one)
    again = await store.leases("one", boot="2")
    two = await store.leases("two")
    await again.acquire(("default", "other"), patience=20)
    async with asyncio.timeout(TIMES.duration / 2):
        await two.acquire(HELLO, patience=20)


async def test_who_cannot_renew_stops_before_anybody_may_take_over(store):
    one = await store.leases("one")
    first = await one.acquire(HELLO, patience=20)
    loop = asyncio.get_running_loop()
    await store.server.kill()
    began = loop.time()
    async with asyncio.timeout(20):
        while one.epoch(HELLO) is not None:
            await asyncio.sleep(0.01)
    assert loop.time() - began < TIMES.duration
    with pytest.raises(LeaseError):
        await one.acquire(HELLO, patience=20)
    await store.server.start()
    async with asyncio.timeout(20):
        while True:
            try:
                again = await one.acquire(HELLO, patience=20)
            except LeaseError:
                await asyncio.sleep(0.05)
            else:
                break
    assert again.epoch > first.epoch


async def test_a_lease_that_lapsed_or_could_not_be_released_stays_with_nobody(store):
    one = await store.leases("one")
    lapsed, unreleased = ("default", "lapsed"), ("default", "unreleased")
    await one.acquire(lapsed, patience=20)
    await one.acquire(unreleased, patience=20)
    await store.server.kill()
    one.count_by(lambda _: {"i-1": 1})
    one.release(unreleased)
    async with asyncio.timeout(20):
        while one.epoch(lapsed) is not None:
            await asyncio.sleep(0.01)
    await store.server.start()
    two = await store.leases("two")
    assert (await two.acquire(unreleased, patience=20)).running == {"i-1": 1}
    assert (await two.acquire(lapsed, patience=20)).running == {"i-1": 1}


async def test_a_store_that_has_lost_everything_is_begun_anew(store):
    one = await store.leases("one")
    await one.acquire(HELLO, patience=20)
    await store.server.kill()
    store.server.forget()
    await store.server.start()
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(LeaseError):
                await one.acquire(("default", "other"), patience=20)
                break
            await asyncio.sleep(0.05)


async def test_an_attempt_that_is_given_up_at_any_moment_leaves_the_function_to_others(store):
    one, two = await store.leases("one"), await store.leases("two")
    await one.acquire(HELLO, patience=20)
    functions = [("default", f"f-{number}") for number in range(60)]
    for turns, function in enumerate(functions):
        attempt = asyncio.create_task(one.acquire(function, patience=20))
        for _ in range(turns):
            await asyncio.sleep(0)
        attempt.cancel()
        await asyncio.wait([attempt])
        if not attempt.cancelled():
            one.release(function)
    assert one.epoch(HELLO) is not None
    await asyncio.gather(*(two.acquire(function, patience=TIMES.duration * 2) for function in functions))


async def test_a_hundred_at_once_are_one_holder_each(store):
    replicas = [await store.leases(f"gateway-{number}") for number in range(4)]
    functions = [("default", f"f-{number}") for number in range(25)]

    async def attempt(leases: Leases, function) -> bool:
        with contextlib.suppress(LeaseError):
            await leases.acquire(function, patience=TIMES.duration * 2)
        return leases.epoch(function) is not None

    outcomes = await asyncio.gather(
        *(attempt(leases, function) for function in functions for leases in replicas)
    )
    assert [sum(outcomes[start : start + 4]) for start in range(0, 100, 4)] == [1] * 25


@pytest.fixture
async def pair(store, tmp_path_factory) -> AsyncIterator[SimpleNamespace]:
    """Two gateways of one function with reserved concurrency 2."""
    async with two(tmp_path_factory, leases=store.leases, launch_time=5) as found:
        for replica in found.both:
            replica.deploy(reservedConcurrentExecutions=2)
        found.store = store
        yield found


def leave(pair) -> None:
    """The owner is no longer among the gateways, and everybody knows."""
    for replica in (pair.owner, pair.other):
        replica.ownership.set_peers([pair.other.peer])
    target = pair.owner.gateway.catalogue.resolve(*HELLO)
    pair.owner.gateway.let_go(target)


async def test_calls_carry_the_epoch(pair):
    client = await pair.owner.client()
    client.invoke()
    assert (await client.reply())[0] == 200
    ((_, head, _),) = pair.owner.agents.invocations
    assert f"Mayfly-Epoch: {pair.owner.leases.epoch(HELLO)}\r\n".encode() in head


async def test_what_runs_at_the_former_owner_counts_at_the_new_one(pair):
    first, second, third = [await pair.owner.client() for _ in range(3)]
    first.invoke(HOLD)
    second.invoke(HOLD)
    await pair.owner.until(lambda: len(pair.owner.agents.holding) == 2)
    third.invoke()
    assert (await third.reply())[0] == 429
    leave(pair)
    client = await pair.other.client()
    client.invoke()
    status, _, body = await client.reply()
    assert (status, json.loads(body)["Reason"]) == (429, "ReservedFunctionConcurrentInvocationLimitExceeded")
    for agent in pair.owner.agents.connected.values():
        agent.release()
    assert (await first.reply())[0] == (await second.reply())[0] == 200


async def test_calls_wait_for_the_lease_of_a_gateway_that_was_killed(pair):
    client = await pair.owner.client()
    client.invoke()
    assert (await client.reply())[0] == 200
    await pair.store.kill(pair.owner.leases)
    pair.other.ownership.set_peers([pair.other.peer])
    caller = await pair.other.client()
    caller.invoke()
    async with asyncio.timeout(20):
        assert (await caller.reply())[0] == 200


async def test_the_lease_of_a_function_that_is_deleted_is_given_up(pair):
    """Else nobody could count another one of its name which is another gateway's."""
    client = await pair.owner.client()
    client.invoke()
    assert (await client.reply())[0] == 200
    pair.owner.gateway.catalogue.remove(*HELLO)
    assert pair.owner.leases.epoch(HELLO) is None
    pair.other.ownership.set_peers([pair.other.peer])
    caller = await pair.other.client()
    caller.invoke()
    async with asyncio.timeout(10):
        assert (await caller.reply())[0] == 200


async def test_a_call_that_waits_for_the_lease_of_a_function_that_is_deleted_is_answered(pair):
    await pair.other.leases.acquire(HELLO, patience=20)
    client = await pair.owner.client()
    client.invoke()
    await pair.owner.until(lambda: pair.owner.gateway._counted._waiting)
    pair.owner.gateway.catalogue.remove(*HELLO)
    status, headers, body = await client.reply()
    assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert b"function:hello:$LATEST" in body


async def test_without_the_store_nobody_counts_and_others_go_on(pair):
    await pair.store.server.kill()
    client = await pair.owner.client()
    client.invoke()
    status, headers, _ = await client.reply()
    assert (status, headers["x-amzn-errortype"]) == (503, "ServiceUnavailableException")
    pair.owner.deploy(digest="2")
    client = await pair.owner.client()
    client.invoke()
    assert (await client.reply())[0] == 200
