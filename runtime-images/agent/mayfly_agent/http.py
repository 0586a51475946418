"""The server side of HTTP/1.1 on the agent's loop.

Rule: bytes from a peer can neither crash the agent nor make it hold more memory than the limits say. One request is
in work per connection; what a peer pipelines behind it waits unread.
"""

from __future__ import annotations

import socket

import httptools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import Loop

CHUNK = 64 * 1024
JSON = b"application/json"
REASONS = {
    100: b"Continue",
    200: b"OK",
    202: b"Accepted",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    409: b"Conflict",
    413: b"Payload Too Large",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class Limits:
    """How much is taken in: bytes of a head, of a body, of all unanswered requests together; connections at once."""

    __slots__ = ("body", "connections", "head", "held")

    def __init__(self, *, head: int, body: int, held: int, connections: int) -> None:
        self.head = head
        self.body = body
        self.held = held
        self.connections = connections


class Request:
    """One request, whole. `oversized` means that its body passed the limit and was thrown away."""

    __slots__ = ("body", "connection", "headers", "method", "oversized", "path")

    def __init__(
        self, connection: Connection, method: bytes, path: bytes, headers: dict[bytes, bytes]
    ) -> None:
        self.connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.body = b""
        self.oversized = False

    def respond(self, status: int, body: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Answer with a body of known length, JSON unless a header says otherwise, and read the next request."""
        self.connection.send(head(status, ((b"Content-Length", b"%d" % len(body)), *headers)) + body)
        self.connection.next_request()


def head(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """A status line and its headers. `Content-Type: application/json`, without a charset, unless one is given.

    The stock Python runtime client dies of a missing type and hands over bytes if a charset is named.
    """
    lines = [b"HTTP/1.1 %d %s" % (status, REASONS[status])]
    if not any(name == b"Content-Type" for name, _ in headers):
        lines.append(b"Content-Type: " + JSON)
    lines.extend(name + b": " + value for name, value in headers)
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Connection:
    """One accepted socket: parses requests, hands each whole one to `handle`, sends what is given back."""

    def __init__(
        self, loop: Loop, sock: socket.socket, server: Server, handle: Callable[[Request], None]
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._server = server
        self._handle = handle
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._reset()
        self._unparsed: list[Request] = []
        self._held = 0
        self._in_work = False
        self._out = bytearray()
        self.closed = False
        self.on_close: Callable[[], None] | None = None
        loop.on_readable(sock, self.read)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._reset()
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, whole."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The head is whole; a body may follow."""
        self._in_head = False
        self._head_bytes = 0
        path = self._url.partition(b"?")[0]
        self._request = Request(self, self._parser.get_method(), path, self._headers)
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self._hold(len(data))
        self._body_bytes += len(data)
        if self._body_bytes <= self._server.limits.body:
            self._body.append(data)
        elif self._request is not None:
            self._request.oversized = True
            self._release(self._body_bytes)
            self._body.clear()

    def on_message_complete(self) -> None:
        """The request is whole."""
        request = self._request
        if request is None:
            return
        request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._reset()
        self._unparsed.append(request)

    def _hold(self, size: int) -> None:
        self._held += size
        self._server.held += size

    def _release(self, size: int) -> None:
        size = min(size, self._held)
        self._held -= size
        self._server.held -= size

    def _reset(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._in_head = False
        self._request = None

    # What the loop calls.

    def read(self) -> bool:
        """Take in what the peer sent; False when there was nothing to read or the peer is gone."""
        if self.closed:
            return False
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self._feed(data)
        return not self.closed

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(400)
            return
        self._head_bytes = self._head_bytes + len(data) if self._in_head else 0
        limits = self._server.limits
        if self._head_bytes > limits.head:
            self._refuse(431)
            return
        if self._server.held > limits.held and self._held > limits.held // limits.connections:
            self._refuse(503)
            return
        if not self._in_work:
            self._start()
        if self._in_work and self._unparsed:
            self._loop.on_readable(self._sock, None)

    def _refuse(self, status: int) -> None:
        self.send(head(status, ((b"Content-Length", b"0"), (b"Connection", b"close"))))
        self.close()

    def _start(self) -> None:
        if not self._unparsed or self.closed:
            return
        self._in_work = True
        self._handle(self._unparsed.pop(0))

    # What handlers call.

    def next_request(self) -> None:
        """The request in work is answered: go on with what came after it."""
        self._in_work = False
        if self.closed:
            return
        if not self._unparsed and self._request is None:
            self._release(self._held)
        self._loop.on_readable(self._sock, self.read)
        # Not from within the handler: a peer that pipelines thousands must not grow the stack.
        if self._unparsed:
            self._loop.call_later(0, self._resume)

    def _resume(self) -> None:
        if not self._in_work:
            self._start()

    def send(self, data: bytes) -> None:
        """Send now what the socket takes, and the rest when it can."""
        if self.closed:
            return
        if self._out:
            self._out += data
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._out += memoryview(data)[sent:]
            self._loop.on_writable(self._sock, self._flush)

    def _flush(self) -> None:
        try:
            sent = self._sock.send(memoryview(self._out)[:CHUNK])
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._out[:sent]
        if not self._out:
            self._loop.on_writable(self._sock, None)

    def close(self) -> None:
        """Forget the peer."""
        if self.closed:
            return
        self.closed = True
        self._loop.on_readable(self._sock, None)
        self._loop.on_writable(self._sock, None)
        self._sock.close()
        self._release(self._held)
        self._server.connections.discard(self)
        if self.on_close is not None:
            self.on_close()


class Server:
    """Accepts connections on a listening socket and serves each with `handle`."""

    def __init__(
        self, loop: Loop, sock: socket.socket, *, limits: Limits, handle: Callable[[Request], None]
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._handle = handle
        self.limits = limits
        self.held = 0
        self.connections: set[Connection] = set()
        sock.setblocking(False)
        loop.on_readable(sock, self._accept)

    def _accept(self) -> None:
        try:
            peer, _ = self._sock.accept()
        except OSError:
            return
        if len(self.connections) >= self.limits.connections:
            peer.close()
            return
        peer.setblocking(False)
        if peer.family != socket.AF_UNIX:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.add(Connection(self._loop, peer, self, self._handle))

    def drain(self) -> None:
        """Read all that peers sent before now: a process that has ended may have left an answer behind."""
        self._accept()
        for connection in list(self.connections):
            while connection.read():
                pass
