"""One Invoke request as it arrives: bytes in, a checked head and a bounded body out. No I/O.

Rule: the parser never sees a byte beyond the request it was made for, so what is pipelined behind a request
stays bytes; and nothing grows beyond its bound, whatever the client sends.
"""

import re
from typing import Any

import httptools

from mayfly_gateway.http_errors import BadRequestException, RequestHeaderFieldsTooLargeException
from mayfly_gateway.request import HEADERS, too_large
from mayfly_gateway.settings import Bounds
from mayfly_model.limits import SYNC_PAYLOAD_BYTES

_INVOKE = re.compile(
    rb"POST /2015-03-31/functions/([^/? \r\n]+)/invocations(?:\?([^ \r\n]*))? HTTP/1\.([01])\r\n"
)
match_invoke = _INVOKE.match
"""Recognises the request line of an Invoke request at the beginning of some bytes."""

_KEPT = HEADERS | {b"content-length", b"transfer-encoding", b"expect", b"origin"}
_CHUNKED_OVERHEAD = SYNC_PAYLOAD_BYTES
"""How many bytes chunk lines and trailers may add to a body."""


def find_head(data: bytes, bounds: Bounds) -> int:
    """The length of the request head that `data` begins with; 0 if its end has not arrived.

    Raises:
        RequestHeaderFieldsTooLargeException: it is, or becomes, larger than the bounds allow.
        BadRequestException: this cannot become a request.
    """
    end = data.find(b"\r\n\r\n", 0, bounds.head_size) + 4
    if end >= 4:
        if data.count(b"\r\n", 0, end) > bounds.header_count + 2:
            raise RequestHeaderFieldsTooLargeException(
                f"A request has at most {bounds.header_count} headers."
            )
        return end
    if len(data) >= bounds.head_size:
        raise RequestHeaderFieldsTooLargeException(f"A request's head has at most {bounds.head_size} bytes.")
    if not data[:1].isalpha():
        raise BadRequestException("This is no HTTP/1.1 request.")
    return 0


class IncomingRequest:
    """An Invoke request whose head is there. The parser calls its `on_...` methods.

    `name` and `query` are the raw parts of the target; `received` counts the bytes taken for the body.
    """

    __slots__ = (
        "_body", "_missing", "_parser", "chunked", "complete", "headers", "keep_alive", "name", "old", "query",
        "received",
    )  # fmt: skip

    def __init__(self, request_line: re.Match[bytes], head: bytes) -> None:
        """Read a head that `match_invoke` recognised.

        Raises:
            BadRequestException: it is malformed.
            RequestTooLargeException: it announces too large a body.
        """
        name, query, minor = request_line.groups()
        self.name = name.decode("latin-1")
        self.query = "" if query is None else query.decode("latin-1")
        self.old = minor == b"0"
        self.headers: dict[bytes, bytes] = {}
        self.keep_alive = False
        self.received = 0
        self.complete = False
        self.chunked = False
        self._body: bytes | bytearray = b""
        self._parser: Any = httptools.HttpRequestParser(self)
        self._parse_head(head)
        self._missing = self._length()
        if not self.chunked:
            self._parser = None
            self.complete = self._missing == 0

    def _parse_head(self, head: bytes) -> None:
        upgrade = False
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            # An offer to change the protocol (Java's client makes it) is declined by answering as ever.
            upgrade = True
        except httptools.HttpParserError as error:
            raise BadRequestException(f"This is no HTTP/1.1 request: {error}.") from None
        self.chunked = b"transfer-encoding" in self.headers
        if upgrade and self.chunked:
            raise BadRequestException("An offer to change the protocol cannot come with a chunked body.")

    def _length(self) -> int:
        digits = self.headers.get(b"content-length", b"0")
        if len(digits) > 18 or (length := int(digits)) > SYNC_PAYLOAD_BYTES:
            raise too_large()
        return length

    @property
    def awaits_continue(self) -> bool:
        """Whether the client holds its body back until it is told to go on."""
        told = not self.complete and not self.old
        return told and self.headers.get(b"expect", b"").lower() == b"100-continue"

    def add(self, data: bytes) -> bytes:
        """Take what belongs to the body; returns what lies behind it.

        Raises:
            BadRequestException: the chunks are malformed.
            RequestTooLargeException: the body has become too large.
        """
        if self.chunked:
            self._add_chunked(data)
            return b""
        part = data[: self._missing]
        self._missing -= len(part)
        self.received += len(part)
        self._collect(part)
        self.complete = self._missing == 0
        return data[len(part) :]

    def _add_chunked(self, data: bytes) -> None:
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.complete:
                raise BadRequestException(f"The request's chunks are malformed: {error}.") from None
            self.keep_alive = False
        if self.complete:
            self._parser = None
        if self.received > SYNC_PAYLOAD_BYTES + _CHUNKED_OVERHEAD or self._missing < -SYNC_PAYLOAD_BYTES:
            raise too_large()

    def body(self) -> bytes:
        """The whole body."""
        return bytes(self._body)

    def _collect(self, part: bytes) -> None:
        """Add to the body. Not a list: the parts may be many and tiny, and would then take many times their size."""
        if not self._body:
            self._body = part
        elif isinstance(self._body, bytes):
            self._body = bytearray(self._body) + part
        else:
            self._body += part

    # The parser's calls.

    def on_message_begin(self) -> None:
        """Stop where a chunked request is followed by another: it is not read, and the connection ends."""
        if self.complete:
            raise httptools.HttpParserError("another request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that mean something, the first of each name; trailers mean nothing."""
        name = name.lower()
        if name in _KEPT and not self.chunked:
            # The parser leaves the blanks behind a value, which do not belong to it.
            self.headers.setdefault(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Ask the parser what it knows only now."""
        self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        """Collect a chunk."""
        self._missing -= len(data)
        self._collect(data)

    def on_message_complete(self) -> None:
        """The last chunk is there."""
        self.complete = self.chunked
