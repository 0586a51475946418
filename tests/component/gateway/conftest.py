"""A real gateway on a real port, with agents that the test scripts."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import uvloop

from mayfly_gateway import agent_calls
from mayfly_gateway.backends import Instance
from mayfly_gateway.catalogue import target_of
from mayfly_gateway.routes import Route
from mayfly_gateway.server import Gateway
from mayfly_gateway.settings import Bounds, Settings
from mayfly_model.function import FunctionSpec

REPORT = b'{"durationMs":1,"billedMs":1,"initMs":null,"maxMemoryMb":1,"status":"success","errorType":null}'


class Agent(asyncio.Protocol):
    """The agent of one instance. What it does with an invocation stands in the payload's `do`.

    echo (the default), fail (a function error), hold (until `release`), late (payload now, the end at `release`),
    refuse, die, reset (dies with the request unread), half (dies within its answer), lengthless (a 200 that does not
    announce its payload).
    """

    def __init__(self, agents: "Agents", instance_id: str) -> None:
        self.agents = agents
        self.id = instance_id
        self.buffer = b""
        self.held: bytes | None = None

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.agents.connected[self.id] = self
        self.agents.connections.append(self)

    def connection_lost(self, exc) -> None:
        self.agents.connected.pop(self.id, None)
        self.agents.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        if len(rest) < size:
            return
        self.buffer = rest[size:]
        self.serve(head, rest[:size])

    def serve(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST /invoke"):
            self.agents.invocations.append((self.id, head, body))
            content = json.loads(body)
            getattr(self, content.get("do", "echo") if isinstance(content, dict) else "echo")(body)
        elif head.startswith(b"POST /specialise") and self.agents.stillborn:
            self.agents.stillborn -= 1
            self.transport.abort()
        elif head.startswith(b"POST /specialise"):
            told = {} if self.agents.init_error is None else {"initError": self.agents.init_error}
            content = json.dumps(told).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))
        else:
            self.transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}")
            self.transport.close()

    def payload(self, body: bytes, *, more: bytes = b"") -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%bMayfly-Payload-Length: %d\r\n\r\n%x\r\n%b\r\n"
            % (more, len(body), len(body), body)
        )

    def end(self) -> None:
        self.transport.write(b"0\r\nMayfly-Report: " + REPORT + b"\r\nMayfly-Log-Tail: dGFpbA==\r\n\r\n")

    def echo(self, body: bytes) -> None:
        self.payload(body)
        self.end()

    def fail(self, body: bytes) -> None:
        self.payload(body, more=b"Mayfly-Function-Error: Unhandled\r\n")
        self.end()

    def hold(self, body: bytes) -> None:
        self.held = body

    def late(self, body: bytes) -> None:
        self.payload(body)
        self.held = b""

    def large(self, body: bytes) -> None:
        self.echo(b'"' + b"x" * 6_000_000 + b'"')

    def refuse(self, body: bytes) -> None:
        self.transport.write(b"HTTP/1.1 409 Conflict\r\nContent-Length: 17\r\n\r\n" + b'{"reason":"Busy"}')

    def lengthless(self, body: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def die(self, body: bytes) -> None:
        self.transport.abort()

    def half(self, body: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Enc")
        self.transport.close()

    def release(self) -> None:
        if self.held:
            self.payload(self.held)
        self.held = None
        self.end()


class Agents:
    """A backend whose instances are `Agent`s in this process, each on a Unix socket of its own."""

    def __init__(self, directory) -> None:
        self.directory = directory
        self.number = 0
        self.servers = {}
        self.connected = {}
        self.connections = []
        self.invocations = []
        self.destroyed = []
        self.failure = None
        self.stillborn = 0
        self.may_close = True
        self.killed_for_memory = False
        self.initialisations = []
        self.init_error = None
        self.launching = asyncio.Event()
        self.launching.set()

    async def launch(self, target) -> Instance:
        self.number += 1
        self.initialisations.append(target.initialization)
        name = f"i-{self.number}"
        await self.launching.wait()
        if self.failure is not None:
            raise self.failure
        path = str(self.directory / name)
        loop = asyncio.get_running_loop()
        self.servers[name] = await loop.create_unix_server(lambda: Agent(self, name), path)
        return Instance(id=name, address=path, token="secret", specialise=agent_calls.specialise(b"{}"))

    @property
    def holding(self) -> list[Agent]:
        """Those that hold an invocation."""
        return [agent for agent in self.connections if agent.held is not None]

    def spare(self, target) -> int:
        return 0

    async def release(self, instance_id: str) -> bool:
        return self.may_close

    def ending(self, instance_id: str, *, busy: bool) -> None: ...

    async def out_of_memory(self, instance_id: str) -> bool:
        return self.killed_for_memory

    async def leave(self, instance_id: str) -> None:
        await self.destroy(instance_id)

    async def destroy(self, instance_id: str) -> None:
        if instance_id not in self.destroyed:
            self.destroyed.append(instance_id)
        if (server := self.servers.pop(instance_id, None)) is not None:
            server.close()
        if (agent := self.connected.get(instance_id)) is not None:
            agent.transport.abort()

    async def close(self) -> None:
        for instance_id in list(self.servers):
            await self.destroy(instance_id)


class Client:
    """One TCP connection to the gateway."""

    def __init__(self, reader, writer) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def invoke(self, payload="{}", *lines: str, name="hello") -> None:
        body = payload if isinstance(payload, bytes) else payload.encode()
        head = [
            f"POST /2015-03-31/functions/{name}/invocations HTTP/1.1",
            f"Content-Length: {len(body)}",
            *lines,
        ]
        self.send("\r\n".join([*head, "", ""]).encode() + body)

    async def reply(self):
        """Status, headers (lower case) and body of the next reply."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {key.lower(): value for key, value in (line.split(": ", 1) for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def call(self, name="hello", payload="{}"):
        """Status and executed version of a call."""
        self.invoke(payload, name=name)
        status, headers, _ = await self.reply()
        return status, headers.get("x-amz-executed-version")

    async def ended(self) -> bytes:
        """What came until the gateway ended the connection, which resets it for who is sending still."""
        came = []
        with contextlib.suppress(ConnectionResetError):
            while data := await self.reader.read(65536):
                came.append(data)
        return b"".join(came)


