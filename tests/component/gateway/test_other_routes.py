"""Health, the functions and their logs; everything else is an unknown operation in Lambda's form."""

import asyncio
import gc
import json

import pytest

from mayfly_gateway.logs import Follower
from mayfly_gateway.settings import Bounds

FUNCTIONS = "/mayfly/v1beta1/namespaces/default/functions"


@pytest.fixture
def bounds():
    return Bounds(idle_time=0.4, tick=0.05)


async def get(world, path, method="GET"):
    client = await world.client()
    client.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client, *(await client.reply())


def said(message):
    return json.dumps({"time": 1.5, "requestId": None, "message": message}).encode() + b"\n"


async def test_health(world):
    assert (await get(world, "/healthz"))[1] == 200


async def test_functions_and_their_instances(world):
    world.deploy("another", memorySize=256)
    client = await world.client()
    client.invoke('{"do": "hold"}')
    await world.until(lambda: world.agents.invocations)
    _, status, _, body = await get(world, FUNCTIONS)
    assert status == 200
    another, hello = json.loads(body)
    assert (another["name"], another["memorySize"], another["instances"]) == ("another", 256, 0)
    assert hello == {
        "name": "hello",
        "runtime": "python3.13",
        "memorySize": 128,
        "timeout": 3,
        "instances": 1,
        "running": 1,
        "state": "Active",
    }
    assert (await get(world, FUNCTIONS.replace("default", "other")))[3] == b"[]"


async def test_the_end_of_a_log(world):
    world.gateway.logs.feed("default", "hello", "i-1", b"".join(said(str(number)) for number in range(200)))
    client, status, headers, _ = await get(world, f"{FUNCTIONS}/hello/logs?tail=2")
    assert (status, headers["content-type"]) == (200, "application/x-ndjson")
    _, first, second, *_ = (await client.reader.readuntil(b"0\r\n\r\n")).splitlines()
    assert [json.loads(line)["message"] for line in (first, second)] == ["198", "199"]


async def test_a_log_is_followed(world):
    logs = world.gateway.logs
    logs.feed("default", "hello", "i-1", said("before"))
    client, status, _, _ = await get(world, f"{FUNCTIONS}/hello/logs?tail=1&follow=true")
    assert status == 200
    assert b'"message": "before"' in await client.reader.readuntil(b"\n\r\n")
    logs.feed("default", "hello", "i-2", said("after"))
    line = (await client.reader.readuntil(b"\n\r\n")).split(b"\r\n")[1]
    assert json.loads(line) == {"time": 1.5, "requestId": None, "message": "after", "instance": "i-2"}
    client.writer.transport.abort()
    await world.until(
        lambda: gc.collect() >= 0 and not [x for x in gc.get_objects() if isinstance(x, Follower)]
    )


@pytest.mark.parametrize("tail", ["-1", "x", "10001", "1" * 20, "%C2%B2"])
async def test_a_tail_that_is_no_number_is_refused(world, tail):
    _, status, headers, _ = await get(world, f"{FUNCTIONS}/hello/logs?tail={tail}")
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")


async def test_the_log_of_an_unknown_function_is_not_found(world):
    _, status, headers, _ = await get(world, f"{FUNCTIONS}/nope/logs")
    assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")


async def test_unknown_paths_and_methods(world):
    _, status, headers, body = await get(world, "/2015-03-31/functions/hello")
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    assert json.loads(body)["Type"] == "User"
    assert len(headers["x-amzn-requestid"]) == 36
    _, status, headers, _ = await get(world, "/healthz", "DELETE")
    assert (status, headers["x-amzn-errortype"]) == (405, "MethodNotAllowedException")


async def test_a_second_head_that_trickles_ends_the_connection(world):
    client, status, _, _ = await get(world, "/healthz")
    assert status == 200
    ended = asyncio.create_task(client.ended())
    for byte in b"GET /healthz HTTP/1.1\r\n" * 20:
        if ended.done():
            break
        client.send(bytes([byte]))
        await asyncio.sleep(0.01)
    assert b"200" not in await ended
