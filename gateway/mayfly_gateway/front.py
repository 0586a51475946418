"""The HTTP server for Invoke requests: a bare asyncio protocol that bounds everything a client can do.

Rule: one request of a connection is served at a time, and no connection is waited for without a deadline, which
a common sweep watches. A connection whose next request is another route goes over to aiohttp, with every byte of
that request, and stays there.
"""

import asyncio
import re
from collections.abc import Callable
from email.utils import formatdate
from typing import cast

from mayfly_gateway.answers import Reply, error_reply, head
from mayfly_gateway.bodies import Bodies, too_many_bodies
from mayfly_gateway.http_errors import RequestTimeoutException
from mayfly_gateway.incoming import IncomingRequest, find_head, match_invoke
from mayfly_gateway.invoke import Invoke
from mayfly_gateway.origins import check_origin, over_loopback
from mayfly_gateway.request import new_request_id
from mayfly_gateway.sending import send
from mayfly_gateway.settings import Bounds
from mayfly_model.errors import LambdaError

_FOREVER = float("inf")


_READY, _READING, _SERVING, _ENDING = range(4)
"""Where a connection is: between two requests; one has begun; one is complete and its reply awaited; the last reply
is written and what still comes is thrown away. Plain numbers, since an Enum's members cost on each access."""


class Front:
    """All connections of the Invoke server, what they share, and the sweep that ends the late ones."""

    def __init__(
        self,
        *,
        invoke: Invoke,
        bodies: Bodies,
        bounds: Bounds,
        other: Callable[[], asyncio.Protocol],
        others: Callable[[], int],
    ) -> None:
        """`other` makes the protocol for every other route, `others` counts the connections that have one."""
        self.invoke = invoke
        self.bodies = bodies
        self.bounds = bounds
        self.other = other
        self.loop = asyncio.get_running_loop()
        self.connections: set[FrontConnection] = set()
        self.leaving = False
        self.date = formatdate(usegmt=True)
        self._others = others
        self._timer = self.loop.call_later(self.bounds.tick, self._sweep)

    def connection(self) -> "FrontConnection":
        """The protocol of one new connection."""
        return FrontConnection(self)

    def full(self) -> bool:
        """Whether there are as many connections as there may be."""
        return len(self.connections) + self._others() >= self.bounds.connections

    def leave(self) -> None:
        """End each connection with its next reply, which says so: no client's request meets a closed connection."""
        self.leaving = True

    def stop(self) -> None:
        """End the connections that wait for a request; the others end with the reply that they wait for."""
        self.leave()
        for connection in tuple(self.connections):
            connection.end_if_ready()

    def close(self) -> None:
        """End every connection."""
        self._timer.cancel()
        for connection in tuple(self.connections):
            connection.abort()

    def _sweep(self) -> None:
        self.date = formatdate(usegmt=True)
        now = self.loop.time()
        for connection in tuple(self.connections):
            if connection.deadline < now:
                connection.expire()
        self._timer = self.loop.call_later(self.bounds.tick, self._sweep)


