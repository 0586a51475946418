"""One accepted socket: hands each request to the server's handler and sends what is given back.

Rule: one request is in work per connection. What a peer pipelines behind it waits unread, and so does a peer that
does not fetch its answers.
"""

from __future__ import annotations

import contextlib
import socket

from .http import Incoming, RefusedError, Request, head
from .loop import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import Loop
    from .server import Crowd, Server

CHUNK = 64 * 1024


class Connection:
    """One accepted socket."""

    def __init__(self, loop: Loop, sock: socket.socket, server: Server, *, crowd: Crowd) -> None:
        self._loop = loop
        self._crowd = crowd
        crowd[self] = None
        self._sock = sock
        self._server = server
        self._incoming = Incoming(self, server.limits)
        self._held = 0
        self._in_work: Request | None = None
        self._out = bytearray()
        self._reading = True
        self._last = False
        self.closed = False
        self.on_close: Callable[[], None] | None = None
        loop.on_readable(sock, self.read)

    # What the loop calls.

    def read(self) -> bool:
        """Take in what the peer sent; False when there was nothing to read or nobody is there any more."""
        if self.closed or self._incoming.ready:
            return False
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._feed(data)
        else:
            self.close()
        return not self.closed

    def _feed(self, data: bytes) -> None:
        try:
            self._incoming.feed(data)
            self._account()
            limits = self._server.limits
            if self._server.held > limits.held and self._held > limits.held // limits.connections:
                raise RefusedError(503)
        except RefusedError as refused:
            self._refuse(refused.status)
            return
        self._serve()

    def _account(self) -> None:
        self._server.held += self._incoming.held - self._held
        self._held = self._incoming.held

    def _refuse(self, status: int) -> None:
        # In the middle of another answer there is no place for this one.
        if self._in_work is None:
            self.send(head(status, ((b"Content-Length", b"0"), (b"Connection", b"close"))))
        self.close()

    def _serve(self) -> None:
        """Hand over the next request, unless one is in work or an answer has not been fetched."""
        if self._last:
            self._end_if_last()
            return
        while self._in_work is None and not self._out and not self.closed:
            request = self._incoming.take()
            if request is None:
                break
            self._in_work = request
            self._server.handle(request)
        self._read_on(not self._incoming.ready)

    def _read_on(self, wanted: bool) -> None:
        if wanted != self._reading and not self.closed:
            self._reading = wanted
            self._loop.on_readable(self._sock, self.read if wanted else None)

    # What handlers call.

    def trust(self) -> None:
        """The peer has shown that it is the gateway: nobody else's crowd takes its place."""
        if self._crowd is not self._server.trusted and not self.closed:
            del self._crowd[self]
            self._crowd = self._server.trusted
            self._crowd[self] = None

    def idle(self) -> bool:
        """Whether nothing of the peer's is in work."""
        return self._in_work is None and not self._out and not self._incoming.receiving

    def next_request(self) -> None:
        """The request in work is answered: go on with what came after it."""
        request, self._in_work = self._in_work, None
        if self.closed or request is None:
            return
        self._incoming.held -= len(request.body)
        self._account()
        self._last = not request.keep_alive
        self._end_if_last()
        # Not from within the handler: a peer that pipelines must not grow the stack.
        if self._incoming.ready:
            self._loop.call_later(0, self._serve)

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

    def send_continue(self) -> None:
        """Ask for a body that the peer holds back, unless another answer must come first."""
        if self._in_work is None and not self._incoming.ready:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def alive(self) -> bool:
        """Whether the peer is still there, as far as this end can know."""
        if self.closed:
            return False
        try:
            gone = not self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:
            self.close()
        return not gone

    def close(self) -> None:
        """Forget the peer."""
        if self.closed:
            return
        self.closed = True
        self._loop.on_readable(self._sock, None)
        self._loop.on_writable(self._sock, None)
        self._sock.close()
        self._incoming.drop()
        self._out = bytearray()
        self._account()
        self._crowd.pop(self, None)
        if self.on_close is not None:
            self.on_close()

    def finish(self, deadline: float) -> None:
        """Send the rest now, waiting for the peer to fetch it until the deadline: the agent ends."""
        with contextlib.suppress(OSError):
            while self._out and (left := deadline - monotonic()) > 0:
                self._sock.settimeout(left)
                del self._out[: self._sock.send(self._out)]

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
            self._serve()

    def _end_if_last(self) -> None:
        # A body that is still on its way would turn the close into a reset, which takes the answer with it.
        if self._last and not self._out and not self._incoming.receiving:
            self.close()
