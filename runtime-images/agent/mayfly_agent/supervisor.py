"""Starts, freezes, measures and ends the runtime process and everything that it started.

Rule: when `kill` has called back, no descendant of this agent is alive.
"""

from __future__ import annotations

import os
import resource
import signal

from . import processes
from .loop import Loop, Timer, monotonic
from .spawning import Spawn, launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .standby import Standby

TREE_AGE = 0.5
"""Seconds for which the memory check trusts the last list of processes: reading the whole table is dear."""
WEIGH_AGE = 0.2
WEIGH_SHARE = 20
"""Weighing a tree may take a twentieth of the time: 200 processes take 20 ms."""
KILL_TIME = 5.0
"""Seconds after which what does not end (another user's, or stuck in the kernel) is left to whoever ends the pod."""
KILL_PAUSES = (0.001, 0.01)
REAPED_AT_ONCE = 1000


class Killing:
    """A kill under way: who waits for it, since when, who was seen, and when to look again."""

    __slots__ = ("again", "began", "done", "pause", "seen")

    def __init__(self, again: Timer) -> None:
        self.began = monotonic()
        self.done: list[Callable[[], None]] = []
        self.seen: set[int] = set()
        self.pause = KILL_PAUSES[0]
        self.again = again


class Fallback:
    """A standby that was told what to become, and what to start if it ends before it has."""

    __slots__ = ("output", "spawn", "standby")

    def __init__(self, standby: Standby, spawn: Spawn, output: int) -> None:
        self.standby = standby
        self.spawn = spawn
        self.output = output


