"""Runs the calls of functions with reserved concurrency, which are counted exactly: only while their lease is held.

Rule: a call waits for the lease, within bounds, and never runs without it. A call of any other function passes at the
cost of one look-up.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from mayfly_gateway.answers import OnAnswer
from mayfly_gateway.catalogue import Target
from mayfly_gateway.invoke import Run, to_nobody
from mayfly_gateway.peers.lease import Lease, LeaseError
from mayfly_gateway.peers.ownership import FunctionKey
from mayfly_gateway.request import Call
from mayfly_model.errors import LambdaError, ServiceUnavailableException, function_not_found
from mayfly_model.names import LATEST

if TYPE_CHECKING:
    # The local mode has no leases, and no client for their store.
    from mayfly_gateway.peers.leases import Leases

_PATIENCE = 12.0
"""Seconds that a call waits: longer than a lease lasts whose holder was killed."""
_WAITING = 1000
"""Calls of one function that wait at most."""


class Counting(Protocol):
    """The dispatcher's side."""

    def is_reserved(self, function: FunctionKey) -> bool:
        """Whether the function has reserved concurrency."""
        ...

    def take_over(self, function: FunctionKey, running: Mapping[str, int]) -> None:
        """Count what runs by instance, started by somebody else, until it is known to be over."""
        ...

    async def fence(self, function: FunctionKey) -> None:
        """Have no instance begin what an earlier owner sends."""
        ...

    def invoke(self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer) -> None:
        """Run the function."""
        ...


class _Waiting:
    """The calls of one function that wait for its lease."""

    __slots__ = ("acquiring", "calls")

    def __init__(self) -> None:
        self.calls: list[tuple[Target, Call, bytes, OnAnswer]] = []
        self.acquiring: asyncio.Task[None] | None = None


class Counted:
    """The way to the dispatcher past the leases."""

    def __init__(self, *, leases: "Leases", counting: Counting) -> None:
        self._leases = leases
        self._counting = counting
        self._waiting: dict[FunctionKey, _Waiting] = {}
        self._hand_over: Run = to_nobody

    def on_hand_over(self, hand_over: Run) -> None:
        """Have `hand_over`, which raises nothing, take the calls that wait for what is let go."""
        self._hand_over = hand_over

    def invoke(self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer) -> None:
        """Run the function, at once or when its lease is had; `on_answer` is called once.

        Raises:
            LambdaError: what the dispatcher refuses, or 503 where too many calls wait.
        """
        function = target.function
        waiting = self._waiting.get(function)
        if not self._counting.is_reserved(function) or (
            waiting is None and self._leases.epoch(function) is not None
        ):
            self._counting.invoke(target, call, payload, on_answer)
            return
        if waiting is None:
            waiting = self._waiting[function] = _Waiting()
            waiting.acquiring = asyncio.get_running_loop().create_task(self._acquire(function, waiting))
        if len(waiting.calls) >= _WAITING:
            raise ServiceUnavailableException("Too many calls wait for the function's lease: try again.")
        waiting.calls.append((target, call, payload, on_answer))

    def let_go(self, function: FunctionKey) -> None:
        """Another gateway has the function now."""
        for each in self._give_up(function):
            self._hand_over(*each)

    def forget(self, target: Target) -> None:
        """The function is no more, of which this was the last version: whoever has the next of its name must count."""
        for called, call, _, on_answer in self._give_up(target.function):
            on_answer(function_not_found(called.called(call.reference.qualifier or LATEST)))

    def _give_up(self, function: FunctionKey) -> list[tuple[Target, Call, bytes, OnAnswer]]:
        """Have the lease no more, and wait for it no more; returns the calls that did."""
        waiting = self._waiting.pop(function, None)
        self._leases.release(function)
        if waiting is None:
            return []
        if waiting.acquiring is not None:
            waiting.acquiring.cancel()
        return waiting.calls

    async def close(self) -> None:
        """Answer what waits, and give up the leases."""
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            if each.acquiring is not None:
                each.acquiring.cancel()
            _refuse(each, "The gateway is stopping and takes no more invocations.")
        await self._leases.close()

    async def _acquire(self, function: FunctionKey, waiting: _Waiting) -> None:
        try:
            lease = await self._leases.acquire(function, patience=_PATIENCE)
        except LeaseError as error:
            if self._waiting.get(function) is waiting:
                del self._waiting[function]
                _refuse(waiting, f"The function's invocations cannot be counted now: {error}.")
        else:
            await self._go_on(function, waiting, lease)

    async def _go_on(self, function: FunctionKey, waiting: _Waiting, lease: Lease) -> None:
        # At once: whoever takes the function next must know what was left behind.
        self._counting.take_over(function, lease.running)
        if self._waiting.get(function) is not waiting:
            # Meanwhile the function was let go.
            self._leases.release(function)
            return
        await self._counting.fence(function)
        del self._waiting[function]
        for target, call, payload, on_answer in waiting.calls:
            try:
                self.invoke(target, call, payload, on_answer)
            except LambdaError as error:
                on_answer(error)


def _refuse(waiting: _Waiting, why: str) -> None:
    for _, _, _, on_answer in waiting.calls:
        on_answer(ServiceUnavailableException(why))
