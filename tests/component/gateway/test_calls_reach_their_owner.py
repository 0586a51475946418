"""Two gateways serve as one: a call runs where its function's owner is, whatever happens on the way there."""

import asyncio
import base64
import json
import socket

import pytest
from tests.component.gateway.replicas import TOKEN, two

from mayfly_gateway.invoke import to_nobody
from mayfly_gateway.peers.forward import Forwarder
from mayfly_gateway.peers.ownership import Ownership, Peer
from mayfly_gateway.request import Call, new_request_id
from mayfly_model.names import FunctionReference

HOLD = json.dumps({"do": "hold"})


@pytest.fixture
async def pair(tmp_path_factory):
    async with two(tmp_path_factory, account_limit=20) as found:
        for replica in found.both:
            replica.deploy()
        yield found


async def test_a_call_that_lands_elsewhere_runs_at_its_owner_with_all_that_it_carries(pair):
    client = await pair.other.client()
    context = base64.b64encode(b'{"custom": {"a": "\xc3\xa9"}}').decode()
    client.invoke(
        '{"n": 1}',
        "X-Amz-Log-Type: Tail",
        f"X-Amz-Client-Context: {context}",
        "X-Amzn-Trace-Id: Root=1-67",
        name="hello:$LATEST",
    )
    status, headers, body = await client.reply()
    assert (status, body) == (200, b'{"n": 1}')
    assert headers["x-amz-executed-version"] == "$LATEST"
    assert headers["x-amz-log-result"] == "dGFpbA=="
    assert headers["x-amzn-trace-id"] == "Root=1-67"
    assert pair.other.agents.number == 0
    ((_, head, _),) = pair.owner.agents.invocations
    request_id = headers["x-amzn-requestid"]
    assert f"Lambda-Runtime-Aws-Request-Id: {request_id}\r\n".encode() in head
    assert b"Lambda-Runtime-Trace-Id: Root=1-67\r\n" in head
    assert b'Lambda-Runtime-Client-Context: {"custom":{"a":"\\u00e9"}}\r\n' in head
    assert b"function:hello:$LATEST\r\n" in head


