"""The gateway's end of a connection to another one: carries one forwarded call at a time.

Rule: nothing that the other side sends is kept without a bound, and a reply is handed on only when it is whole.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import httptools

from mayfly_gateway.answers import Reply
from mayfly_gateway.sending import notice_silence, send
from mayfly_gateway.upstream import MAX_ANSWER_SIZE

_RELAYED = {
    name.lower().encode(): name
    for name in (
        "Content-Type",
        "X-Amz-Executed-Version",
        "X-Amz-Function-Error",
        "X-Amz-Log-Result",
        "X-Amzn-Trace-Id",
        "x-amzn-ErrorType",
        "x-amzn-RequestId",
    )
}
"""The headers of a reply that mean something to the caller; the others belong to the connection."""

OnReply = Callable[[Reply | None], None]
"""Told the reply, or None if the connection was lost before it was whole."""


class PeerConnection(asyncio.Protocol):
    """One connection to another gateway. The parser calls its `on_...` methods."""

    def __init__(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._on_reply: OnReply | None = None
        self.idle_since = 0.0
        self._reset()

    def _reset(self) -> None:
        self._size = 0
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._complete = False
        self._keep_alive = False

    @property
    def usable(self) -> bool:
        """Whether it can take a call."""
        return self._on_reply is None and self._transport is not None and not self._transport.is_closing()

    def request(self, head: bytes, body: bytes, on_reply: OnReply) -> None:
        """Send a call over a usable connection."""
        assert self._transport is not None  # noqa: S101
        self._on_reply = on_reply
        send(self._transport, head, body)

    def close(self) -> None:
        """End it; a call that it carries is lost."""
        if self._transport is not None:
            self._transport.abort()

    # The transport's calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)
        notice_silence(transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._transport = self._parser = None
        on_reply, self._on_reply = self._on_reply, None
        if on_reply is not None:
            on_reply(None)

    def data_received(self, data: bytes) -> None:
        """Parse; hand on the reply when it is whole."""
        self._size += len(data)
        try:
            if self._on_reply is None or self._size > MAX_ANSWER_SIZE:
                raise httptools.HttpParserError("more than was asked for")
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()
            return
        if self._complete:
            self._finish()

    def _finish(self) -> None:
        on_reply, self._on_reply = self._on_reply, None
        reply = Reply(self._status, self._headers, b"".join(self._body))
        keep_alive = self._keep_alive
        self._reset()
        if not keep_alive:
            self.close()
        if on_reply is not None:
            on_reply(reply)

    # The parser's calls.

    def on_message_begin(self) -> None:
        """Refuse a second reply to one request."""
        if self._complete:
            raise httptools.HttpParserError("two replies to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what is handed on."""
        relayed = _RELAYED.get(name.lower())
        if relayed is not None:
            self._headers[relayed] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Refuse what is no reply to a call."""
        self._status = self._parser.get_status_code()
        if self._status < HTTPStatus.OK:
            raise httptools.HttpParserError("an interim reply")

    def on_body(self, data: bytes) -> None:
        """Collect."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """The reply is whole. Afterwards the parser would not know any more what it said of the connection."""
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()
