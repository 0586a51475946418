"""Processes that outlived their agent.

User code can kill its agent, which then ends nothing. As their subreaper this process inherits such orphans, however
they left their group or session, and ends them. Only Linux can; elsewhere an orphan ends when its Runtime API is gone,
as the stock runtimes do.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform.startswith("linux")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends.

    Raises:
        OSError: the kernel refused.
    """
    if not _LINUX:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a child subreaper")


def end_strays(known: set[int]) -> int:
    """End every child of this process that is not in `known`, and their children as they come up. Returns how many.

    `known` must name each child that was started on purpose and not waited for yet.
    """
    ended = 0
    while strays := children() - known:
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in strays:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        ended += len(strays)
    return ended


def children() -> set[int]:
    """The children of this process, as far as that can be known: none but on Linux."""
    if not _LINUX:
        return set()
    own = os.getpid()
    return {
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _parent(entry) == own
    }


def _parent(entry: Path) -> int:
    try:
        fields = (entry / "stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return 0
    return int(fields[1])
