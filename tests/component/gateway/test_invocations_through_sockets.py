"""Calls over real sockets reach scripted agents and come back, whatever becomes of instances and clients."""

import asyncio
import gc
import json

import pytest

from mayfly_gateway.dispatch import Dispatcher
from mayfly_gateway.front import FrontConnection
from mayfly_gateway.live import Invocation
from mayfly_gateway.request import parse_call
from mayfly_gateway.settings import Settings
from mayfly_model.errors import (
    InvalidRuntimeException,
    ResourceNotReadyException,
    ServiceUnavailableException,
)

HOLD, LATE, DIE, HALF = (json.dumps({"do": name}) for name in ("hold", "late", "die", "half"))


async def test_a_call_and_its_reply(world):
    client = await world.client()
    for number in range(3):
        client.invoke(f'{{"n": {number}}}')
        status, headers, body = await client.reply()
        assert (status, body) == (200, b'{"n": %d}' % number)
        assert headers["x-amz-executed-version"] == "$LATEST"
        assert "connection" not in headers
    assert world.agents.number == 1
    (_, head, body), *_ = world.agents.invocations
    assert b"Authorization: Bearer secret\r\n" in head
    assert b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:local:default:function:hello\r\n" in head


async def test_a_named_version_stays_in_the_arn(world):
    client = await world.client()
    client.invoke(name="hello:$LATEST")
    assert (await client.reply())[0] == 200
    assert b"function:hello:$LATEST\r\n" in world.agents.invocations[0][1]


async def test_unknown_functions_versions_and_regions(world):
    client = await world.client()
    for name, message in (
        ("nope", "Function not found: arn:aws:lambda:local:default:function:nope:$LATEST"),
        ("hello:7", "Function not found: arn:aws:lambda:local:default:function:hello:7"),
        (
            "arn:aws:lambda:us-east-1:default:function:hello",
            "Functions from 'us-east-1' are not reachable in this region ('local')",
        ),
    ):
        client.invoke("not json", name=name)
        status, headers, body = await client.reply()
        assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
        assert json.loads(body) == {"Type": "User", "Message": message}


async def test_a_dry_run_runs_nothing(world):
    client = await world.client()
    client.invoke("{}", "X-Amz-Invocation-Type: DryRun")
    status, headers, _ = await client.reply()
    assert (status, "content-length" in headers, world.agents.number) == (204, False, 0)


async def test_a_log_tail_comes_with_the_reply(world):
    client = await world.client()
    client.invoke("{}", "X-Amz-Log-Type: Tail")
    assert (await client.reply())[1]["x-amz-log-result"] == "dGFpbA=="
    assert b"Mayfly-Log-Tail: 1\r\n" in world.agents.invocations[0][1]


async def test_a_sequential_caller_with_one_reserved_is_never_throttled(world):
    world.deploy(reservedConcurrentExecutions=1)
    client = await world.client()
    for _ in range(5):
        client.invoke(LATE)
        assert (await client.reply())[0] == 200
        client.invoke()
        await world.until(lambda: next(iter(world.agents.connected.values())).held is not None)
        next(iter(world.agents.connected.values())).release()
        assert (await client.reply())[0] == 200
    assert world.agents.number == 1


async def test_the_reserved_and_the_account_limit_answer_at_once(world):
    world.deploy("one", reservedConcurrentExecutions=1)
    clients = [await world.client() for _ in range(22)]
    clients[0].invoke(HOLD, name="one")
    await world.until(lambda: world.agents.invocations)
    clients[1].invoke(HOLD, name="one")
    status, _, body = await clients[1].reply()
    assert (status, json.loads(body)["Reason"]) == (429, "ReservedFunctionConcurrentInvocationLimitExceeded")
    for client in clients[2:21]:
        client.invoke(HOLD)
    await world.until(lambda: len(world.agents.invocations) == 20)
    clients[21].invoke(HOLD)
    assert json.loads((await clients[21].reply())[2])["Reason"] == "ConcurrentInvocationLimitExceeded"
    for agent in list(world.agents.connected.values()):
        agent.release()
    assert {(await client.reply())[0] for client in (clients[0], *clients[2:21])} == {200}


