"""Processes as Linux shows them in /proc, https://man7.org/linux/man-pages/man5/proc.5.html"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct

from .process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
M_MMAP_THRESHOLD = -3
LARGE = 1024 * 1024
"""Bytes from which memory goes back to the system as soon as it is free: glibc would raise this with every payload."""
SIGSET = 128
"""Bytes of a sigset_t."""
SIGNALFD_SIGINFO = 128
SSI_PID = 12
"""Bytes of a struct signalfd_siginfo, and where the sender's pid lies in it."""
OOM_SCORE_ADJ_MAX = 1000
PAGE = os.sysconf("SC_PAGE_SIZE")
MAXRSS_UNIT = 1024
"""Bytes of one unit of `ru_maxrss`."""


def guard_self() -> None:
    """Adopt orphans of the tree below, and deny processes of the same user a look into this one's memory.

    Raises OSError if the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_CHILD_SUBREAPER, 1), (PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)


def signals_from_outside(number: signal.Signals) -> int:
    """A descriptor that can be read when the signal came; `next_from_outside` reads it. Raises OSError.

    A handler would not tell who sent it, and PID 1 gets from its own namespace only what it handles.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = ctypes.create_string_buffer(SIGSET)
    libc.sigemptyset(wanted)
    libc.sigaddset(wanted, number)
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    descriptor: int = libc.signalfd(-1, wanted, os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "signalfd failed")
    return descriptor


def next_from_outside(descriptor: int) -> bool:
    """Whether the signal came from outside of this pid namespace: there, no process has a pid here."""
    (sender,) = struct.unpack_from("=I", os.read(descriptor, SIGNALFD_SIGINFO), SSI_PID)
    return bool(sender == 0)


def own_adjustment() -> int:
    """A descriptor of what sways the kernel's choice of this process when memory runs out. Raises OSError.

    To be had before `guard_self`: an undumpable process may not open its own.
    """
    return os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)


@contextlib.contextmanager
def expendable(adjustment: int) -> Iterator[None]:
    """Whatever is started meanwhile, and all that it starts, goes before this process when memory runs out."""
    usual = os.pread(adjustment, 16, 0)
    with contextlib.suppress(OSError):
        os.pwrite(adjustment, b"%d" % OOM_SCORE_ADJ_MAX, 0)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.pwrite(adjustment, usual, 0)


def table() -> list[Process]:
    """Every process of this pid namespace."""
    rows = [_row(name) for name in os.listdir("/proc") if name.isdigit()]
    return [row for row in rows if row is not None]


def _row(name: str) -> Process | None:
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            # The command's name stands in parentheses and may hold spaces and parentheses.
            state, parent, group = file.read().rpartition(b") ")[2].split(None, 3)[:3]
    except (OSError, ValueError):
        return None
    return Process(int(name), parent=int(parent), group=int(group), ended=state in b"ZX")


def last_pid() -> bytes | None:
    """What changes whenever any process is started in this pid namespace, None if that cannot be read."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return file.read().rsplit(b" ", 1)[-1]
    except OSError:
        return None


def peak(pid: int) -> int:
    """The most bytes of memory that the process has held at once; 0 if it has ended."""
    return _field(f"/proc/{pid}/status", b"VmHWM:")


def resident(pid: int) -> int:
    """The bytes that the process holds now, shared ones included; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def proportional(pid: int) -> int:
    """The bytes that the process holds now, shared ones divided by those who share; 0 if it has ended. Dear."""
    return _field(f"/proc/{pid}/smaps_rollup", b"Pss:")


def _field(path: str, name: bytes) -> int:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError:
        return 0
    start = content.find(name)
    return 0 if start < 0 else int(content[start + len(name) :].split(None, 1)[0]) * 1024
