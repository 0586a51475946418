"""What the agent knows of, and does to, the processes that a function started.

As a child subreaper (or as PID 1) the agent is the parent of every orphan below it, so a descendant cannot leave the
tree by leaving its process group or its session.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys

from .process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .loop import Loop

if sys.platform == "linux":
    from . import linux as system
else:
    from . import darwin as system

LINUX = sys.platform == "linux"
OPEN_FILES = 1024
"""As on AWS, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; also enough for all peers."""
FAULTS = {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"}
NEEDED = {"SIGCHLD", "SIGCONT", "SIGKILL", "SIGSTOP"}
SHIELDED = [number for number in signal.valid_signals() if getattr(number, "name", "") not in FAULTS | NEEDED]
"""The signals that the agent ignores and its runtime does not."""
_adjustment: int | None = None
MAXRSS_UNIT = system.MAXRSS_UNIT


def guard_self() -> None:
    """Make this process as hard to harm from below as the system allows, and tie the tree below to it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))
    for number in SHIELDED:
        signal.signal(number, signal.SIG_IGN)
    if is_first():
        global _adjustment
        with contextlib.suppress(OSError):
            _adjustment = system.own_adjustment()
    system.guard_self()


def is_first() -> bool:
    """Whether this process is PID 1: all that is in its namespace dies with it, and orphans are its children."""
    return os.getpid() == 1


def on_outside_signal(loop: Loop, number: signal.Signals, callback: Callable[[], None]) -> None:
    """As PID 1, call back when the signal came from outside: the kubelet asks so, and user code does not.

    Raises OSError if the kernel refuses.
    """
    descriptor = system.signals_from_outside(number)

    def read() -> None:
        if system.next_from_outside(descriptor):
            callback()

    loop.on_readable(descriptor, read)


def expendable() -> AbstractContextManager[None]:
    """As PID 1: whatever is started meanwhile goes before the agent, however small it is, when memory runs out."""
    return contextlib.nullcontext() if _adjustment is None else system.expendable(_adjustment)


def descendants(root: int) -> list[Process]:
    """Every process below `root` that has not ended, parents before their children; `root` itself is left out."""
    children: dict[int, list[Process]] = {}
    for process in system.table():
        children.setdefault(process.parent, []).append(process)
    below = children.get(root, [])
    for process in below:
        below += children.pop(process.pid, [])
    return [process for process in below if not process.ended]


def last_pid() -> bytes | None:
    """What changes whenever any process is started on this system, None where nothing tells."""
    return system.last_pid()


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_below(root: int) -> list[int]:
    """Kill every descendant of `root` that can be seen; returns their pids."""
    below = descendants(root)
    # A group at once, so that nothing forks away while its members die one after the other.
    for group in {process.group for process in below} - {os.getpgrp()}:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    pids = [process.pid for process in below]
    send(pids, signal.SIGKILL)
    return pids


def exists(pid: int) -> bool:
    """Whether there is such a process, ended or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def peak_memory(pid: int) -> int:
    """The most bytes of memory that the process has held at once; 0 if it has ended."""
    return system.peak(pid)


def resident_memory(pids: list[int]) -> int:
    """The bytes that the processes hold now, those that several share counted for each."""
    return sum(map(system.resident, pids))


def shared_memory(pids: list[int]) -> int:
    """The bytes that the processes hold now, those that several share counted once in all. Dearer to know."""
    return sum(map(system.proportional, pids))
