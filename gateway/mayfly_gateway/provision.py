"""How many instances of a version are kept initialised ahead of calls, and how that goes. Pure.

Rule: an attempt that failed is made again after a pause that grows; the reason stays until one succeeds.
"""

from dataclasses import dataclass

from mayfly_model.errors import LambdaError, ResourceNotReadyException
from mayfly_model.provisioned import INIT_FAILURE

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class InitFailedError(ResourceNotReadyException):
    """An instance's INIT failed which no call waited for, so that nobody else is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """How far it is: instances asked for, there or coming, and ready. `reason`: why the last attempt failed."""

    requested: int
    allocated: int
    available: int
    reason: str | None

    @property
    def status(self) -> str:
        """As AWS says it: READY, IN_PROGRESS or FAILED."""
        if self.available >= self.requested:
            return "READY"
        return "IN_PROGRESS" if self.reason is None else "FAILED"


@dataclass(frozen=True, slots=True)
class Load:
    """Of the `wanted` provisioned instances: the most in use at once within some time, and those that are ready."""

    in_use: float
    allocated: int
    wanted: int


class Provision:
    """One version's."""

    __slots__ = ("_failures", "_reason", "again_at", "wanted")

    def __init__(self) -> None:
        self.wanted = 0
        self.again_at = 0.0
        """Before then, by the loop's clock, no other attempt is to be made."""
        self._failures = 0
        self._reason: str | None = None

    def want(self, instances: int) -> None:
        """Keep so many from now on."""
        if instances != self.wanted:
            self.wanted = instances
            self._begin_anew()

    def succeeded(self) -> None:
        """An instance is ready."""
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._failures = 0
        self._reason = None
        self.again_at = 0.0

    def failed(self, error: LambdaError, now: float) -> None:
        """An instance will not come."""
        self.again_at = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        self._reason = INIT_FAILURE if isinstance(error, InitFailedError) else error.message

    def told(self, allocated: int, available: int) -> Provisioned:
        """How far it is."""
        return Provisioned(
            requested=self.wanted, allocated=allocated, available=available, reason=self._reason
        )
