"""Where instances come from. A backend places and ends them; it decides nothing about when."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mayfly_gateway.catalogue import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A placed instance: an agent that listens and is not yet told which function it serves.

    `address` is the path of a Unix socket or (host, port), `connected` a connection to it if there is one already.
    `specialise` is the request that makes it the function's, sent by the dispatcher on the connection that later
    carries the invocations, and followed by the `code` if the agent has not got it; `token` is the one named in it.
    `on_specialised(status, body)` is told the answer, and may raise the LambdaError that a refusal stands for.
    `waited`: it was there before anybody asked.
    """

    id: str
    address: str | tuple[str, int]
    token: str = field(repr=False)
    specialise: bytes = field(repr=False, default=b"")
    code: bytes = field(repr=False, default=b"")
    connected: socket.socket | None = field(repr=False, default=None)
    on_specialised: Callable[[int, bytes], None] | None = field(repr=False, default=None)
    waited: bool = False


class LaunchOverError(Exception):
    """What was launched is wanted no more: the function's content is another, or the function another gateway's."""


class InstanceTakenError(ConnectionAbortedError):
    """Another gateway was faster: the instance is at that one's work, and must be left to it."""


class InstanceForeignError(ConnectionAbortedError):
    """The instance does not know this gateway: it was placed or specialised under another key, and is of no use."""


class Backend(Protocol):
    """One kind of place for instances."""

    async def launch(self, target: Target) -> Instance:
        """Place an instance for this function version.

        Raises:
            LambdaError: why it cannot be done, worded for the caller of the function.
        """
        ...

    def spare(self, target: Target) -> int:
        """How many instances `launch` could give at once, since they wait for any function; no promise."""
        ...

    async def release(self, instance_id: str) -> bool:
        """See to it that nobody replaces the instance when it closes; False if it must go on serving for now."""
        ...

    def ending(self, instance_id: str, *, busy: bool) -> None:
        """The instance has closed. Nobody need wait for its end, unless it is `busy` with another gateway's call."""
        ...

    async def out_of_memory(self, instance_id: str) -> bool:
        """Whether the instance, which is suddenly gone, was killed for its memory; that may take a moment to know."""
        ...

    async def destroy(self, instance_id: str) -> None:
        """End the instance and everything it started, however far it got; return once it is gone.

        Idempotent, and harmless for an id that has ended already.
        """
        ...

    async def leave(self, instance_id: str) -> None:
        """Leave the instance to another gateway that uses it as well; it may be offered again, for when it is free."""
        ...

    async def close(self) -> None:
        """End every instance and release what the backend holds."""
        ...
