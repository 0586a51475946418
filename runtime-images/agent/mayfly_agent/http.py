"""HTTP/1.1 messages: whole requests out of a peer's bytes, and the bytes of answers.

Rule: bytes from a peer can neither crash the agent nor make it hold more memory than the limits say.
"""

from __future__ import annotations

import httptools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection
    from .spool import Spool

    Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
HEADERS = 256
"""Headers of one request, trailers included."""
PIPELINED = 16
"""Whole requests of one connection that wait to be served."""
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
    422: b"Unprocessable Entity",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class RefusedError(Exception):
    """What the peer sends cannot be served: the status to answer before the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Limits:
    """How much is taken in: bytes of a head, of the bodies of all unanswered requests; connections at once.

    `strangers`: connections at once whose peer has not shown yet who it is, None where nobody has to. `admit` says,
    from its head, how many bytes of body a request may bring.
    """

    __slots__ = ("admit", "connections", "head", "held", "strangers")

    def __init__(
        self,
        *,
        head: int,
        held: int,
        connections: int,
        admit: Callable[[Request], int],
        strangers: int | None = None,
    ) -> None:
        self.head = head
        self.held = held
        self.connections = connections
        self.strangers = strangers
        self.admit = admit


class Request:
    """One request. `oversized`: its body passes the limit; it is thrown away, and the answer need not wait for it.

    `admit` may give it a `sink`, which then takes its body in, or a `refusal`: the status and reason to answer with.
    """

    __slots__ = (
        "body",
        "connection",
        "headers",
        "keep_alive",
        "method",
        "oversized",
        "path",
        "refusal",
        "sink",
    )

    def __init__(
        self, connection: Connection, method: bytes, path: bytes, headers: dict[bytes, bytes]
    ) -> None:
        self.connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.keep_alive = True
        self.body = b""
        self.oversized = False
        self.sink: Spool | None = None
        self.refusal: tuple[int, str] | None = None

    def respond(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        """Answer with a body of known length, JSON unless a header says otherwise, and read the next request."""
        self.connection.send(head(status, ((b"Content-Length", b"%d" % len(body)), *headers)) + body)
        self.connection.next_request()


def head(status: int, headers: Headers) -> bytes:
    """A status line and its headers. `Content-Type: application/json`, without a charset, unless one is given.

    The stock Python runtime client dies of a missing type and hands over bytes if a charset is named.
    """
    lines = [b"HTTP/1.1 %d %s" % (status, REASONS[status])]
    if not any(name == b"Content-Type" for name, _ in headers):
        lines.append(b"Content-Type: " + JSON)
    lines.extend([name + b": " + value for name, value in headers])
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Incoming:
    """Turns the bytes of one connection into requests; the parser calls its `on_...` methods.

    `ready` are the requests to be served, `held` the bytes of bodies kept for them and for the one under way.
    """

    def __init__(self, connection: Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._body: bytes | bytearray = b""
        self._since_body = 0
        self._taken = 0
        self._limit = 0
        self.receiving = False
        self.ready: list[Request] = []
        self.held = 0

    def feed(self, data: bytes) -> None:
        """Take in bytes. Raises RefusedError when they are no HTTP or pass a limit."""
        self._since_body += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            raise cause if isinstance(cause, RefusedError) else RefusedError(400) from None
        except httptools.HttpParserUpgrade:
            raise RefusedError(400) from None
        if self.receiving and self._since_body > self._limits.head:
            raise RefusedError(431)

    def take(self) -> Request | None:
        """The next request to be served, if there is one."""
        return self.ready.pop(0) if self.ready else None

    def drop(self) -> None:
        """Let go of everything: the peer is gone. The parser refers back here, so the collector would take its time."""
        for request in (self._request, *self.ready):
            if request is not None and request.sink is not None and (self.receiving or request in self.ready):
                request.sink.close()
        self._request = None
        self._body = b""
        self.ready.clear()
        self.held = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        self.receiving = True
        self._request = None
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._taken = 0

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, whole."""
        if len(self._headers) >= HEADERS:
            raise RefusedError(431)
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The head is whole; a body may follow."""
        path = self._url.partition(b"?")[0]
        request = Request(self._connection, self._parser.get_method(), path, self._headers)
        request.keep_alive = self._parser.should_keep_alive()
        self._request = request
        self._limit = self._limits.admit(request)
        announced = self._headers.get(b"content-length", b"0")
        if len(announced) > 9 or int(announced) > self._limit:
            self._throw_body_away(request)
        elif self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._connection.send_continue()

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self._since_body = 0
        request = self._request
        if request is None or request.oversized:
            return
        self._taken += len(data)
        if self._taken > self._limit:
            self._throw_body_away(request)
            return
        if request.sink is not None:
            request.sink.write(data)
            return
        self.held += len(data)
        if not self._body:
            self._body = data
        elif isinstance(self._body, bytes):
            # Thousands of small pieces in a list would weigh many times what they hold.
            self._body = bytearray(self._body) + data
        else:
            self._body += data

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._since_body = 0
        self.receiving = False
        request = self._request
        if request is None or request.oversized:
            return
        request.body = bytes(self._body)
        self._body = b""
        self._put(request)

    def _throw_body_away(self, request: Request) -> None:
        request.oversized = True
        if request.sink is not None:
            request.sink.close()
        self.held -= len(self._body)
        self._body = b""
        self._put(request)

    def _put(self, request: Request) -> None:
        if len(self.ready) >= PIPELINED:
            raise RefusedError(400)
        self.ready.append(request)
