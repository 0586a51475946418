"""Whether the files of a function are still those that its instances were made of, asked when it is called.

A watcher of files tells of a change some time later; whoever saves and calls in one breath would get the old code.
Rule: looking takes at most one part in `LOOK_SHARE` of the time, and large folders are left to the watcher.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

from mayfly_gateway.catalogue import Target

LOOK_SHARE = 20
"""A look holds for so many times as long as it took, so that a busy function hardly pays for it."""
MOST_FILES = 1000
SKIPPED = frozenset({"__pycache__", ".git"})

Key = tuple[str, str]
State = tuple[tuple[str, int, int], ...]


class Freshness:
    """Remembers the state of each function's files, and has them read again when a call finds another state."""

    def __init__(self, refresh: Callable[[frozenset[Path]], Awaitable[object]]) -> None:
        self._refresh = refresh
        self._known: dict[Key, tuple[tuple[Path, ...], State | None]] = {}
        self._look_after: dict[Key, float] = {}
        self._waiting: list[Callable[[], None]] = []
        self._reading: asyncio.Task[None] | None = None

    def note(self, key: Key, paths: Iterable[Path]) -> None:
        """Remember the state of the function's files; to be called before they are read."""
        places = tuple(paths)
        self._known[key] = places, state(places)

    def is_stale(self, target: Target, resume: Callable[[], None]) -> bool:
        """Whether the call has to wait for its files to be read again; then `resume` is called after that."""
        began = time.monotonic()
        known = self._known.get(target.function)
        if known is None or began < self._look_after.get(target.function, 0.0):
            return False
        paths, before = known
        unchanged = before is None or state(paths) == before
        now = time.monotonic()
        self._look_after[target.function] = now + LOOK_SHARE * (now - began)
        if unchanged:
            return False
        self._waiting.append(resume)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_again(frozenset(paths)))
        return True

    async def _read_again(self, paths: frozenset[Path]) -> None:
        try:
            await self._refresh(paths)
        finally:
            waiting, self._waiting, self._reading = self._waiting, [], None
            for resume in waiting:
                resume()


def state(paths: Iterable[Path]) -> State | None:
    """Names, times and sizes of all files below the paths; None if they are too many to look at on a call."""
    found: list[tuple[str, int, int]] = []
    for path in paths:
        for entry, status in _files(path):
            found.append((entry, status.st_mtime_ns, status.st_size))
            if len(found) > MOST_FILES:
                return None
    return tuple(sorted(found))


def _files(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    try:
        if not path.is_dir():
            yield str(path), path.stat()
            return
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in SKIPPED:
                        yield from _files(Path(entry.path))
                else:
                    yield entry.path, entry.stat(follow_symlinks=False)
    except OSError:
        return
