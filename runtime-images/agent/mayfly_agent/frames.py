"""From the bytes that a runtime writes to the messages that a person reads.

The runtime has one pipe for its standard output, its standard error and the telemetry descriptor, so that lines stay
in the order in which they were written. Plain text is cut at newlines. A telemetry frame is a header of 16 bytes,
big-endian: 0xA55A00 and a byte of kind and level, the length, the time in µs; then the message, which may hold
newlines. 0xA5 cannot begin a character of UTF-8, so text does not look like a frame.
"""

from __future__ import annotations

MAGIC = b"\xa5\x5a\x00"
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
        # A client writes a header in one piece, so less than its first four bytes is no frame's beginning.
        if self._frame_left or _begins_frame(self._buffer, whole=True):
            return []
        return self.end()

    def end(self) -> list[bytes]:
        """Whatever is left: nobody is there any more who could complete it."""
        rest, self._buffer, self._frame_left = self._buffer, b"", 0
        return pieces(rest) if rest else []

    def _step(self, messages: list[bytes]) -> bool:
        if self._frame_left:
            return self._take_frame(messages)
        if _begins_frame(self._buffer):
            return self._open_frame()
        return self._take_text(messages)

    def _open_frame(self) -> bool:
        if len(self._buffer) < HEADER:
            return False
        self._frame_left = int.from_bytes(self._buffer[4:8], "big")
        self._buffer = self._buffer[HEADER:]
        return True

    def _take_frame(self, messages: list[bytes]) -> bool:
        whole = self._frame_left <= LIMIT
        if len(self._buffer) < (self._frame_left if whole else LIMIT + 1):
            return False
        part = self._frame_left if whole else boundary(self._buffer, LIMIT)
        message = self._buffer[:part]
        messages.append(message.removesuffix(b"\n") if whole else message)
        self._buffer = self._buffer[part:]
        self._frame_left -= part
        return True

    def _take_text(self, messages: list[bytes]) -> bool:
        end = _frame_at(self._buffer)
        lines = self._buffer[:end].split(b"\n")
        rest = lines.pop()
        for line in lines:
            messages += pieces(line)
        following = self._buffer[end:]
        if _begins_frame(following, whole=True):
            messages += pieces(rest) if rest else []
            self._buffer = following
            return True
        while len(rest) > LIMIT:
            cut = boundary(rest, LIMIT)
            messages.append(rest[:cut])
            rest = rest[cut:]
        self._buffer = rest + following
        return False


def _begins_frame(data: bytes, *, whole: bool = False) -> bool:
    """Whether a frame begins here, or, unless its first four bytes must be there, may turn out to."""
    if len(data) < 4:
        return not whole and MAGIC.startswith(data[:3]) and bool(data)
    return data.startswith(MAGIC) and data[3] < 0x20 and data[3] & 2 != 0


def _frame_at(data: bytes) -> int:
    """Where the first frame begins, or may turn out to; the length if nowhere."""
    at = data.find(MAGIC)
    while at >= 0 and not _begins_frame(data[at : at + 4]):
        at = data.find(MAGIC, at + 1)
    if at >= 0:
        return at
    for length in (2, 1):
        if data.endswith(MAGIC[:length]):
            return len(data) - length
    return len(data)


def boundary(data: bytes, at: int) -> int:
    """The last place not after `at` that is not inside of a character of UTF-8."""
    for back in range(min(4, at)):
        if data[at - back] & 0xC0 != 0x80:
            return at - back
    return at


def pieces(message: bytes) -> list[bytes]:
    """The message, cut where it is longer than `LIMIT`."""
    cut = []
    while len(message) > LIMIT:
        at = boundary(message, LIMIT)
        cut.append(message[:at])
        message = message[at:]
    return [*cut, message]


def readable(message: bytes) -> str:
    """The message as text. A client without a telemetry descriptor parts the lines of an error with carriage returns.

    People must see line feeds: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html shows them so.
    """
    text = message.decode("utf-8", "replace")
    if text.startswith("[ERROR]") and "\rTraceback (most recent call last):" in text:
        text = text.replace("\r", "\n")
    return text