class FrontConnection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_buffer", "_choked", "_front", "_held", "_paused", "_request", "_state", "_transport", "deadline"
    )  # fmt: skip

    def __init__(self, front: Front) -> None:
        self._front = front
        self._transport: asyncio.Transport | None = None
        self._state = _READY
        self._request: IncomingRequest | None = None
        self._buffer = b""
        self._held = 0
        self._paused = False
        self._choked = False
        self.deadline = _FOREVER

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the client, unless there are too many."""
        self._transport = cast(asyncio.Transport, transport)
        if self._front.full():
            self._transport.abort()
            return
        self._front.connections.add(self)
        self._wait(self._front.bounds.head_time)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the client. An invocation goes on, and its reply finds nobody."""
        self._front.connections.discard(self)
        self._transport = self._request = None
        self._buffer = b""
        if self._state != _SERVING:
            self._let_go()

    def pause_writing(self) -> None:
        """The client does not read. It gets no other reply before it has read this one."""
        self._choked = True

    def resume_writing(self) -> None:
        """The client has read."""
        self._choked = False
        if self._state == _READY:
            self._wait(self._front.bounds.idle_time)
            self._go_on()

    def data_received(self, data: bytes) -> None:
        """Read what came, or keep it until its turn comes."""
        if self._state == _ENDING:
            return
        if self._state == _SERVING or self._choked:
            self._keep(data)
        else:
            self._read(data)

    # Reading.

    def _keep(self, data: bytes) -> None:
        """Hold what is pipelined, and read no more of it from the socket."""
        self._buffer += data
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """Turn to what was pipelined meanwhile."""
        if self._state != _READY or self._choked or self._transport is None:
            return
        data, self._buffer = self._buffer, b""
        if data:
            self._read(data)
        if self._paused and self._state != _SERVING and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _read(self, data: bytes) -> None:
        try:
            if self._request is None:
                self._read_head(self._buffer + data if self._buffer else data)
            else:
                self._read_body(self._request, data)
        except LambdaError as error:
            self._refuse(error)

    def _read_head(self, data: bytes) -> None:
        data = data.lstrip(b"\r\n") if data[0] in b"\r\n" else data
        end = find_head(data, self._front.bounds) if data else 0
        if end == 0:
            self._buffer = data
            if data and self._state == _READY:
                self._state = _READING
                self._wait(self._front.bounds.head_time)
        elif (request_line := match_invoke(data)) is not None:
            self._begin(request_line, data[:end], data[end:])
        else:
            self._hand_over(data)

    def _begin(self, request_line: re.Match[bytes], start: bytes, rest: bytes) -> None:
        self._buffer = b""
        self._state = _READING
        request = IncomingRequest(request_line, start)
        if (origin := request.headers.get(b"origin")) is not None and over_loopback(self._transport):
            check_origin(origin.decode("latin-1"))
        self._request = request
        if rest or request.complete:
            self._read_body(request, rest)
        elif request.awaits_continue and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not request.complete:
            self._wait(self._front.bounds.body_time)

    def _read_body(self, request: IncomingRequest, data: bytes) -> None:
        before = request.received
        rest = request.add(data) if data else b""
        size = request.received - before
        if not self._front.bodies.take(size):
            raise too_many_bodies()
        self._held += size
        if not request.complete:
            return
        self._state = _SERVING
        self.deadline = _FOREVER
        if rest:
            self._keep(rest)
        self._front.invoke.serve(request.name, request.query, request.headers, request.body(), self._reply)

    def _hand_over(self, data: bytes) -> None:
        """Leave the connection to aiohttp, as if it had just been made."""
        transport = self._transport
        assert transport is not None  # noqa: S101
        self._front.connections.discard(self)
        self._transport = None
        self._buffer = b""
        if self._paused:
            transport.resume_reading()
        other = self._front.other()
        transport.set_protocol(other)
        other.connection_made(transport)
        other.data_received(data)

    # Writing.

    def _reply(self, reply: Reply) -> None:
        """Write the reply to the request that was served, if there is still somebody to read it."""
        self._let_go()
        request, self._request = self._request, None
        if self._transport is None or request is None:
            return
        keep_alive = request.keep_alive and not self._front.leaving
        self._write(reply, "keep-alive" if keep_alive and request.old else "" if keep_alive else "close")
        if not keep_alive:
            self._end(self._transport)
            return
        self._state = _READY
        self._wait(self._front.bounds.write_time if self._choked else self._front.bounds.idle_time)
        if self._buffer:
            self._front.loop.call_soon(self._go_on)

    def _refuse(self, error: LambdaError) -> None:
        """Reply to a request that was not read to its end, and read no other."""
        self._let_go()
        self._request = None
        self._buffer = b""
        if self._transport is not None:
            self._write(error_reply(error, request_id=new_request_id()), "close")
            self._end(self._transport)

    def _write(self, reply: Reply, connection: str) -> None:
        assert self._transport is not None  # noqa: S101
        send(self._transport, head(reply, date=self._front.date, connection=connection), reply.body)

    def _let_go(self) -> None:
        """Count this request's body as held no more."""
        self._front.bodies.give_back(self._held)
        self._held = 0

    # Ending.

    def _wait(self, seconds: float) -> None:
        self.deadline = self._front.loop.time() + seconds

    def _end(self, transport: asyncio.Transport) -> None:
        """Half-close, and let the client finish what it is sending: a reset would cost it the reply."""
        self._state = _ENDING
        unsent = transport.get_write_buffer_size() > 0
        self._wait(self._front.bounds.write_time if unsent else self._front.bounds.linger_time)
        if self._paused:
            self._paused = False
            transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()

    def end_if_ready(self) -> None:
        """End now if no request is under way."""
        if self._state == _READY and self._transport is not None:
            self._transport.close()
            self._wait(self._front.bounds.linger_time)

    def expire(self) -> None:
        """The client was given its time."""
        if self._state == _READING:
            self._refuse(RequestTimeoutException("The request did not arrive in time."))
        else:
            self.abort()

    def abort(self) -> None:
        """End now, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()
