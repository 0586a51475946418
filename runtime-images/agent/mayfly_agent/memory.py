"""Watches that a function does not hold more memory than it has, where no cgroup does so."""

from __future__ import annotations

from . import processes
from .loop import Loop, monotonic
from .supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE = 0.02 if processes.LINUX else 0.5
"""Seconds between two looks. Elsewhere than on Linux a look may have to list all processes, which is slow."""
SHARE = 10


class MemoryWatch:
    """Looks while `needed()`, and calls `exceeded` when the tree holds more than `limit` bytes."""

    def __init__(
        self,
        loop: Loop,
        supervisor: Supervisor,
        *,
        limit: int,
        needed: Callable[[], bool],
        exceeded: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._supervisor = supervisor
        self._limit = limit
        self._needed = needed
        self._exceeded = exceeded
        self._armed = False

    def go_on(self, pause: float = PAUSE) -> None:
        """Something runs again."""
        if not self._armed:
            self._armed = True
            self._loop.call_later(pause, self._look)

    def _look(self) -> None:
        self._armed = False
        if not self._needed():
            return
        began = monotonic()
        if self._supervisor.over(self._limit):
            self._exceeded()
        else:
            # A tree of thousands takes long to look at, and the loop has other work.
            self.go_on(max(PAUSE, SHARE * (monotonic() - began)))
