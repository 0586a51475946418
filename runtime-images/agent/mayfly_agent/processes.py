"""What the agent knows of, and does to, the processes that a function started.

Linux tells by /proc; elsewhere `ps` does. As a child subreaper (or as PID 1) the agent is the parent of every orphan
below it, so a descendant cannot leave the tree by leaving its process group or its session.
"""

from __future__ import annotations

import os
import signal
import sys

LINUX = sys.platform.startswith("linux")
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36


class Process:
    """One line of the process table: pid, parent's pid, whether it has ended, resident bytes."""

    __slots__ = ("ended", "parent", "pid", "resident")

    def __init__(self, pid: int, *, parent: int, ended: bool, resident: int) -> None:
        self.pid = pid
        self.parent = parent
        self.ended = ended
        self.resident = resident


def guard_self() -> None:
    """Adopt orphans of the tree below, and deny processes of the same user a look into this one's memory.

    Elsewhere than on Linux neither can be had; the tree is then only as tight as its process groups.
    """
    if not LINUX:
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def descendants(root: int) -> list[Process]:
    """Every process below `root`, ended ones too; `root` itself is left out."""
    table = _proc_table() if LINUX else _ps_table()
    below: list[Process] = []
    parents = {root}
    while parents:
        found = [process for process in table if process.parent in parents]
        below += found
        parents = {process.pid for process in found}
    return below


def last_pid() -> bytes | None:
    """What changes whenever any process is started on this system, None where nothing tells."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return file.read().rsplit(b" ", 1)[-1]
    except OSError:
        return None


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def peak_memory(pid: int) -> int:
    """The most bytes of memory that the process has held at once; 0 if it has ended."""
    return _field(f"/proc/{pid}/status", b"VmHWM:") if LINUX else resident_memory([pid])


def resident_memory(pids: list[int]) -> int:
    """The bytes that the processes hold now, those that several share counted once for each."""
    if not LINUX:
        return sum(process.resident for process in _ps_table() if process.pid in pids)
    return sum(_resident(pid) for pid in pids)


def shared_memory(pids: list[int]) -> int:
    """The bytes that the processes hold now, those that several share counted once in all. Dearer to know."""
    if not LINUX or len(pids) == 1:
        return resident_memory(pids)
    return sum(_field(f"/proc/{pid}/smaps_rollup", b"Pss:") for pid in pids)


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _field(path: str, name: bytes) -> int:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return 0
    start = content.find(name)
    return 0 if start < 0 else int(content[start + len(name) :].split(None, 1)[0]) * 1024


PAGE = os.sysconf("SC_PAGE_SIZE")


def _proc_table() -> list[Process]:
    table = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The command's name stands in parentheses and may hold spaces and parentheses.
                fields = file.read().rpartition(b") ")[2].split()
        except OSError:
            continue
        ended = fields[0] in b"ZX"
        table.append(Process(int(name), parent=int(fields[1]), ended=ended, resident=int(fields[21]) * PAGE))
    return table


def _ps_table() -> list[Process]:
    import subprocess

    listed = subprocess.run(
        ["/bin/ps", "-axo", "pid=,ppid=,stat=,rss="], capture_output=True, check=True, text=True
    )
    rows = (line.split() for line in listed.stdout.splitlines())
    return [
        Process(int(pid), parent=int(parent), ended=stat.startswith("Z"), resident=int(rss) * 1024)
        for pid, parent, stat, rss in rows
    ]
