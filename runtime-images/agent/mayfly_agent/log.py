"""The instance's log: one JSON record per message on the agent's standard output.

    {"time": 1764035000.123, "requestId": "…" | null, "message": "…"}

Rule: whoever reads the log can be slow or gone without the agent growing or waiting. Past a bound `full` is true and
the agent stops reading its runtime's output, so that a function that floods is slowed by its own pipe.
"""

from __future__ import annotations

import os
import time
from json.encoder import encode_basestring_ascii as quote

from .loop import Loop

BOUND = 1024 * 1024
"""Bytes of records that may wait for their reader."""
TAIL = 4096
"""Bytes of the log that an invocation's caller may ask for."""


class Log:
    """Writes records to a descriptor without blocking; keeps the tail of invocations whose caller wants it."""

    def __init__(self, loop: Loop, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._loop = loop
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._blocked = False
        self._tails: dict[str, bytearray] = {}
        loop.before_wait(self._write)

    @property
    def full(self) -> bool:
        """Whether so much waits that no more should be taken in."""
        return len(self._waiting) > BOUND

    def keep_tail(self, request_id: str) -> None:
        """From now on remember the end of this invocation's log, for `take_tail`."""
        self._tails[request_id] = bytearray()

    def take_tail(self, request_id: str) -> bytes | None:
        """The last 4 KB of the invocation's log, or None if nobody asked to keep it."""
        tail = self._tails.pop(request_id, None)
        return None if tail is None else bytes(tail[-TAIL:])

    def write(self, message: str, request_id: str | None) -> None:
        """Add one record."""
        wanted = "null" if request_id is None else quote(request_id)
        record = f'{{"time": {time.time():.6f}, "requestId": {wanted}, "message": {quote(message)}}}\n'
        self._waiting += record.encode("ascii")
        tail = self._tails.get(request_id) if request_id is not None else None
        if tail is not None:
            tail += message.encode("utf-8", "replace") + b"\n"
            del tail[: max(0, len(tail) - 2 * TAIL)]

    def _write(self) -> None:
        if not self._waiting or self._blocked:
            return
        try:
            written = os.write(self._descriptor, self._waiting[: 256 * 1024])
        except BlockingIOError:
            written = 0
        except OSError:
            # Nobody reads any more: the log has nowhere to go, the function still has.
            written = len(self._waiting)
        del self._waiting[:written]
        if self._waiting:
            self._blocked = True
            self._loop.on_writable(self._descriptor, self._unblock)

    def _unblock(self) -> None:
        self._blocked = False
        self._loop.on_writable(self._descriptor, None)
        self._write()
