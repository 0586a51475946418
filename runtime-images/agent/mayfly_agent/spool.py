"""The body of a `/specialise` as it comes in: the instruction, and behind it the code.

Rule: only the instruction is held in memory. The whole body is in a file that has no name, so that 64 MiB of code
neither fill the instance's memory nor stay behind, however the call ends.
"""

from __future__ import annotations

import os

FOLDER = "/tmp"  # noqa: S108 - the file has no name by the time that anybody else could run here
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
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take in a part of the body."""
        if self._room:
            self.instruction += data[: self._room]
            self._room -= min(self._room, len(data))
        self._size += len(data)
        if self.problem is not None or self.closed:
            return
        try:
            if self._file < 0:
                self._file = nameless_file()
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            self.problem = error.strerror or str(error)

    def complete(self) -> bool:
        """Whether the instruction is all there and within its limit, once the whole body is."""
        length = self._size if self.instruction_length is None else self.instruction_length
        return len(self.instruction) == length > 0

    def fileno(self) -> int:
        """The file, for as long as this is open."""
        return self._file

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        self.closed = True
        file, self._file = self._file, -1
        self.instruction = bytearray()
        if file >= 0:
            os.close(file)


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
