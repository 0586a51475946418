"""Scripted agents, each listening where a pod's would: on port 8080 of an address of its own."""

import asyncio
import base64
import contextlib
import hashlib
import json
import socket

from mayfly_gateway.backends.kubernetes.dial import PORT

REPORT = b'{"durationMs":1,"billedMs":1,"initMs":null,"maxMemoryMb":1,"status":"success","errorType":null}'


class PodAgent:
    """One agent. `specialised` is the instruction that it was given, `code` what came with it.

    `foreign`: its pod was made under another key. `epoch` is the highest under which it was spoken to.
    """

    def __init__(self, uid: str, address: str) -> None:
        self.uid = uid
        self.address = address
        self.specialised: dict | None = None
        self.code = b""
        self.claims: dict = {}
        self.closed = False
        self.epoch = 0
        self.dead = False
        self.foreign = False
        self.free = asyncio.Event()
        self.free.set()
        self.invocations: list[tuple[bytes, bytes]] = []
        self.held: list[tuple[Connection, bytes]] = []
        self.connections: set[Connection] = set()
        self.answer: tuple[int, dict] = (200, {})
        self.listener: socket.socket | None = None
        self.arrivals: set[asyncio.Task] = set()
        self.on_close = lambda: None
        self.on_health = lambda: None

    async def listen(self) -> None:
        self.dead = False
        self.listener = socket.create_server((self.address, PORT), backlog=100)
        self.listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self.listener, self.accept)

    def accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            loop = asyncio.get_running_loop()
            arrival = loop.create_task(loop.connect_accepted_socket(self.connection, connection))
            self.arrivals.add(arrival)
            arrival.add_done_callback(self.arrivals.discard)

    def connection(self) -> "Connection":
        return Connection(self)

    def expire(self) -> None:
        """Its time in a pool is over: it ends, unless it was claimed."""
        if self.specialised is None:
            self.end()

    def die(self) -> None:
        """As a process that is killed: every connection is reset, those that were not taken too, and nobody listens."""
        self.dead = True
        if self.listener is not None:
            asyncio.get_running_loop().remove_reader(self.listener)
            self.listener.close()
            self.listener = None
        for connection in tuple(self.connections):
            connection.transport.abort()

    def release(self) -> None:
        """Have what is held answered."""
        self.free.set()
        held, self.held = self.held, []
        for connection, body in held:
            connection.finish(body)
        if self.closed:
            self.end()

    def end(self) -> None:
        """It has closed."""
        self.on_close()
        self.die()

    @property
    def token(self) -> str | None:
        return None if self.specialised is None else self.specialised["token"]


class Connection(asyncio.Protocol):
    """What an invocation does stands in its payload's `do`: echo (the default), or hold.

    What is held is answered when the agent is told to `release`; until then it takes no other invocation.
    """

    def __init__(self, agent: PodAgent) -> None:
        self.agent = agent
        self.buffer = b""

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.agent.connections.add(self)
        if self.agent.dead:
            transport.abort()

    def connection_lost(self, exc) -> None:
        self.agent.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self.agent.dead:
            return
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        size = int(headers.get(b"Content-Length", 0))
        if len(rest) >= size:
            self.buffer = rest[size:]
            self.serve(head.split()[1], headers, rest[:size])

    def serve(self, path: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        if path == b"/specialise":
            self.specialise(headers, body)
        elif path == b"/health":
            self.agent.on_health()
            self.reply(200, {"state": "Bare" if self.agent.token is None else "Idle"})
        elif (
            self.agent.token is None
            or headers.get(b"Authorization") != b"Bearer " + self.agent.token.encode()
        ):
            self.reply(401, {"reason": "Unauthorized"})
        elif path == b"/adopt":
            self.agent.epoch = max(self.agent.epoch, int(headers.get(b"Mayfly-Epoch", 0)))
            asyncio.get_running_loop().create_task(self.adopt())
        elif path == b"/close":
            self.agent.closed = True
            self.reply(202, {"running": len(self.agent.held)})
            if not self.agent.held:
                self.agent.end()
        else:
            self.agent.epoch = max(self.agent.epoch, int(headers.get(b"Mayfly-Epoch", 0)))
            self.invoke(body)

    def specialise(self, headers: dict[bytes, bytes], body: bytes) -> None:
        if self.agent.foreign:
            self.reply(401, {"reason": "Unauthorized"})
            return
        if self.agent.specialised is not None:
            self.reply(409, {"reason": "AlreadySpecialised"})
            return
        _, claims, _ = headers[b"Authorization"].removeprefix(b"Bearer ").split(b".")
        self.agent.claims = json.loads(base64.urlsafe_b64decode(claims + b"=="))
        assert self.agent.claims["aud"] == self.agent.uid
        assert self.agent.claims["sub"] == hashlib.sha256(body).hexdigest()
        length = int(headers[b"Mayfly-Instruction-Length"])
        if self.agent.answer[0] == 200:
            self.agent.specialised, self.agent.code = json.loads(body[:length]), body[length:]
        self.reply(*self.agent.answer)

    async def adopt(self) -> None:
        await self.agent.free.wait()
        if self.agent.specialised is not None:
            told = self.agent.specialised
            self.reply(200, {"revision": told["revision"], "versionName": told.get("versionName", "")})

    def invoke(self, body: bytes) -> None:
        if self.agent.held:
            self.reply(409, {"reason": "Busy"})
            return
        content = json.loads(body)
        self.agent.invocations.append((self.agent.uid.encode(), body))
        if isinstance(content, dict) and content.get("do") == "hold":
            self.agent.held.append((self, body))
            self.agent.free.clear()
        else:
            self.finish(body)

    def finish(self, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMayfly-Payload-Length: %d\r\n\r\n%x\r\n%b\r\n"
            b"0\r\nMayfly-Report: %b\r\n\r\n" % (len(body), len(body), body, REPORT)
        )

    def reply(self, status: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self.transport.write(
            b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
        )
