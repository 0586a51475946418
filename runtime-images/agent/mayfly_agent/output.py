"""The pipe into which the runtime and its children write, read into the log and told apart by invocation.

Rule: it is read in small portions and only while the log has room, so that a flood can neither delay a timer nor fill
the memory: whoever floods waits for the reader.
"""

from __future__ import annotations

import os

from .frames import Framer, readable
from .log import Log
from .loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PORTION = 8 * 1024
DRAIN_PORTIONS = 16
"""A pipe holds 64 KB unless somebody made it larger; a drain may not follow a writer without end."""


class Output:
    """`write_end` is for the runtime; `owners` tells the request ids that run."""

    def __init__(self, loop: Loop, log: Log, *, owners: Callable[[], list[str]]) -> None:
        self._loop = loop
        self._log = log
        self._owners = owners
        self._framer = Framer()
        self._reading = True
        self._pipe, self.write_end = os.pipe()
        os.set_blocking(self._pipe, False)
        loop.on_readable(self._pipe, self._read)
        loop.before_wait(self._go_on)

    def drain(self) -> None:
        """Take in what was written before now."""
        for _ in range(DRAIN_PORTIONS):
            if not self._read():
                self._write(self._framer.flush())
                return

    def end(self) -> None:
        """Take in the rest: everything that wrote is dead, and what it left unfinished stays so."""
        self.drain()
        self._write(self._framer.end())

    def _read(self) -> bool:
        try:
            data = os.read(self._pipe, PORTION)
        except BlockingIOError:
            return False
        self._write(self._framer.feed(data))
        if self._log.full and self._reading:
            self._reading = False
            self._loop.on_readable(self._pipe, None)
        return True

    def _go_on(self) -> None:
        if not self._reading and not self._log.full:
            self._reading = True
            self._loop.on_readable(self._pipe, self._read)

    def _write(self, messages: list[bytes]) -> None:
        if not messages:
            return
        texts = [readable(message) for message in messages]
        owners = self._owners()
        if len(owners) < 2:
            self._log.write(texts, owners[0] if owners else None)
            return
        # Of several that run at once only the message itself can tell; the stock clients' loggers name the id.
        for text in texts:
            self._log.write([text], next((owner for owner in owners if owner in text), None))
