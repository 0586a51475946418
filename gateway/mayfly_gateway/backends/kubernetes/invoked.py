"""When versions were called last, told often and written seldom. Pure.

Rule: the first call after a silence is written at once, and of a version that is called all the time one a minute.
"""

import time
from collections.abc import Callable

from mayfly_gateway.catalogue import Target

APART = 60.0
"""Seconds between two writes about one version."""
LOOK = 5.0
"""Seconds between two looks for what is to be written."""


class Invoked:
    """The versions that were called here, with POSIX times."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last: dict[tuple[str, str, str], tuple[Target, float]] = {}
        self._written: dict[tuple[str, str, str], float] = {}

    def tell(self, target: Target, _report: bytes) -> None:
        """An invocation is over just now."""
        self._last[target.key] = target, self._clock()

    def due(self) -> list[tuple[Target, float]]:
        """The versions that are to be written about now, and when each was called last."""
        now = self._clock()
        self._written = {key: at for key, at in self._written.items() if now - at < APART}
        found = [key for key in self._last if key not in self._written]
        self._written |= dict.fromkeys(found, now)
        return [self._last.pop(key) for key in found]
