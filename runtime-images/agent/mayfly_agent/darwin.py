"""Processes as macOS shows them: `ps` for who is whose child, libproc for their memory.

Nobody can adopt orphans here: a process that left its group and whose parent has ended is out of reach.
"""

from __future__ import annotations

import ctypes
import functools
import signal
import struct

from .process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

PS = ("/bin/ps", "-axo", "pid=,ppid=,pgid=,stat=")
MAXRSS_UNIT = 1
"""Bytes of one unit of `ru_maxrss`."""
RUSAGE_INFO_V0 = 0
RESIDENT_SIZE = 64
"""Where `ri_resident_size` lies in `struct rusage_info_v0` of <sys/resource.h>: a uuid and six counters before it."""
ROOM = 1024


def guard_self() -> None:
    """Nothing: this system has neither subreapers nor undumpable processes."""


def signals_from_outside(number: signal.Signals) -> int:
    """No system of this kind has a first process that is an agent."""
    raise NotImplementedError(number)


def next_from_outside(descriptor: int) -> bool:
    """As `signals_from_outside`."""
    raise NotImplementedError(descriptor)


def own_adjustment() -> int:
    """As `signals_from_outside`."""
    raise NotImplementedError


def expendable(adjustment: int) -> AbstractContextManager[None]:
    """As `signals_from_outside`."""
    raise NotImplementedError(adjustment)


def table() -> list[Process]:
    """Every process, but for the `ps` that tells of them."""
    import subprocess

    with subprocess.Popen(PS, stdout=subprocess.PIPE, text=True) as lister:
        listed, _ = lister.communicate()
    rows = (line.split() for line in listed.splitlines())
    return [
        Process(int(pid), parent=int(parent), group=int(group), ended=state.startswith("Z"))
        for pid, parent, group, state in rows
        if int(pid) != lister.pid
    ]


def last_pid() -> bytes | None:
    """Nothing tells whether a process was started."""
    return None


def peak(pid: int) -> int:
    """The bytes of memory that the process holds now: what it held before is seen only in passing."""
    return resident(pid)


def resident(pid: int) -> int:
    """The bytes that the process holds now; 0 if it has ended."""
    usage = ctypes.create_string_buffer(ROOM)
    if _rusage()(pid, RUSAGE_INFO_V0, usage) != 0:
        return 0
    return int(struct.unpack_from("=Q", usage, RESIDENT_SIZE)[0])


def proportional(pid: int) -> int:
    """As `resident`: what several share is counted for each."""
    return resident(pid)


@functools.cache
def _rusage() -> ctypes._NamedFuncPointer:
    return ctypes.CDLL(None).proc_pid_rusage