class Supervisor:
    """One runtime process at a time, and its whole tree."""

    def __init__(self, loop: Loop, *, on_exit: Callable[[int], None]) -> None:
        self._loop = loop
        self._on_exit = on_exit
        self._pid: int | None = None
        self._standby: Standby | None = None
        self._fallback: Fallback | None = None
        self._killing: Killing | None = None
        self._frozen: list[int] = []
        self._tree: list[int] = []
        self._tree_seen: bytes | None = None
        self._tree_listed = 0.0
        self._peak = 0
        self._weigh_after = 0.0
        loop.on_signal(signal.SIGCHLD, self._reap)

    @property
    def alive(self) -> bool:
        """Whether the runtime process runs and is not being killed."""
        return self._pid is not None and self._killing is None

    def start(self, spawn: Spawn, output: int) -> None:
        """Start the runtime with `output` as its standard output, error and telemetry descriptor.

        Raises OSError when its directory or its program is not there or may not be run.
        """
        standby, self._standby = self._standby, None
        if standby is not None and standby.take(spawn):
            self._fallback = Fallback(standby, spawn, output)
            self._began(standby.pid)
        else:
            self._began(launch(spawn, output))

    def keep(self, standby: Standby) -> None:
        """Have this process become the runtime, if it can, the first time that one is started."""
        self._standby = standby

    def _began(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._tree = [pid]
        self._tree_seen = None
        self._tree_listed = monotonic()

    def terminate(self) -> None:
        """Ask the runtime process to end."""
        if self._pid is not None:
            processes.send([self._pid], signal.SIGTERM)

    # Frozen between invocations.

    def freeze(self) -> None:
        """Stop every process of the tree until `thaw`."""
        if self.alive:
            self._frozen = list(self._list_tree())
            processes.send(self._frozen, signal.SIGSTOP)

    def thaw(self) -> bool:
        """Let the tree run again. Returns whether it did not."""
        frozen, self._frozen = self._frozen, []
        processes.send(frozen, signal.SIGCONT)
        return bool(frozen)

    # Memory.

    def peak_memory(self) -> int:
        """The most bytes that the tree has held, as far as was seen: one process's own record, or all together."""
        self._note_record()
        if len(self._tree) > 1:
            self._weigh()
        return self._peak

    def over(self, limit: int) -> bool:
        """Whether the tree holds more than `limit` bytes now."""
        tree = self._tree if monotonic() - self._tree_listed < TREE_AGE else self._list_tree()
        held = processes.resident_memory(tree)
        if len(tree) == 1:
            self._peak = max(self._peak, held)
        elif held > min(limit, self._peak):
            # What forked processes share was counted for each.
            held = self._weigh()
        return held > limit

    def _weigh(self) -> int:
        """The bytes that the tree holds; 0 if it is too early to afford that again."""
        began = monotonic()
        if began < self._weigh_after:
            return 0
        held = processes.shared_memory(self._tree)
        took = monotonic() - began
        self._weigh_after = began + max(WEIGH_AGE, took * WEIGH_SHARE)
        self._peak = max(self._peak, held)
        return held

    def _list_tree(self) -> list[int]:
        """The pids of the tree; looked up only if any process was started since the last time."""
        self._tree_listed = monotonic()
        seen = processes.last_pid()
        if seen is None or seen != self._tree_seen:
            self._tree = [process.pid for process in processes.descendants(os.getpid())]
            self._tree_seen = seen
        return self._tree

    # The end.

    def kill(self, done: Callable[[], None]) -> None:
        """End every descendant, however it hid, then call `done`, but never from within this call.

        Raises SystemExit, later and out of the loop, if some of them do not end in `KILL_TIME`.
        """
        if self._killing is None:
            self._note_record()
            self._fallback = None
            self._killing = Killing(self._loop.call_later(KILL_PAUSES[0], self._kill_round))
            self._kill()
            # What has ended already sends no signal any more.
            self._loop.call_later(0, self._reap)
        self._killing.done.append(done)

    def _kill(self) -> None:
        assert self._killing is not None
        if processes.is_first():
            # All at once, those included that could fork away from a list.
            processes.send([-1], signal.SIGKILL)
            return
        if processes.LINUX and self._pid is not None:
            # At once what is in its group; the table then tells who has left it. Elsewhere it must be asked first.
            processes.send([-self._pid], signal.SIGKILL)
        self._killing.seen.update(processes.kill_below(os.getpid()))

    def _kill_round(self) -> None:
        """Again: some may have been started while the others died."""
        killing = self._killing
        assert killing is not None
        if monotonic() - killing.began > KILL_TIME:
            raise SystemExit(
                f"processes {sorted(killing.seen)} do not end: this instance is of no use any more"
            )
        self._kill()
        killing.pause = min(2 * killing.pause, KILL_PAUSES[1])
        killing.again = self._loop.call_later(killing.pause, self._kill_round)
        self._loop.call_later(0, self._reap)

    def _killed(self, killing: Killing) -> None:
        killing.again.cancel()
        self._killing = None
        self._frozen = []
        self._tree = []
        for done in killing.done:
            done()

    def _reap(self) -> None:
        left, status = self._wait()
        killing = self._killing
        if killing is None:
            if status is not None and not self._start_instead():
                self._on_exit(status)
        elif not left and (processes.LINUX or not any(map(processes.exists, killing.seen))):
            self._killed(killing)

    def _start_instead(self) -> bool:
        """Whether what ended was a standby that had not become the runtime yet: then a fresh process is."""
        fallback, self._fallback = self._fallback, None
        if fallback is None or fallback.standby.taken():
            return False
        try:
            self._began(launch(fallback.spawn, fallback.output))
        except OSError:
            return False
        return True

    def _wait(self) -> tuple[bool, int | None]:
        """Reap what has ended. Returns whether any child is left, and the runtime's status if it was among them.

        As their subreaper this process is the parent of all orphans: without a child it has no descendant.
        """
        status = None
        for _ in range(REAPED_AT_ONCE):
            try:
                pid, ended, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False, status
            if pid == 0:
                return True, status
            if pid == self._pid:
                self._pid = None
                status = ended
                self._note_peak(usage.ru_maxrss)
            elif self._standby is not None and pid == self._standby.pid:
                self._standby.close()
                self._standby = None
        self._loop.call_later(0, self._reap)
        return True, status

    def _note_record(self) -> None:
        if self._pid is not None:
            self._peak = max(self._peak, processes.peak_memory(self._pid))

    def _note_peak(self, maxrss: int) -> None:
        # The figure includes the moment before exec, when the child was this process's image.
        if maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
            self._peak = max(self._peak, maxrss * processes.MAXRSS_UNIT)
