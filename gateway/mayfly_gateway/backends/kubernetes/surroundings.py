"""What the Kubernetes backend is given to work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.code import Packages
from mayfly_gateway.backends.kubernetes.invoked import Invoked
from mayfly_gateway.backends.kubernetes.keys import Keys
from mayfly_gateway.catalogue import Catalogue
from mayfly_model.runtime_list import RuntimeImage
from mayfly_model.sizing import Sizing


class Ownership(Protocol):
    """Which functions are this gateway's."""

    def owns(self, function: tuple[str, str]) -> bool:
        """Whether this one is."""
        ...

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called whenever that may be another."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the backend works with. `runtimes` by name; `endpoint`: the gateways' address, for SDKs in functions.

    `sizing`: what instances have, as the operator is told; `doubt`: see `Claims`; `invoked` is told of invocations.
    """

    api: Api
    catalogue: Catalogue
    ownership: Ownership
    keys: Keys
    runtimes: Mapping[str, RuntimeImage]
    packages: Packages
    cluster: str
    endpoint: str | None = None
    sizing: Sizing = field(default_factory=Sizing)
    doubt: float = 5.0
    invoked: Invoked = field(default_factory=Invoked)
