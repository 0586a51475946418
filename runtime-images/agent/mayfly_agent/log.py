"""The instance's log: one JSON record per message on the agent's standard output.

    {"time": 1764035000.123, "requestId": "…" | null, "message": "…"}

Rule: whoever reads the log can be slow or gone without the agent growing or waiting. Past a bound `full` is true and
the agent stops reading its runtime's output, so that a function that floods is slowed by its own pipe; past a second
bound records are dropped and counted.
"""

from __future__ import annotations

import os
import select
import time
from json.encoder import encode_basestring_ascii as quote

from .loop import Loop, Timer, monotonic

BOUND = 1024 * 1024
"""Bytes of records that may wait for their reader before the runtime has to."""
LAST_BOUND = 4 * BOUND
LINGER = 0.005
"""Seconds that records wait for company: each write wakes their reader, who has invocations to serve."""
MANY = 16 * 1024
"""Bytes of records that wait no longer."""
WRITE = 256 * 1024
TAIL = 4096
"""Bytes of the log that an invocation's caller may ask for."""
FAREWELL = 0.5
"""Seconds that the reader of the log has to fetch the rest when the agent ends."""


class Log:
    """Writes records to a descriptor without blocking; keeps the tail of invocations whose caller wants it.

    `plain`: not records but the messages themselves, a line each, as `kubectl logs` shows them.
    """

    def __init__(self, loop: Loop, descriptor: int, *, plain: bool = False) -> None:
        self._plain = plain
        os.set_blocking(descriptor, False)
        self._loop = loop
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._blocked = False
        self._dropped = 0
        self._tails: dict[str, bytearray] = {}
        self._timer: Timer | None = None
        loop.before_wait(self._flush_many)

    @property
    def full(self) -> bool:
        """Whether so much waits that no more should be taken in."""
        return len(self._waiting) > BOUND

    def keep_tail(self, request_id: str) -> None:
        """From now on remember the end of this invocation's log, for `take_tail`."""
        self._tails[request_id] = bytearray()

    def take_tail(self, request_id: str) -> bytes | None:
        """The last 4 KB of the invocation's log, whole characters, or None if nobody asked to keep it."""
        tail = self._tails.pop(request_id, None)
        if tail is None:
            return None
        start = max(0, len(tail) - TAIL)
        while start < len(tail) and tail[start] & 0xC0 == 0x80:
            start += 1
        return bytes(tail[start:])

    def write(self, messages: list[str], request_id: str | None) -> None:
        """Add a record for each message."""
        self._keep(messages, request_id)
        if self._dropped or len(self._waiting) > LAST_BOUND:
            self._dropped += len(messages)
        else:
            self._add(messages, request_id)

    def _add(self, messages: list[str], request_id: str | None) -> None:
        if self._plain:
            self._waiting += "".join([f"{message}\n" for message in messages]).encode("utf-8", "replace")
        else:
            wanted = "null" if request_id is None else quote(request_id)
            opening = f'{{"time": {time.time():.6f}, "requestId": {wanted}, "message": '
            records = "".join([f"{opening}{quote(message)}}}\n" for message in messages])
            self._waiting += records.encode("ascii")
        if self._timer is None:
            self._timer = self._loop.call_later(LINGER, self._due)

    def finish(self, patience: float = FAREWELL) -> None:
        """Hand over what is left, to a reader who fetches it within `patience` seconds: the agent ends."""
        deadline = monotonic() + patience
        while self._waiting:
            if not select.select((), (self._descriptor,), (), max(0.0, deadline - monotonic()))[1]:
                return
            self._write()

    def _keep(self, messages: list[str], request_id: str | None) -> None:
        tail = self._tails.get(request_id) if request_id is not None else None
        if tail is None:
            return
        for message in messages:
            tail += message.encode("utf-8", "replace") + b"\n"
            # Trimmed now and then only: this is done for every line of a flood.
            if len(tail) > 16 * TAIL:
                del tail[:-TAIL]

    def _due(self) -> None:
        self._timer = None
        self._flush()

    def _flush_many(self) -> None:
        if len(self._waiting) > MANY:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting or self._blocked:
            return
        self._write()
        if self._dropped and not self.full:
            lost, self._dropped = self._dropped, 0
            self._add([f"{lost} messages were lost here: nobody read the log in time"], None)
        if self._waiting:
            self._blocked = True
            self._loop.on_writable(self._descriptor, self._unblock)

    def _write(self) -> None:
        try:
            written = os.write(self._descriptor, memoryview(self._waiting)[:WRITE])
        except BlockingIOError:
            return
        except OSError:
            # Nobody reads any more: the log has nowhere to go, the function still has.
            written = len(self._waiting)
        del self._waiting[:written]

    def _unblock(self) -> None:
        self._blocked = False
        self._loop.on_writable(self._descriptor, None)
        self._flush()
