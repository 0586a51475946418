"""A client may be slow, greedy, broken or gone: it gets a clear answer or an end, and the others notice nothing."""

import asyncio
import contextlib
import json
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mayfly_gateway.settings import Bounds

INVOKE = b"POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\n"


@pytest.fixture
def bounds():
    return Bounds(
        head_size=4096,
        head_time=0.2,
        body_time=0.3,
        idle_time=0.6,
        write_time=0.3,
        linger_time=0.4,
        tick=0.05,
        connections=8,
        buffered_bodies=200_000,
    )


async def works(world):
    client = await world.client()
    client.invoke("[1]", "Connection: close")
    reply = await client.reply()
    await client.ended()
    client.writer.close()
    return reply[0] == 200 and reply[2] == b"[1]"


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(world):
    client = await world.client()
    client.send(
        b"".join(INVOKE + b"Content-Length: 3\r\n\r\n[%d]" % number for number in range(9)) + b"POST /20"
    )
    assert [(await client.reply())[2] for _ in range(9)] == [b"[%d]" % number for number in range(9)]
    client.send(b"15-03-31/functions/hello/invocations HTTP/1.1\r\n\r\n")
    assert (await client.reply())[2] == b"{}"
    assert world.agents.number == 1


async def test_what_is_pipelined_waits_and_is_not_read_from_the_socket(world):
    client = await world.client()
    client.invoke('{"do": "hold"}')
    await world.until(lambda: world.agents.invocations)
    client.send(INVOKE * 200_000)
    await asyncio.sleep(0.05)
    assert len(world.agents.invocations) == 1
    assert client.writer.transport.get_write_buffer_size() > 1_000_000
    client.writer.transport.abort()
    next(iter(world.agents.connected.values())).release()
    assert await works(world)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_connection_ends_with_its_reply_where_the_client_says_so(world, version):
    client = await world.client()
    client.send(INVOKE.replace(b"1.1", version) + b"Connection: close\r\n\r\n")
    assert (await client.reply())[1]["connection"] == "close"
    assert await client.ended() == b""


