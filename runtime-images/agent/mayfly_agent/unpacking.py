"""A process of its own that hashes and unpacks code, for as long as the instance has none.

Rule: the agent does neither. What that takes (zipfile and OpenSSL, 5 MB, and seconds for a large archive) must not stay
in an instance for life nor keep its loop from turning; started before it is needed, it costs a cold start nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    from .loop import Loop
    from .spool import Spool

    Done = Callable[[dict[str, Any]], None]

MESSAGE = 64 * 1024
CHUNK = 1 << 20
LOST = {"problem": "the process that unpacks has ended"}


class Unpacker:
    """The process, seen from the agent: jobs are done one after the other, each `done` is called with its outcome."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._jobs: list[tuple[bytes, Spool, Done]] = []
        self._socket, theirs = socket.socketpair()
        with theirs:
            if os.fork() == 0:
                run(theirs)
        loop.on_readable(self._socket, self._read)

    def digest(self, spool: Spool, done: Done) -> None:
        """Hash: `{"whole": hex, "code": hex}` of the whole body and of what follows its instruction."""
        self._add({"job": "digest", "offset": spool.instruction_length}, spool, done)

    def unpack(self, spool: Spool, kind: str, directory: str, done: Done) -> None:
        """Write the code, of the kind "zip" or "files", into the directory: `{}`, or `{"problem": why not}`."""
        job = {"job": kind, "offset": spool.instruction_length, "directory": directory}
        self._add(job, spool, done)

    def close(self) -> None:
        """No more jobs: the process ends."""
        if self._socket.fileno() >= 0:
            self._loop.on_readable(self._socket, None)
            self._socket.close()

    def _add(self, job: dict[str, Any], spool: Spool, done: Done) -> None:
        self._jobs.append((json.dumps(job).encode("ascii"), spool, done))
        if len(self._jobs) == 1:
            self._send()

    def _send(self) -> None:
        message, spool, _ = self._jobs[0]
        try:
            socket.send_fds(self._socket, [message], [spool.fileno()])
        except OSError:
            # Its end is read in a moment, and answers the job.
            self.close()
            self._loop.call_later(0, lambda: self._done(LOST))

    def _read(self) -> None:
        try:
            reply = self._socket.recv(MESSAGE)
        except OSError:
            reply = b""
        if not reply:
            self.close()
        if self._jobs:
            self._done(json.loads(reply) if reply else LOST)

    def _done(self, outcome: dict[str, Any]) -> None:
        self._jobs[0][2](outcome)
        # Only now: what the callback adds is sent here.
        del self._jobs[0]
        if self._jobs:
            self._send()


def run(peer: socket.socket) -> None:
    """The life of the process; never returns."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        # The agent's sockets would stay open if it died.
        os.closerange(3, peer.fileno())
        os.closerange(peer.fileno() + 1, 65536)
        os.umask(0o022)
        serve(peer)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def serve(peer: socket.socket) -> None:
    """Do jobs until the agent hangs up."""
    # Here, and at once: by the time that there is something to do they are there.
    from hashlib import sha256

    from . import code_files

    def digest(file: BinaryIO, offset: int | None) -> dict[str, Any]:
        whole, code = sha256(file.read(offset or 0)), sha256()
        while chunk := file.read(CHUNK):
            whole.update(chunk)
            code.update(chunk)
        return {"whole": whole.hexdigest(), "code": code.hexdigest()}

    def work(job: dict[str, Any], file: BinaryIO) -> dict[str, Any]:
        if job["job"] == "digest":
            return digest(file, job["offset"])
        write = code_files.write_archive if job["job"] == "zip" else code_files.write_texts
        try:
            write(code_files.behind(file, job["offset"]), job["directory"])
        except code_files.CodeError as error:
            return {"problem": str(error)}
        except OSError as error:
            return {"problem": f"it cannot be written: {error.strerror or error}"}
        return {}

    code_files.rehearse()
    while True:
        message, descriptors, _, _ = socket.recv_fds(peer, MESSAGE, 1)
        if not message:
            return
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            outcome = work(json.loads(message), file)
        with contextlib.suppress(BrokenPipeError):
            peer.sendall(json.dumps(outcome).encode("ascii"))
