"""Looks again and again at the pools in which something is: what is overdue, what has been idle
for long enough, and who has waited for too long.

Rule: one timer for all pools, and none while all are empty.
"""

import asyncio
from collections.abc import Callable

from mayfly_gateway.live import LiveInstance
from mayfly_gateway.pool import Pool

_INTERVAL = 0.25


class Sweep:
    """The pools that are looked at. `overdue` and `expired` are called for each such instance, `late` for each pool."""

    def __init__(
        self,
        *,
        overdue: Callable[[Pool, LiveInstance], None],
        expired: Callable[[Pool, LiveInstance], None],
        late: Callable[[Pool, float], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._overdue = overdue
        self._expired = expired
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self.pools: set[Pool] = set()

    def watch(self, pool: Pool) -> None:
        """Look at the pool from now on until it is empty."""
        self.pools.add(pool)
        if self._timer is None:
            self._timer = self._loop.call_later(_INTERVAL, self._sweep)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self) -> None:
        now = self._loop.time()
        for pool in tuple(self.pools):
            for live in pool.overdue(now):
                self._overdue(pool, live)
            for live in pool.expired(now):
                self._expired(pool, live)
            self._late(pool, now)
            if pool.empty:
                self.pools.discard(pool)
        self._timer = self._loop.call_later(_INTERVAL, self._sweep) if self.pools else None
