"""What the runtime and its children write, read into the log and told apart by invocation.

Rule: it is read in small portions and only while the log has room, so that a flood can neither delay a timer nor fill
the memory: whoever floods waits for the reader.
"""

from __future__ import annotations

import contextlib
import os
import socket

from .frames import Framer, readable
from .log import Log
from .loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Owners = Callable[[], list[str]]

PORTION = 8 * 1024
DRAIN_PORTIONS = 16
"""A pipe holds 64 KB unless somebody made it larger; a drain may not follow a writer without end."""
STREAMS = 256
"""Streams beside the pipe: two for each of many workers."""


class Stream:
    """One descriptor that is read. `single`: whoever writes here serves one invocation at a time."""

    def __init__(self, loop: Loop, log: Log, descriptor: int, *, owners: Owners, single: bool) -> None:
        self._loop = loop
        self._log = log
        self._descriptor = descriptor
        self._owners = owners
        self._single = single
        self._owner: str | None = None
        self._framer = Framer()
        self._reading = True
        self.ended = False
        os.set_blocking(descriptor, False)
        loop.on_readable(descriptor, self._read)

    def drain(self) -> None:
        """Take in what was written before now."""
        for _ in range(DRAIN_PORTIONS):
            if not self._read():
                # Where several run, one's end comes in the middle of another's line.
                self._write([] if self._single else self._framer.flush())
                return

    def end(self) -> None:
        """Take in the rest: everything that wrote is dead, and what it left unfinished stays so."""
        self.drain()
        self._write(self._framer.end())

    def close(self) -> None:
        """Take in the rest and read no more."""
        self.drain()
        if not self.ended:
            self._close()

    def go_on(self) -> None:
        """Read again if the log has room again."""
        if not self._reading and not self._log.full:
            self._reading = True
            self._loop.on_readable(self._descriptor, self._read)

    def _read(self) -> bool:
        if self.ended:
            return False
        try:
            data = os.read(self._descriptor, PORTION)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close()
            return False
        self._write(self._framer.feed(data))
        if self._log.full and self._reading:
            self._reading = False
            self._loop.on_readable(self._descriptor, None)
        return True

    def _close(self) -> None:
        self.ended = True
        self._write(self._framer.end())
        self._loop.on_readable(self._descriptor, None)
        os.close(self._descriptor)

    def _write(self, messages: list[bytes]) -> None:
        if not messages:
            return
        texts = [readable(message) for message in messages]
        owners = self._owners()
        if self._single or len(owners) > 1:
            for text in texts:
                self._log.write([text], self._whose(text, owners))
        else:
            self._log.write(texts, owners[0] if owners else None)

    def _whose(self, text: str, owners: list[str]) -> str | None:
        """Of several that run at once only what is written can tell: the stock clients' loggers name the request id."""
        named = next((owner for owner in owners if owner in text), None)
        if self._single:
            self._owner = named = named or self._owner
        if named in owners:
            return named
        return owners[0] if len(owners) == 1 else None


class Output:
    """`write_end` is the pipe for the runtime; `owners` tells the request ids that run."""

    def __init__(self, loop: Loop, log: Log, *, owners: Owners) -> None:
        self._loop = loop
        self._log = log
        self._owners = owners
        pipe, self.write_end = os.pipe()
        self._pipe = Stream(loop, log, pipe, owners=owners, single=False)
        self._listener: socket.socket | None = None
        self._streams: list[Stream] = []
        loop.before_wait(self._go_on)

    def provide(self, path: str) -> str | None:
        """Give a stream of its own to everyone who connects at `path`, which is returned; None if it cannot be had.

        Workers of one runtime would tear each other's lines in a pipe that they share.
        """
        self._withdraw()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            listener.bind(path)
        except OSError:
            listener.close()
            return None
        listener.listen(STREAMS)
        listener.setblocking(False)
        self._listener = listener
        self._loop.on_readable(listener, self._accept_all)
        return path

    def drain(self) -> None:
        """Take in what was written before now."""
        self._pipe.drain()
        self._accept_all()
        for stream in self._streams:
            stream.drain()

    def end(self) -> None:
        """Take in the rest: everything that wrote is dead, and what it left unfinished stays so."""
        self._withdraw()
        self._pipe.end()
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    def _withdraw(self) -> None:
        self._accept_all()
        if self._listener is not None:
            self._loop.on_readable(self._listener, None)
            with contextlib.suppress(OSError):
                os.unlink(self._listener.getsockname())
            self._listener.close()
            self._listener = None

    def _accept_all(self) -> None:
        for _ in range(STREAMS):
            if not self._accept():
                break

    def _accept(self) -> bool:
        if self._listener is None:
            return False
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return False
        self._streams = [stream for stream in self._streams if not stream.ended]
        if len(self._streams) < STREAMS:
            stream = Stream(self._loop, self._log, peer.detach(), owners=self._owners, single=True)
            self._streams.append(stream)
        else:
            peer.close()
        return True

    def _go_on(self) -> None:
        self._pipe.go_on()
        for stream in self._streams:
            stream.go_on()
