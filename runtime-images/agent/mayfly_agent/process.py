"""One process as the system's process table shows it."""

from __future__ import annotations


class Process:
    """A pid, its parent's pid, its process group, and whether it has ended and only waits to be reaped."""

    __slots__ = ("ended", "group", "parent", "pid")

    def __init__(self, pid: int, *, parent: int, group: int, ended: bool) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.ended = ended
