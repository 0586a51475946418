"""What a gateway has that may count a function exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class LeaseError(Exception):
    """The lease cannot be had now."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A function that this process holds. `running`: invocations by instance that its last holder left behind."""

    epoch: int
    running: Mapping[str, int] = field(default_factory=dict)
