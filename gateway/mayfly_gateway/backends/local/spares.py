"""Agents that wait for their function, so that a cold start starts none.

Rule: there is one for each runtime that a function here has, and for all runtimes that cannot wait together one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from mayfly_gateway.backends.local.agents import Agent
from mayfly_gateway.backends.local.runtimes import RuntimeCommand

REFILL_AFTER = 0.1

Start = Callable[[RuntimeCommand | None], Awaitable[Agent]]
Destroy = Callable[[str], Awaitable[None]]
_Kind = tuple[str, ...]
_ANY: _Kind = ()


class Spares:
    """`start` begins an agent whose runtime waits already, or one for any runtime; `destroy` ends one by its id."""

    def __init__(self, *, start: Start, destroy: Destroy) -> None:
        self._start = start
        self._destroy = destroy
        self._wanted: dict[_Kind, RuntimeCommand | None] = {_ANY: None}
        self._waiting: dict[_Kind, list[asyncio.Task[Agent]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._open = False

    def start(self) -> None:
        """From now on have agents ready."""
        self._open = True
        self._refill()

    def want(self, runtimes: Iterable[RuntimeCommand]) -> None:
        """From now on have one ready for each of these."""
        self._wanted = {_kind(runtime): _waits(runtime) for runtime in runtimes} or {_ANY: None}
        for kind in self._waiting.keys() - self._wanted.keys():
            for spare in self._waiting.pop(kind):
                ending = asyncio.create_task(self._end(spare))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
        if self._open:
            self._refill()

    async def take(self, runtime: RuntimeCommand) -> Agent:
        """An agent for this runtime, which is the caller's from now on.

        Raises:
            OSError: one has to be started, and the machine has no room for it.
        """
        waiting = self._waiting.setdefault(_kind(runtime), [])
        spare = waiting.pop() if waiting else self._begin(_kind(runtime), _waits(runtime))
        try:
            # Shielded: a caller that gives up must not end a start half-way; the next caller takes it.
            agent = await asyncio.shield(spare)
        except asyncio.CancelledError:
            self._waiting.setdefault(_kind(runtime), []).append(spare)
            raise
        # After the caller has its agent, so that two starts do not share the processor.
        asyncio.get_running_loop().call_later(REFILL_AFTER, self._refill)
        if agent.ended.is_set():
            await self._destroy(agent.id)
            return await self.take(runtime)
        return agent

    async def close(self) -> None:
        """Start no more, and wait until those are there that are being started: `destroy` can end them then."""
        self._open = False
        spares = [spare for waiting in self._waiting.values() for spare in waiting]
        await asyncio.gather(*spares, *self._ending, return_exceptions=True)

    def _refill(self) -> None:
        for kind, runtime in self._wanted.items() if self._open else ():
            if not self._waiting.get(kind):
                self._waiting[kind] = [self._begin(kind, runtime)]

    def _begin(self, kind: _Kind, runtime: RuntimeCommand | None) -> asyncio.Task[Agent]:
        spare = asyncio.ensure_future(self._start(runtime))
        spare.add_done_callback(lambda spare: self._forget_failed(kind, spare))
        return spare

    def _forget_failed(self, kind: _Kind, spare: asyncio.Task[Agent]) -> None:
        """The next caller starts its own, rather than to hear of a trouble that may be over."""
        waiting = self._waiting.get(kind, [])
        if not spare.cancelled() and spare.exception() is not None and spare in waiting:
            waiting.remove(spare)

    async def _end(self, spare: asyncio.Task[Agent]) -> None:
        try:
            agent = await spare
        except OSError:
            return
        await self._destroy(agent.id)


def _waits(runtime: RuntimeCommand) -> RuntimeCommand | None:
    return runtime if runtime.standby else None


def _kind(runtime: RuntimeCommand) -> _Kind:
    return runtime.program if runtime.standby else _ANY
