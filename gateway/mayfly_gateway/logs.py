"""The recent log of every function: raw lines as the agents wrote them, parsed only when somebody reads.

Rule: memory is bounded per function and in all, a reader that is too slow loses lines and is told how many,
and nothing that a function prints can hold up the gateway.
"""

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

Function = tuple[str, str]

_PER_FUNCTION = 1024 * 1024
_IN_ALL = 64 * 1024 * 1024
_LINE = 1024 * 1024
_FOLLOWER = 4 * 1024 * 1024
_LATEST = 1e11
"""Epoch seconds in some thousand years: what is later is no time that a reader could show."""


class Logs:
    """The logs of one gateway, by (namespace, name)."""

    def __init__(self, *, per_function: int = _PER_FUNCTION, in_all: int = _IN_ALL) -> None:
        self._per_function = per_function
        self._in_all = in_all
        self._size = 0
        self._rings: OrderedDict[Function, _Ring] = OrderedDict()
        self._partial: dict[str, bytes] = {}
        self._followers: dict[Function, WeakSet[Follower]] = {}

    def feed(self, namespace: str, name: str, instance_id: str, data: bytes) -> None:
        """Take what an instance's agent wrote, in pieces of any size; empty data says that it wrote its last."""
        pieces = (self._partial.pop(instance_id, b"") + data).split(b"\n")
        rest = pieces.pop()
        if rest and data and len(rest) <= _LINE:
            self._partial[instance_id] = rest
        lines = [(instance_id, piece) for piece in pieces if piece]
        if lines:
            self._keep((namespace, name), lines)

    def _keep(self, function: Function, lines: list[tuple[str, bytes]]) -> None:
        ring = self._rings.get(function)
        if ring is None:
            ring = self._rings[function] = _Ring(self._per_function)
        self._rings.move_to_end(function)
        self._size += ring.extend(lines)
        while self._size > self._in_all and len(self._rings) > 1:
            self._size -= self._rings.popitem(last=False)[1].size
        for follower in self._followers.get(function, ()):
            follower.offer(lines)

    def tail(self, namespace: str, name: str, count: int) -> Iterator[dict[str, Any]]:
        """The function's last records: `time` (epoch seconds), `requestId`, `message`, `instance`."""
        ring = self._rings.get((namespace, name))
        lines = [] if ring is None else list(ring.lines)[-count:] if count > 0 else []
        return (_record(instance_id, line) for instance_id, line in lines)

    def follow(self, namespace: str, name: str) -> "Follower":
        """The records from now on, without end: iterate over it, and let go of it to stop."""
        follower = Follower()
        self._followers.setdefault((namespace, name), WeakSet()).add(follower)
        return follower


class _Ring:
    """The last lines of one function, bounded in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.lines: deque[tuple[str, bytes]] = deque()
        self.size = 0

    def extend(self, lines: list[tuple[str, bytes]]) -> int:
        """Add lines and drop the oldest beyond the limit; returns by how many bytes the ring grew."""
        before = self.size
        self.lines.extend(lines)
        self.size += sum(len(line) for _, line in lines)
        while self.size > self._limit:
            self.size -= len(self.lines.popleft()[1])
        return self.size - before


class Follower:
    """One reader's queue, bounded in bytes. Yields records, and `{"dropped": n}` where n were lost."""

    def __init__(self) -> None:
        self._lines: deque[tuple[str, bytes]] = deque()
        self._size = 0
        self._dropped = 0
        self._arrived = asyncio.Event()

    def offer(self, lines: list[tuple[str, bytes]]) -> None:
        """Queue what there is room for, count the rest."""
        for line in lines:
            if self._dropped or self._size > _FOLLOWER:
                self._dropped += 1
            else:
                self._lines.append(line)
                self._size += len(line[1])
        self._arrived.set()

    def __aiter__(self) -> "Follower":
        return self

    async def __anext__(self) -> dict[str, Any]:
        while True:
            if self._lines:
                instance_id, line = self._lines.popleft()
                self._size -= len(line)
                return _record(instance_id, line)
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                return {"dropped": dropped}
            self._arrived.clear()
            await self._arrived.wait()


def _record(instance_id: str, line: bytes) -> dict[str, Any]:
    """A line as a record; what is no record (user code wrote to the agent's own output) is a message by itself."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    match content:
        case {"time": int() | float() as time, "requestId": str() | None, "message": str()} if (
            0 <= time < _LATEST
        ):
            record = {key: content[key] for key in ("time", "requestId", "message")}
        case _:
            record = {"time": None, "requestId": None, "message": line.decode(errors="replace")}
    return {**record, "instance": instance_id}
