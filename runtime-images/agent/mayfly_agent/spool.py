"""The body of a `/specialise` as it comes in: the instruction, and behind it the code.

Rule: what is small is held in memory, and of the rest only the instruction. A large body is in a file that has no name,
so that 64 MiB of code neither fill the instance's memory nor stay behind, however the call ends.
"""

from __future__ import annotations

import os

from .signatures import sha256

FOLDER = "/tmp"  # noqa: S108 - the file has no name by the time that anybody else could run here
SMALL = 256 * 1024
"""Bytes of a body that is held in memory."""
QUICKLY_HASHED = 32 * 1024
"""Bytes that the agent hashes sooner itself than it could ask another process to."""
_ATTEMPTS = 100


class Spool:
    """A body of which the first `instruction_length` bytes (all of them if it is None) are the instruction.

    `digest` is what its SHA-256 has to be. A write that fails is remembered in `problem`.
    """

    def __init__(self, *, instruction_length: int | None, digest: str, instruction_limit: int) -> None:
        self.digest = digest
        self.instruction_length = instruction_length
        self.instruction = bytearray()
        self.problem: str | None = None
        self.closed = False
        self._room = instruction_limit if instruction_length is None else instruction_length
        self._file = -1
        self._held: bytearray | None = bytearray()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take in a part of the body."""
        if self._room:
            self.instruction += data[: self._room]
            self._room -= min(self._room, len(data))
        self._size += len(data)
        if self.problem is not None or self.closed:
            return
        if self._held is not None and self._size <= SMALL:
            self._held += data
            return
        try:
            if self._held is not None:
                self._to_file(nameless_file())
            write_all(self._file, data)
        except OSError as error:
            self.problem = error.strerror or str(error)

    def digests(self) -> dict[str, str] | None:
        """The SHA-256 of the whole body and of what follows its instruction, if they are to be had at once."""
        if self._held is None or self._size > QUICKLY_HASHED:
            return None
        whole = bytes(self._held)
        code = whole[len(self.instruction) :]
        return {"whole": sha256(whole).hexdigest(), "code": sha256(code).hexdigest()}

    def complete(self) -> bool:
        """Whether the instruction is all there and within its limit, once the whole body is."""
        length = self._size if self.instruction_length is None else self.instruction_length
        return len(self.instruction) == length > 0

    def fileno(self) -> int:
        """The body as a file, for as long as this is open. Raises OSError."""
        if self._held is not None:
            self._to_file(memory_file())
        return self._file

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        self.closed = True
        file, self._file = self._file, -1
        self.instruction = bytearray()
        self._held = None
        if file >= 0:
            os.close(file)

    def _to_file(self, file: int) -> None:
        held, self._held, self._file = self._held, None, file
        write_all(file, held or b"")


def write_all(file: int, data: bytes | bytearray) -> None:
    """Write to a descriptor until it is all there. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def memory_file() -> int:
    """A descriptor of a new, empty file that is in memory, where the system has such. Raises OSError."""
    return os.memfd_create("body") if hasattr(os, "memfd_create") else nameless_file()


def nameless_file() -> int:
    """A descriptor of a new, empty file that is gone when it is closed. Raises OSError."""
    for attempt in range(_ATTEMPTS):
        path = f"{FOLDER}/.mayfly-{os.getpid()}-{attempt}"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        os.unlink(path)
        return file
    raise FileExistsError(f"{FOLDER} is full of somebody's files")