async def test_the_owners_errors_are_the_callers(pair):
    pair.owner.deploy(digest="2", reservedConcurrentExecutions=0)
    client = await pair.other.client()
    client.invoke()
    status, headers, body = await client.reply()
    assert (status, headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
    assert json.loads(body)["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


async def test_large_payloads_pass_whole(pair):
    client = await pair.other.client(limit=2**24)
    payload = b'"' + b"x" * 6_000_000 + b'"'
    client.invoke(payload)
    assert (await client.reply())[2] == payload
    client.invoke(json.dumps({"do": "large"}))
    assert len((await client.reply())[2]) == 6_000_002


async def test_connections_between_gateways_are_used_again(pair):
    client = await pair.other.client()
    used = set()
    for _ in range(5):
        client.invoke()
        assert (await client.reply())[0] == 200
        used |= set(pair.owner.gateway._front.connections)
    assert len(used) == 1


async def test_a_caller_cannot_pass_for_a_gateway(pair):
    client = await pair.other.client()
    client.invoke("{}", f"Mayfly-Forwarded: {TOKEN[:-1]}x 00000000-0000-4000-8000-000000000000")
    status, headers, _ = await client.reply()
    assert status == 200
    assert headers["x-amzn-requestid"] != "00000000-0000-4000-8000-000000000000"
    assert pair.owner.agents.number == 1


async def test_a_gateway_that_does_not_own_the_function_takes_no_forwarded_call(pair):
    client = await pair.other.client()
    client.invoke("{}", f"Mayfly-Forwarded: {TOKEN} 00000000-0000-4000-8000-000000000000")
    assert (await client.reply())[0] == 421
    assert pair.owner.agents.number == pair.other.agents.number == 0


async def test_calls_wait_until_the_gateways_agree(pair):
    """The owner has heard already that it is none; the other one, whose function it is now, has not."""
    pair.owner.ownership.set_peers([pair.other.peer])
    client = await pair.other.client()
    client.invoke('{"n": 1}')
    reply = asyncio.create_task(client.reply())
    await pair.owner.until(lambda: pair.owner.gateway._front.connections)
    pair.other.ownership.set_peers([pair.other.peer])
    assert (await reply)[2] == b'{"n": 1}'
    assert (pair.owner.agents.number, pair.other.agents.number) == (0, 1)


async def test_a_call_finds_the_next_gateway_when_its_owner_is_gone(pair):
    await pair.owner.gateway.stop()
    client = await pair.other.client()
    client.invoke('{"n": 1}')
    assert (await client.reply())[2] == b'{"n": 1}'
    assert pair.other.agents.number == 1


async def test_an_owner_that_ends_within_a_call_costs_that_call_only(pair):
    client, next_client = await pair.other.client(), await pair.other.client()
    client.invoke(HOLD)
    await pair.owner.until(lambda: pair.owner.agents.invocations)
    for connection in tuple(pair.owner.gateway._front.connections):
        connection.abort()
    status, headers, body = await client.reply()
    assert (status, headers["x-amzn-errortype"]) == (500, "ServiceException")
    assert "ended before it answered" in json.loads(body)["Message"]
    next_client.invoke('{"n": 2}')
    assert (await next_client.reply())[2] == b'{"n": 2}'
    assert pair.other.agents.number == 1


async def test_nobody_is_forwarded_to_a_gateway_that_leaves(pair):
    client = await pair.other.client()
    client.invoke()
    await client.reply()
    pair.other.ownership.set_peers([pair.other.peer])
    await pair.owner.until(lambda: not pair.owner.gateway._front.connections)
    client.invoke()
    assert (await client.reply())[0] == 200
    assert pair.other.agents.number == 1


async def test_a_gateway_that_leaves_says_so_and_still_serves(pair):
    kept, probe = await pair.owner.client(), await pair.owner.client()
    kept.invoke()
    await kept.reply()
    await pair.owner.gateway.leave()
    kept.invoke()
    status, headers, _ = await kept.reply()
    assert (status, headers["connection"]) == (200, "close")
    assert await kept.ended() == b""
    probe.send(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\n\r\n")
    status, headers, body = await probe.reply()
    assert (status, headers["connection"], json.loads(body)) == (503, "close", {"ready": False})
    late = await pair.owner.client()
    late.invoke()
    assert (await late.reply())[0] == 200


async def test_a_gateway_that_stops_waits_for_the_calls_that_others_run(pair):
    client = await pair.other.client()
    client.invoke(HOLD)
    await pair.owner.until(lambda: pair.owner.agents.invocations)
    stopping = asyncio.create_task(pair.other.gateway.stop())
    await asyncio.sleep(0)
    next(iter(pair.owner.agents.connected.values())).release()
    assert (await client.reply())[0] == 200
    await stopping


async def test_calls_that_others_have_sent_on_and_that_wait_go_back_to_them_when_the_owner_changes(pair):
    """One at least is refused at its second gateway; none of them, nor any other, may be lost by that."""
    pair.owner.agents.launching.clear()
    clients = [await pair.other.client(), await pair.other.client(), await pair.owner.client()]
    for number, client in enumerate(clients):
        client.invoke(json.dumps({"n": number}))
    await pair.owner.until(lambda: pair.owner.gateway.dispatcher.running(("default", "hello")) == 3)
    for replica in (pair.other, pair.owner):
        replica.ownership.set_peers([pair.other.peer])
    pair.owner.gateway.dispatcher.let_go(pair.owner.gateway.catalogue.resolve("default", "hello"))
    for number, client in enumerate(clients):
        status, _, body = await asyncio.wait_for(client.reply(), 5)
        assert (status, json.loads(body)) == (200, {"n": number})
    assert pair.other.agents.number >= 1
    pair.owner.agents.launching.set()


async def test_a_client_context_that_grows_when_it_is_escaped_is_sent_on(pair):
    content = {"custom": {"name": "é" * 1300}}
    context = base64.b64encode(json.dumps(content, ensure_ascii=False).encode())
    assert len(context) < 3583
    client = await pair.other.client()
    client.invoke("{}", f"X-Amz-Client-Context: {context.decode()}")
    assert (await client.reply())[0] == 200
    ((_, head, _),) = pair.owner.agents.invocations
    assert json.dumps(content, separators=(",", ":")).encode() in head


async def test_connections_between_gateways_have_keep_alives_and_a_user_timeout(pair):
    client = await pair.other.client()
    client.invoke("{}")
    assert (await client.reply())[0] == 200
    ((connection,),) = pair.other.gateway.forwarder._links._idle.values()
    sock = connection._transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000


async def test_an_owner_that_has_not_heard_of_the_function_yet_is_asked_again(pair):
    pair.owner.gateway.catalogue.remove("default", "hello")
    client = await pair.other.client()
    client.invoke('{"n": 1}')
    await pair.owner.until(lambda: pair.owner.gateway._front.connections)
    pair.owner.deploy()
    assert (await client.reply())[2] == b'{"n": 1}'


async def test_a_function_that_is_gone_everywhere_is_not_found(pair):
    pair.owner.gateway.catalogue.remove("default", "hello")
    client = await pair.other.client()
    client.invoke()
    await pair.owner.until(lambda: pair.owner.gateway._front.connections)
    pair.other.gateway.catalogue.remove("default", "hello")
    status, headers, body = await client.reply()
    assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert b"function:hello:$LATEST" in body


async def test_a_gateway_that_stops_sends_back_what_others_have_sent_on(pair):
    busy, peer = await pair.owner.client(), await pair.owner.client()
    busy.invoke(HOLD)
    await pair.owner.until(lambda: pair.owner.agents.invocations)
    peer.send(
        b"POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\n"
        b"Mayfly-Forwarded: %b 00000000-0000-4000-8000-000000000000\r\nContent-Length: 2\r\n\r\n{"
        % TOKEN.encode()
    )
    await pair.owner.until(lambda: any(each._state == 1 for each in pair.owner.gateway._front.connections))
    stopping = asyncio.create_task(pair.owner.gateway.stop())
    await pair.owner.until(lambda: pair.owner.gateway.dispatcher._calls._stopped is not None)
    peer.send(b"}")
    assert (await peer.reply())[0] == 421
    await stopping


class Leaving(asyncio.Protocol):
    """An owner who has each call for `seconds` and gives the first one back."""

    def __init__(self, seconds: float, answers: list[bytes]) -> None:
        self.seconds, self.answers = seconds, answers

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        asyncio.get_running_loop().call_later(self.seconds, self.answer)

    def answer(self) -> None:
        self.transport.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\n{}" % self.answers.pop(0))


async def test_a_call_that_its_owner_gives_back_after_a_while_still_finds_the_next_one(pair):
    """The time for which an owner had it does not count as one in which the gateways do not agree."""
    loop, answers = asyncio.get_running_loop(), [b"421 Misdirected Request", b"200 OK"]
    async with await loop.create_server(lambda: Leaving(0.3, answers), "127.0.0.1", 0) as server:
        ownership = Ownership("one")
        forwarder = Forwarder(ownership=ownership, token=TOKEN, run=to_nobody, agreement_time=0.2)
        ownership.set_peers([Peer("two", server.sockets[0].getsockname())])
        target = pair.owner.gateway.catalogue.resolve("default", "hello")
        call = Call(
            request_id=new_request_id(),
            namespace="default",
            reference=FunctionReference(name="hello"),
            dry_run=False,
            tail=False,
            client_context=None,
            trace_id="",
        )
        answer = loop.create_future()
        forwarder.invoke(target, call, b"{}", answer.set_result)
        try:
            assert (await answer).status == 200
        finally:
            await forwarder.finish(0)