async def test_the_old_protocol_keeps_a_connection_on_demand(world):
    client = await world.client()
    for _ in range(2):
        client.send(INVOKE.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n\r\n")
        assert (await client.reply())[1]["connection"] == "keep-alive"


async def test_a_body_in_chunks(world):
    client = await world.client()
    client.send(INVOKE + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n")
    assert (await client.reply())[2] == b"[1]"
    client.invoke("[2]")
    assert (await client.reply())[2] == b"[2]"


async def test_a_client_that_waits_for_leave_to_send_gets_it(world):
    client = await world.client()
    client.send(INVOKE + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert (await client.reply())[0] == 100
    client.send(b"[1]")
    assert (await client.reply())[2] == b"[1]"


async def test_a_head_that_does_not_end_is_timed_out(world):
    client = await world.client()
    client.send(INVOKE)
    status, headers, _ = await client.reply()
    assert (status, headers["connection"]) == (408, "close")
    assert await client.ended() == b""


async def test_a_head_that_trickles_gets_no_more_time(world):
    client = await world.client()
    reply = asyncio.create_task(client.reply())
    for byte in INVOKE * 100:
        if reply.done():
            break
        client.send(bytes([byte]))
        await asyncio.sleep(0.01)
    assert (await reply)[0] == 408


async def test_a_body_that_does_not_end_is_timed_out(world):
    client = await world.client()
    client.send(INVOKE + b"Content-Length: 100\r\n\r\n{")
    assert (await client.reply())[0] == 408


async def test_silence_ends_the_connection(world):
    fresh = await world.client()
    assert await fresh.ended() == b""
    used = await world.client()
    used.invoke()
    await used.reply()
    assert await used.ended() == b""


async def test_a_head_that_floods_is_refused(world):
    client = await world.client()
    client.send(INVOKE + b"A: b\r\n" * 101 + b"\r\n")
    assert (await client.reply())[0] == 431
    client = await world.client()
    client.send(INVOKE + b"A: " + b"x" * 5000)
    assert (await client.reply())[0] == 431


@pytest.mark.parametrize(
    "data", ids=range(3), argvalues=[b"\x16\x03\x01\x02\x00", INVOKE + b"no colon\r\n\r\n", b"\x00" * 100]
)
async def test_bytes_that_are_no_request_are_refused(world, data):
    client = await world.client()
    client.send(data)
    assert (await client.reply())[0] == 400
    assert await client.ended() == b""


async def test_a_body_over_the_limit_is_refused_before_it_is_read(world):
    client = await world.client()
    client.send(INVOKE + b"Content-Length: 6291457\r\n\r\n")
    status, headers, body = await client.reply()
    assert (status, headers["x-amzn-errortype"]) == (413, "RequestTooLargeException")
    message = "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    assert json.loads(body) == {"Type": "User", "message": message}


async def test_a_client_that_is_still_sending_gets_to_read_its_refusal(world):
    client = await world.client()
    client.send(INVOKE + b"Content-Length: 7000000\r\n\r\n" + b"x" * 7_000_000)
    assert (await client.reply())[0] == 413


async def test_bodies_are_bounded_over_all_connections(world):
    first, second = await world.client(), await world.client()
    for client in (first, second):
        client.send(INVOKE + b"Content-Length: 150000\r\n\r\n" + b"1" * 110_000)
    replies = [asyncio.create_task(client.reply()) for client in (first, second)]
    done, _ = await asyncio.wait(replies, return_when=asyncio.FIRST_COMPLETED)
    status, headers, _ = done.pop().result()
    assert (status, headers["x-amzn-errortype"]) == (503, "ServiceUnavailableException")
    await asyncio.wait(replies)
    large = await world.client()
    large.invoke(b"[" + b"1," * 90_000 + b"1]")
    assert (await large.reply())[0] == 200


async def test_a_reply_that_nobody_reads_is_given_up(world):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    with connection:
        await loop.sock_connect(connection, ("127.0.0.1", int(world.gateway.url.rpartition(":")[2])))
        await loop.sock_sendall(connection, INVOKE + b'Content-Length: 15\r\n\r\n{"do": "large"}')
        await world.until(lambda: world.agents.invocations)
        await loop.sock_sendall(connection, INVOKE + b"\r\n")
        await asyncio.sleep(0.5)
        received = 0
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(connection, 1 << 20):
                received += len(data)
    assert 0 < received < 6_000_000
    assert len(world.agents.invocations) == 1


async def test_the_other_server_gives_up_too(world):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    with connection:
        await loop.sock_connect(connection, ("127.0.0.1", int(world.gateway.url.rpartition(":")[2])))
        await loop.sock_sendall(connection, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await loop.sock_recv(connection, 4096)
        await loop.sock_sendall(connection, INVOKE + b'Host: x\r\nContent-Length: 15\r\n\r\n{"do": "large"}')
        await world.until(lambda: world.agents.invocations)
        await asyncio.sleep(0.5)
        received = 0
        with contextlib.suppress(ConnectionError):
            while data := await loop.sock_recv(connection, 1 << 20):
                received += len(data)
    assert 0 < received < 6_000_000


async def test_a_body_counts_as_held_while_its_invocation_runs_though_the_client_is_gone(world):
    body = b'{"do": "hold", "x": "' + b"x" * 150_000 + b'"}'
    for lane in ("fast", "other"):
        client = await world.client()
        if lane == "other":
            client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await client.reply()
        already = len(world.agents.invocations)
        client.invoke(body, "Host: x")
        await world.until(lambda already=already: len(world.agents.invocations) > already)
        client.writer.transport.abort()
        other = await world.client()
        other.invoke(body)
        assert (await other.reply())[0] == 503
        next(agent for agent in world.agents.connected.values() if agent.held).release()
        assert await works(world)
        other = await world.client()
        other.invoke('"' + "x" * 150_000 + '"')
        assert (await other.reply())[0] == 200


async def test_a_reader_that_pauses_gets_everything(world):
    client = await world.client(limit=1024)
    client.invoke('{"do": "large"}')
    await asyncio.sleep(0.1)
    assert len((await client.reply())[2]) == 6_000_002
    client.invoke("[1]")
    assert (await client.reply())[2] == b"[1]"


async def test_more_connections_than_allowed_are_ended_at_once(world):
    clients = [await world.client() for _ in range(8)]
    extra = await world.client()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        extra.invoke()
        await extra.reply()
    clients[0].invoke()
    assert (await clients[0].reply())[0] == 200


async def test_connections_of_both_servers_count(world):
    for _ in range(8):
        client = await world.client()
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.reply())[0] == 200
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        client = await world.client()
        client.invoke()
        await client.reply()


async def test_a_connection_may_carry_every_route_in_any_order(world):
    client = await world.client()
    client.invoke("[1]")
    client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    client.invoke("[2]", "Host: x", "X-Amz-Log-Type: Tail", name="hello:%24LATEST")
    client.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    client.invoke("nonsense", "Host: x")
    replies = [await client.reply() for _ in range(5)]
    assert [reply[0] for reply in replies] == [200, 200, 200, 404, 400]
    assert (replies[0][2], replies[2][2]) == (b"[1]", b"[2]")
    assert replies[2][1]["x-amz-log-result"] == "dGFpbA=="
    assert replies[3][1]["x-amzn-errortype"] == "UnknownOperationException"
    assert replies[4][1]["x-amzn-errortype"] == "InvalidRequestContentException"


async def test_both_servers_answer_alike(world):
    cases = [
        ("[1]", "hello"),
        ("x", "hello"),
        ("{}", "nope"),
        ("{}", "a%20b"),
        ("", "hello%3A7"),
        ("{}", "x" * 300),
    ]
    direct, other = await world.client(), await world.client()
    other.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    await other.reply()
    for payload, name in cases:
        for client in (direct, other):
            client.invoke(payload, "Host: x", name=name)
        one, two = [await client.reply() for client in (direct, other)]
        assert (one[0], one[2]) == (two[0], two[2])
        assert set(one[1]) == set(two[1]) - {"server"}


async def test_the_other_server_bounds_bodies_too(world):
    for lines, body, expected in (
        (b"Content-Length: 7000000\r\n", b"x" * 1000, 413),
        (b"Content-Length: 100\r\n", b"{", 408),
        (b"Transfer-Encoding: chunked\r\n", b"33000\r\n" + b" " * 0x33000, 503),
    ):
        client = await world.client()
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.reply()
        client.send(INVOKE + b"Host: x\r\n" + lines + b"\r\n" + body)
        assert (await client.reply())[0] == expected


async def test_a_get_on_the_invoke_path_is_not_allowed(world):
    client = await world.client()
    client.send(b"GET /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers, _ = await client.reply()
    assert (status, headers["allow"], headers["x-amzn-errortype"]) == (
        405,
        "POST",
        "MethodNotAllowedException",
    )


pieces = st.lists(
    st.binary(max_size=40)
    | st.sampled_from(
        [INVOKE, b"\r\n", b"\r\n\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"]
    )
    | st.sampled_from(
        [b"5\r\n[1,2]\r\n", b"0\r\n\r\n", b"[1,2]", b"GET /healthz HTTP/1.1\r\n", b"Expect: 100-continue\r\n"]
    ),
    max_size=12,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pieces)
async def test_no_bytes_hang_or_break_the_gateway(world, sent):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.gateway.url.rpartition(":")[2]))
    for piece in sent:
        writer.write(piece)
    writer.write_eof()
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 3)
    writer.close()
    assert await works(world)
    await world.until(lambda: not world.gateway._front.connections)
    assert world.gateway._front.bodies.held == 0
