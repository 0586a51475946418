"""Where instances come from. A backend places and ends them; it decides nothing about when."""

from dataclasses import dataclass, field
from typing import Protocol

from mayfly_gateway.catalogue import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A placed instance: an agent that listens and is not yet told which function it serves.

    `address` is the path of a Unix socket or (host, port). `specialise` is the JSON body of the agent's
    POST /specialise, sent by the dispatcher on the connection that later carries the invocations; `token` is
    the one named in it.
    """

    id: str
    address: str | tuple[str, int]
    token: str = field(repr=False)
    specialise: bytes = field(repr=False)


class Backend(Protocol):
    """One kind of place for instances."""

    async def launch(self, target: Target) -> Instance:
        """Place an instance for this function version.

        Raises:
            LambdaError: why it cannot be done, worded for the caller of the function.
        """
        ...

    async def destroy(self, instance_id: str) -> None:
        """End the instance and everything it started, however far it got; return once it is gone.

        Idempotent, and harmless for an id that has ended already.
        """
        ...

    async def close(self) -> None:
        """End every instance and release what the backend holds."""
        ...