class Clock:
    """The time of day, in seconds since 1970, which stands still but for a `step` once somebody has looked."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.step = 0.0
        self.looks = 0

    def __call__(self) -> float:
        now = self.now
        self.now, self.step = now + self.step, 0.0
        self.looks += 1
        return now


class World:
    """The gateway, its agents, and clients. `rollouts`, `scaled`: what it told of them to be written down."""

    def __init__(self, gateway: Gateway, agents: Agents) -> None:
        self.gateway = gateway
        self.agents = agents
        self.clients: list[Client] = []
        self.rollouts: list[tuple] = []
        self.scaled: list[tuple] = []

    async def client(self, **options) -> Client:
        port = int(self.gateway.url.rpartition(":")[2])
        client = Client(*await asyncio.open_connection("127.0.0.1", port, **options))
        self.clients.append(client)
        return client

    async def end(self) -> None:
        """Hang up every client, and stop."""
        for client in self.clients:
            client.writer.close()
            with contextlib.suppress(ConnectionError):
                await client.writer.wait_closed()
        await self.gateway.stop()

    def deploy(self, name="hello", *, digest="1", version="$LATEST", provisioned=None, **spec) -> None:
        content = {
            "runtime": "python3.13",
            "handler": "a.b",
            "code": {"inline": {"a.py": "b = print"}},
            **spec,
        }
        target = target_of(
            FunctionSpec.model_validate(content),
            cluster="local",
            namespace="default",
            name=name,
            digest=digest,
            version=version,
        )
        self.gateway.catalogue.put(dataclasses.replace(target, provisioned=provisioned))

    def publish(self, *versions) -> None:
        """Deploy these versions, each of other code."""
        for version in versions:
            self.deploy(digest=f"digest-{version}", version=version)

    def alias(self, alias, *route, name="hello", said=None) -> None:
        self.gateway.catalogue.route("default", name, alias, Route(*route), said=said)

    async def until(self, condition) -> None:
        """Wait for something that the gateway does by itself; the test's timeout bounds it."""
        while not condition():
            await asyncio.sleep(0.005)


def pytest_asyncio_loop_factories(config, item):
    """The gateway runs on uvloop, and must on asyncio's own loop."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def bounds() -> Bounds:
    return Bounds()


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 2, 7, tzinfo=UTC).timestamp())


@pytest.fixture
async def world(bounds, clock, tmp_path_factory) -> AsyncIterator[World]:
    directory = tmp_path_factory.mktemp("s")
    agents = Agents(directory)
    gateway = Gateway(Settings(port=0, account_limit=20, stop_time=0.2, launch_time=0.5, bounds=bounds))
    it = World(gateway, agents)
    await gateway.start(
        agents,
        on_rollout=lambda *news: it.rollouts.append(news),
        on_scaled=lambda *news: it.scaled.append(news),
        clock=clock,
    )
    it.deploy()
    yield it
    await it.end()
