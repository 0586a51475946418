"""The gateway's end of one instance: a connection to its agent that carries one call at a time.

An invocation's answer comes in two parts. The payload is handed over as soon as its announced length has
arrived, for the caller waits for nothing else; the trailers after it say that the instance is free. Whatever
the agent sends, a bounded number of bytes is kept, and anything that the protocol does not foresee ends the
connection: behind it may be user code that took the agent over.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools

from mayfly_gateway.sending import notice_silence, send
from mayfly_model.limits import RESPONSE_BYTES

_HEAD_ROOM = 32 * 1024
"""Bytes beside the payload: status line, headers, chunk lines and trailers (the log tail is at most 5.4 KB)."""
MAX_ANSWER_SIZE = RESPONSE_BYTES + 1024 + _HEAD_ROOM

ControlReply = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEvents:
    """What is done when something happens on the connection.

    `payload(payload, function_error)`: the function's answer is complete.
    `free(report, log_tail)`: the instance can take its next invocation; both as sent, empty if not.
    `refused(status)`: the agent took no invocation, and the runtime has seen nothing of it.
    `lost(delivered)`: the connection is gone; `delivered` is false if nothing can have reached the runtime.
    """

    payload: Callable[[bytes, bool], None]
    free: Callable[[bytes, bytes], None]
    refused: Callable[[int], None]
    lost: Callable[[bool], None]


class AgentConnection(asyncio.Protocol):
    """One connection to one agent. The parser calls its `on_...` methods."""

    def __init__(self, events: AgentEvents) -> None:
        self._events = events
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._local = False
        self._unsent = False
        self._control: ControlReply | None = None
        self._expecting = False
        self._reset()

    def _reset(self) -> None:
        self._size = 0
        self._begun = False
        self._in_trailers = False
        self._complete = False
        self._announced = -1
        self._function_error = False
        self._report = b""
        self._log_tail = b""
        self._arrived = 0
        self._parts: list[bytes] = []
        self._payload: bytes | None = None

    # What the dispatcher asks for.

    def invoke(self, head: bytes, payload: bytes) -> bool:
        """Send one invocation. False if the connection is closing: then nothing was sent."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        self._expecting = True
        send(transport, head, payload)
        return True

    def control(self, request: bytes, on_reply: ControlReply, body: bytes = b"") -> bool:
        """Send a request that is no invocation, and the rest of its body if it is not in there.

        `on_reply(status, body)`: status 0 if the connection is lost.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        self._expecting = True
        self._control = on_reply
        send(transport, request, body)
        return True

    def abort(self) -> None:
        """Drop the connection; `lost` follows."""
        if self._transport is not None:
            self._transport.abort()

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to listen to the agent."""
        self._transport = cast(asyncio.Transport, transport)
        notice_silence(transport)
        self._local = not isinstance(transport.get_extra_info("peername"), tuple)

    def eof_received(self) -> None:
        """Note whether the agent went before it was sent everything; the transport then closes."""
        assert self._transport is not None  # noqa: S101
        self._unsent = self._transport.get_write_buffer_size() > 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the dispatcher, and drop the parser, which refers back to this object."""
        self._transport = self._parser = None
        control, self._control = self._control, None
        if control is not None:
            control(0, b"")
        self._events.lost(not self._surely_undelivered(exc))

    def _surely_undelivered(self, exc: Exception | None) -> bool:
        """Whether the agent cannot have read the whole invocation, without which it hands nothing on.

        A failed write left bytes behind. On a Unix socket a reset means that the peer ended with bytes unread;
        over TCP a reset may come from a machine that took over the address, and proves nothing.
        """
        if self._size:
            return False
        return (
            self._unsent
            or isinstance(exc, BrokenPipeError)
            or (self._local and isinstance(exc, ConnectionResetError))
        )

    def data_received(self, data: bytes) -> None:
        """Parse what came, then report what it completed."""
        self._size += len(data)
        try:
            if not self._expecting or self._size > MAX_ANSWER_SIZE:
                raise httptools.HttpParserError("the agent sent more than it was asked for")
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.abort()
            return
        if self._payload is not None:
            payload, self._payload = self._payload, None
            self._events.payload(payload, self._function_error)
        if self._complete:
            self._finish()

    def _finish(self) -> None:
        status = self._status
        control, self._control = self._control, None
        report, log_tail, body = self._report, self._log_tail, b"".join(self._parts)
        self._expecting = False
        self._reset()
        if control is not None:
            control(status, body)
        elif status == 200:
            self._events.free(report, log_tail)
        else:
            self._events.refused(status)

    # The parser's calls.

    def on_message_begin(self) -> None:
        """Refuse a second answer to one request."""
        if self._begun:
            raise httptools.HttpParserError("two answers to one request")
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the few headers and trailers that mean something."""
        name = name.lower()
        if self._in_trailers:
            if name == b"mayfly-report":
                self._report = value
            elif name == b"mayfly-log-tail":
                self._log_tail = value
        elif name == b"mayfly-payload-length":
            self._announced = _length(value)
        elif name == b"mayfly-function-error":
            self._function_error = True

    def on_headers_complete(self) -> None:
        """An empty payload is complete here."""
        self._in_trailers = True
        self._status = self._parser.get_status_code()
        if self._status != 200:
            self._announced = -1
        elif self._announced < 0 and self._control is None:
            # It may have run: that is no refusal, after which it would be run again.
            raise httptools.HttpParserError("an answer without the length of its payload")
        if self._announced == 0:
            self._payload = b""

    def on_body(self, data: bytes) -> None:
        """Collect the payload until it has its announced length."""
        self._arrived += len(data)
        if self._announced < 0 or self._arrived < self._announced:
            self._parts.append(data)
        elif self._arrived == self._announced:
            self._payload = b"".join((*self._parts, data)) if self._parts else data
            self._parts.clear()
        else:
            raise httptools.HttpParserError("more payload than announced")

    def on_message_complete(self) -> None:
        """Note the end of the answer; an agent that will close is not given another call."""
        if self._arrived < self._announced:
            raise httptools.HttpParserError("less payload than announced")
        self._complete = True
        if not self._parser.should_keep_alive():
            assert self._transport is not None  # noqa: S101
            self._transport.close()


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > 9:
        raise httptools.HttpParserError("no payload length")
    return int(value)
