"""Starts, freezes, measures and ends the runtime process and everything that it started.

Rule: when `kill` has called back, no descendant of this agent is alive.
"""

from __future__ import annotations

import os
import signal

from . import processes
from .loop import Loop, monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TREE_AGE = 0.5
"""Seconds for which the memory check trusts the last list of processes: reading the whole table is dear."""


class Spawn:
    """What to run: argument vector, working directory, environment."""

    __slots__ = ("argv", "directory", "environment")

    def __init__(self, argv: list[str], *, directory: str, environment: dict[str, str]) -> None:
        self.argv = argv
        self.directory = directory
        self.environment = environment


class Supervisor:
    """One runtime process at a time, and its whole tree."""

    def __init__(self, loop: Loop, *, on_exit: Callable[[int], None]) -> None:
        self._loop = loop
        self._on_exit = on_exit
        self._pid: int | None = None
        self._killing: list[Callable[[], None]] = []
        self._frozen: list[int] = []
        self._tree: list[int] = []
        self._tree_seen: bytes | None = None
        self._tree_listed = 0.0
        self._peak = 0
        loop.on_signal(signal.SIGCHLD, self._reap)

    @property
    def alive(self) -> bool:
        """Whether the runtime process runs and is not being killed."""
        return self._pid is not None and not self._killing

    def start(self, spawn: Spawn, output: int) -> None:
        """Start the runtime with `output` as its standard output, error and telemetry descriptor.

        Raises OSError when its directory or its program is not there or may not be run.
        """
        telemetry = 3
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            *((os.POSIX_SPAWN_DUP2, output, target) for target in (1, 2, telemetry)),
        ]
        environment = {**spawn.environment, "_LAMBDA_TELEMETRY_LOG_FD": str(telemetry)}
        os.chdir(spawn.directory)
        try:
            self._pid = os.posix_spawn(
                spawn.argv[0],
                spawn.argv,
                environment,
                file_actions=actions,
                setpgroup=0,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM],
            )
        finally:
            os.chdir("/")
        self._peak = 0
        self._tree = [self._pid]
        self._tree_seen = None

    def terminate(self) -> None:
        """Ask the runtime process to end."""
        if self._pid is not None:
            processes.send([self._pid], signal.SIGTERM)

    # Frozen between invocations.

    def freeze(self) -> None:
        """Stop every process of the tree until `thaw`."""
        if self._killing or self._pid is None:
            return
        self._frozen = list(self._list_tree())
        processes.send(self._frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the tree run again."""
        if self._frozen:
            processes.send(self._frozen, signal.SIGCONT)
            self._frozen = []

    # Memory.

    def peak_memory(self) -> int:
        """The most bytes that the tree has held, as far as was seen: one process's own record, or all together."""
        now = processes.shared_memory(self._tree) if len(self._tree) > 1 else 0
        self._peak = max(self._peak, now, *(processes.peak_memory(pid) for pid in self._tree), 0)
        return self._peak

    def over(self, limit: int) -> bool:
        """Whether the tree holds more than `limit` bytes now."""
        tree = self._tree if monotonic() - self._tree_listed < TREE_AGE else self._list_tree()
        if processes.resident_memory(tree) <= limit:
            return False
        now = processes.shared_memory(tree)
        self._peak = max(self._peak, now)
        return now > limit

    # The end.

    def kill(self, done: Callable[[], None]) -> None:
        """End every descendant, however it hid, then call `done`."""
        self.peak_memory()
        self._killing.append(done)
        if len(self._killing) == 1:
            self._kill_round()

    def _kill_round(self) -> None:
        """Stop all first, so that nothing forks away while the others die, then kill; again until none is left."""
        if os.getpid() == 1:
            processes.send([-1], signal.SIGKILL)
        below = [process.pid for process in processes.descendants(os.getpid()) if not process.ended]
        processes.send(below, signal.SIGSTOP)
        processes.send(below, signal.SIGKILL)
        self._reap()
        if any(not process.ended for process in processes.descendants(os.getpid())):
            self._loop.call_later(0.001, self._kill_round)
            return
        self._reap()
        self._frozen = []
        self._tree = []
        waiting, self._killing = self._killing, []
        for done in waiting:
            done()

    def _reap(self) -> None:
        status = None
        while True:
            try:
                pid, ended, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self._pid:
                self._pid = None
                scale = 1024 if processes.LINUX else 1
                self._peak = max(self._peak, usage.ru_maxrss * scale)
                status = ended
        if status is not None and not self._killing:
            self._on_exit(status)

    def _list_tree(self) -> list[int]:
        """The pids of the tree; looked up only if any process was started since the last time."""
        self._tree_listed = monotonic()
        seen = processes.last_pid()
        if seen is None or seen != self._tree_seen:
            self._tree = [process.pid for process in processes.descendants(os.getpid()) if not process.ended]
            self._tree_seen = seen
        return self._tree