async def test_a_refused_call_goes_to_another_instance(world):
    client = await world.client()
    client.invoke()
    await client.reply()
    first = next(iter(world.agents.connected.values()))
    first.echo = first.refuse
    client.invoke('{"again": 1}')
    assert (await client.reply())[2] == b'{"again": 1}'
    await world.until(lambda: world.agents.destroyed == ["i-1"])


async def test_a_call_that_every_instance_refuses_is_answered(world):
    client = await world.client()
    client.invoke('{"do": "refuse"}')
    status, headers, _ = await client.reply()
    assert (status, headers["x-amzn-errortype"]) == (500, "ServiceException")


@pytest.mark.parametrize("payload", [DIE, HALF])
async def test_a_killed_instance_is_answered_as_an_exit_and_replaced(world, payload):
    client = await world.client()
    client.invoke(payload)
    status, headers, body = await client.reply()
    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")
    assert json.loads(body) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {headers['x-amzn-requestid']} Error: Runtime exited with error: signal: killed",
    }
    client.invoke()
    assert (await client.reply())[0] == 200
    await world.until(lambda: world.agents.destroyed == ["i-1"])


async def test_an_answer_of_no_announced_length_is_not_asked_for_again(world):
    client = await world.client()
    client.invoke('{"do": "lengthless"}')
    status, headers, _ = await client.reply()
    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")
    assert len(world.agents.invocations) == 1


async def test_an_idle_instance_that_ends_costs_no_call(world):
    client = await world.client()
    for _ in range(20):
        client.invoke()
        assert (await client.reply())[2] == b"{}"
        for agent in list(world.agents.connected.values()):
            agent.transport.close()
    assert len(world.agents.invocations) == 20


async def test_an_agent_that_answers_no_more_is_timed_out_and_destroyed(world):
    world.deploy(timeout=1)
    client = await world.client()
    client.invoke()
    await client.reply()
    client.invoke(HOLD)
    _, headers, body = await client.reply()
    assert json.loads(body) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {headers['x-amzn-requestid']} Error: Task timed out after 1.00 seconds",
    }
    await world.until(lambda: world.agents.destroyed == ["i-1"])


async def test_a_launch_that_fails_answers_those_who_wait_for_it(world):
    world.agents.failure = InvalidRuntimeException("no python3.13 here")
    clients = [await world.client() for _ in range(5)]
    for client in clients:
        client.invoke()
    for client in clients:
        status, headers, _ = await client.reply()
        assert (status, headers["x-amzn-errortype"]) == (502, "InvalidRuntimeException")
    world.agents.failure = None
    clients[0].invoke()
    assert (await clients[0].reply())[0] == 200


async def test_an_instance_that_ends_as_it_is_started_is_replaced(world):
    world.agents.stillborn = 2
    client = await world.client()
    client.invoke("[1]")
    assert (await client.reply())[2] == b"[1]"
    await world.until(lambda: world.agents.destroyed == ["i-1", "i-2"])
    world.agents.stillborn = 99
    world.deploy(digest="2")
    client.invoke()
    status, _, body = await client.reply()
    assert (status, b"could not be started: its agent ended" in body) == (500, True)
    await world.until(lambda: len(world.agents.destroyed) == 6)


async def test_a_backend_that_breaks_is_a_service_exception(world, caplog):
    world.agents.failure = ZeroDivisionError("oh")
    client = await world.client()
    client.invoke()
    status, headers, body = await client.reply()
    assert (status, headers["x-amzn-errortype"]) == (500, "ServiceException")
    assert b"ZeroDivisionError" in body


async def test_an_instance_that_never_comes_is_not_waited_for(world):
    world.agents.launching.clear()
    client = await world.client()
    client.invoke()
    status, _, body = await client.reply()
    assert (status, b"not ready after 0.5 s" in body) == (500, True)


async def test_a_call_is_not_held_for_as_long_as_others_keep_the_only_instance(world):
    world.deploy(timeout=60)
    first, second = await world.client(), await world.client()
    first.invoke(HOLD)
    await world.until(lambda: world.agents.invocations)
    world.agents.failure = ResourceNotReadyException("QuotaExceeded: no more pods")
    second.invoke()
    status, _, body = await second.reply()
    assert (status, b"QuotaExceeded" in body) == (502, True)
    next(iter(world.agents.connected.values())).release()
    assert (await first.reply())[0] == 200


