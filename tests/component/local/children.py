"""The processes that a test has started, without those of other tests that share its process."""

import psutil

_others: set[psutil.Process] = set()


def count_from_here() -> None:
    """Pass over the processes that are there already."""
    _others.clear()
    _others.update(psutil.Process().children())


def started() -> list[psutil.Process]:
    """Those that were started since and have not ended."""
    return [child for child in psutil.Process().children() if child not in _others and _runs(child)]


def _runs(child: psutil.Process) -> bool:
    try:
        return child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
