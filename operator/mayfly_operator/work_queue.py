"""Keys to be worked on: each at most once at a time, again after a failure, and never in the way of another.

Rule: what is added while it is being worked on is worked on once more after that, so that no news is lost. A failing
key waits longer and longer, up to a bound, and only it does.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from mayfly_operator.views import Key

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
_log = logging.getLogger(__name__)

Work = Callable[[Key], Awaitable[float | None]]
"""Works on a key; in how many seconds to do so again, None for at news. What it raises is logged and tried again."""


class WorkQueue:
    """A queue and its workers."""

    def __init__(self, name: str, work: Work, *, workers: int) -> None:
        self._name = name
        self._work = work
        self._workers = workers
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._running: dict[Key, float] = {}
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key, after: float = 0.0) -> None:
        """Have a key worked on, at once or in so many seconds; of two times the earlier one counts."""
        timer = self._timers.get(key)
        loop = asyncio.get_running_loop()
        if after > 0.0:
            if timer is None or timer.when() > loop.time() + after:
                self._cancel(key)
                self._timers[key] = loop.call_later(after, self.add, key)
            return
        self._cancel(key)
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._serve(), name=f"{self._name} {number}")
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def longest_running(self) -> float:
        """For how many seconds the oldest piece of work has been going on."""
        now = asyncio.get_running_loop().time()
        return max((now - started for started in self._running.values()), default=0.0)

    def _cancel(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def _serve(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._running[key] = asyncio.get_running_loop().time()
            try:
                self._done(key, await self._work(key))
            except Exception as error:  # One object's trouble must not become another's.
                self._failed(key, error)
            finally:
                del self._running[key]
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    def _done(self, key: Key, again: float | None) -> None:
        self._failures.pop(key, None)
        if again is not None:
            self.add(key, max(again, 0.01))

    def _failed(self, key: Key, error: Exception) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(_FIRST_PAUSE * 2.0 ** (failures - 1), _LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311
        _log.warning("%s %s/%s: %s; again in %.1f s", self._name, *key, error or repr(error), pause)
        self.add(key, pause)