async def test_idle_instances_are_closed_after_the_keep_alive(world):
    world.deploy(keepAlive=0)
    client = await world.client()
    client.invoke()
    await client.reply()
    await world.until(lambda: world.agents.destroyed == ["i-1"])
    assert not world.agents.connected


async def test_a_change_is_live_at_the_next_call(world):
    client, other = await world.client(), await world.client()
    client.invoke()
    await client.reply()
    other.invoke(HOLD)
    await world.until(lambda: len(world.agents.invocations) == 2)
    client.invoke()
    await client.reply()
    world.deploy(digest="2")
    client.invoke()
    assert (await client.reply())[0] == 200
    assert world.agents.invocations[-1][0] == f"i-{world.agents.number}"
    busy = next(agent for agent in world.agents.connected.values() if agent.held)
    busy.release()
    assert (await other.reply())[2] == HOLD.encode()
    await world.until(lambda: len(world.agents.destroyed) == world.agents.number - 1)


async def test_a_function_that_is_removed_is_not_found_at_once(world):
    world.agents.launching.clear()
    client = await world.client()
    client.invoke()
    await world.until(lambda: world.agents.number == 1)
    world.gateway.catalogue.remove("default", "hello")
    assert (await client.reply())[0] == 404
    client.invoke()
    assert (await client.reply())[0] == 404
    world.agents.launching.set()
    await world.until(lambda: world.agents.destroyed == ["i-1"])


async def test_a_client_that_hangs_up_cancels_nothing_and_leaks_nothing(world):
    client = await world.client()
    client.invoke(HOLD)
    await world.until(lambda: world.agents.invocations)
    client.writer.transport.abort()
    await asyncio.sleep(0)
    agent = next(iter(world.agents.connected.values()))
    assert agent.held is not None
    other = await world.client()
    await world.until(lambda: len(connections()) == 2)
    agent.release()
    other.invoke()
    assert (await other.reply())[0] == 200
    await world.until(lambda: len(connections()) == 1)
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Invocation)]


def connections():
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, FrontConnection)]


async def test_stopping_lets_what_runs_finish_and_refuses_the_rest(world):
    client, late = await world.client(), await world.client()
    client.invoke(HOLD)
    late.invoke()
    await late.reply()
    await world.until(lambda: any(agent.held for agent in world.agents.connected.values()))
    stopping = asyncio.create_task(world.gateway.stop())
    await asyncio.sleep(0)
    next(agent for agent in world.agents.connected.values() if agent.held).release()
    status, headers, body = await client.reply()
    assert (status, headers["connection"], body) == (200, "close", HOLD.encode())
    await stopping
    assert await late.ended() == b""
    assert not world.agents.connected


async def test_stopping_at_once_answers_a_call_that_no_instance_was_asked_for_yet(world):
    world.agents.launching.clear()
    world.deploy("other")
    answers = []
    dispatcher = Dispatcher(backend=world.agents, settings=Settings())
    # The second call waits for its turn behind the look at the first.
    for name in ("hello", "other"):
        target = world.gateway.catalogue.resolve("default", name)
        dispatcher.on_change(None, target)
        call = parse_call(name, "", {}, request_id="r", default_namespace="default", knows=lambda _: False)
        dispatcher.invoke(target, call, b"{}", answers.append)
        while not world.agents.number:
            await asyncio.sleep(0)
    await dispatcher.stop(0)
    assert [type(answer) for answer in answers] == [ServiceUnavailableException] * 2


async def test_an_instance_of_several_lanes_ends_when_the_last_of_them_is_free(world):
    several = {"environment": {"variables": {"AWS_LAMBDA_MAX_CONCURRENCY": "2"}}}
    world.deploy(**several)
    first, second = await world.client(), await world.client()
    first.invoke(HOLD)
    await world.until(lambda: world.agents.holding)
    second.invoke()
    assert (await second.reply())[0] == 200
    assert world.agents.number == 1
    world.deploy(digest="2", **several)
    second.invoke()
    assert (await second.reply())[0] == 200
    assert world.agents.number == 2
    assert not world.agents.destroyed
    world.agents.holding[0].release()
    assert (await first.reply())[0] == 200
    await world.until(lambda: world.agents.destroyed == ["i-1"])
