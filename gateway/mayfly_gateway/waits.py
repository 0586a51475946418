"""When the calls that wait are looked at: once this turn of the loop is over, and again while any of them waits.

Rule: one look is pending at most, however many calls come, so that a burst is one decision and costs one timer.
"""

import asyncio
from collections.abc import Callable

from mayfly_gateway.pool import Pool

_AGAIN = 0.02
_APART = 0.002
"""How long one look follows another at the soonest, in seconds."""


class Waits:
    """The pools with waiting calls. `look(pool)` may serve them or ask for instances."""

    def __init__(self, look: Callable[[Pool], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._look = look
        self._looked = self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.pools: set[Pool] = set()

    def add(self, pool: Pool) -> None:
        """Look at the pool soon, if a call waits there."""
        if pool.waiting:
            self.pools.add(pool)
            self._at(max(self._loop.time(), self._looked + _APART))

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _at(self, when: float) -> None:
        if self._timer is not None:
            if self._due <= when:
                return
            self._timer.cancel()
        self._due = when
        self._timer = self._loop.call_at(when, self._look_at_all)

    def _look_at_all(self) -> None:
        self._timer = None
        self._looked = now = self._loop.time()
        for pool in tuple(self.pools):
            self._look(pool)
            if not pool.waiting:
                self.pools.discard(pool)
        if self.pools:
            self._at(now + _AGAIN)
