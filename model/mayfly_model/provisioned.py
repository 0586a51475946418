"""Provisioned concurrency: how far the instances are that are initialised ahead of any call."""

from typing import Annotated, Final, Literal

from mayfly_model import limits
from mayfly_model.part import Observed, text, whole_number

ProvisionedState = Literal["IN_PROGRESS", "READY", "FAILED"]
INIT_FAILURE: Final = "FUNCTION_ERROR_INIT_FAILURE"
"""The reason where the function's own INIT fails, as on AWS."""


class ProvisionedStatus(Observed):
    """What became of a number of provisioned instances."""

    requested: Annotated[int, whole_number(1, limits.RESERVED_CONCURRENCY_MAX)]
    """The number that this tells about; another one is asked for since when the spec says another."""
    allocated: Annotated[int, whole_number(0, limits.RESERVED_CONCURRENCY_MAX)] = 0
    """Instances that exist for it."""
    available: Annotated[int, whole_number(0, limits.RESERVED_CONCURRENCY_MAX)] = 0
    """Instances that are initialised and answer calls."""
    status: ProvisionedState = "IN_PROGRESS"
    """READY when all are available, FAILED when they cannot be, else IN_PROGRESS."""
    status_reason: Annotated[str | None, text("any text", least=0, most=4096)] = None
    """Why it failed: FUNCTION_ERROR_INIT_FAILURE where the function's own INIT does."""
