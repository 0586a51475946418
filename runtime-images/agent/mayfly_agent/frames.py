"""From the bytes that a runtime writes to the messages that a person reads.

The runtime has one pipe for its standard output, its standard error and the telemetry descriptor, so that lines stay
in the order in which they were written. Plain text is cut at newlines. A telemetry frame is a header of 16 bytes,
big-endian: 0xA55A, two bytes of kind, the length, the time in µs; then the message, which may hold newlines. 0xA5
cannot begin a character of UTF-8, so text does not look like a frame.
"""

from __future__ import annotations

MAGIC = b"\xa5\x5a"
HEADER = 16
LIMIT = 256 * 1024
"""The longest message, in bytes, as in CloudWatch Logs; a longer one goes on in the next message."""


class Framer:
    """Turns chunks of the pipe into whole messages; holds at most one unfinished message."""

    __slots__ = ("_buffer", "_frame_left")

    def __init__(self) -> None:
        self._buffer = b""
        self._frame_left = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, without their closing newline."""
        self._buffer += data
        messages: list[bytes] = []
        while self._buffer and self._step(messages):
            pass
        return messages

    def flush(self) -> list[bytes]:
        """The text that has no newline yet; an unfinished frame stays, its rest is on its way."""
        if not self._buffer or self._frame_left or self._buffer.startswith(MAGIC):
            return []
        rest, self._buffer = self._buffer, b""
        return [rest]

    def _step(self, messages: list[bytes]) -> bool:
        if self._frame_left:
            return self._take_frame(messages)
        if self._buffer.startswith(MAGIC):
            return self._open_frame()
        return self._take_text(messages)

    def _open_frame(self) -> bool:
        if len(self._buffer) < HEADER:
            return False
        self._frame_left = int.from_bytes(self._buffer[4:8], "big")
        self._buffer = self._buffer[HEADER:]
        return True

    def _take_frame(self, messages: list[bytes]) -> bool:
        part = min(self._frame_left, LIMIT)
        if len(self._buffer) < part:
            return False
        messages.append(self._buffer[:part].removesuffix(b"\n"))
        self._buffer = self._buffer[part:]
        self._frame_left -= part
        return True

    def _take_text(self, messages: list[bytes]) -> bool:
        frame = self._buffer.find(MAGIC)
        text = self._buffer if frame < 0 else self._buffer[:frame]
        lines = text.split(b"\n")
        rest = lines.pop()
        for line in lines:
            messages.extend(pieces(line))
        if frame >= 0:
            messages.extend(pieces(rest) if rest else [])
            self._buffer = self._buffer[frame:]
            return True
        whole = len(rest) - len(rest) % LIMIT
        messages.extend(pieces(rest[:whole]) if whole else [])
        self._buffer = rest[whole:]
        return False


def pieces(message: bytes) -> list[bytes]:
    """The message, cut where it is longer than `LIMIT`."""
    if len(message) <= LIMIT:
        return [message]
    return [message[at : at + LIMIT] for at in range(0, len(message), LIMIT)]


def readable(message: bytes) -> str:
    """The message as text. A client without a telemetry descriptor parts the lines of an error with carriage returns.

    People must see line feeds: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html shows them so.
    """
    text = message.decode("utf-8", "replace")
    if text.startswith("[ERROR]") and "\rTraceback (most recent call last):" in text:
        text = text.replace("\r", "\n")
    return text
