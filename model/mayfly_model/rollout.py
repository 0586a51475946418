"""Gradual rollouts: how an alias goes from one version to another by itself, and how far it is.

Rule: the words are those of AWS CodeDeploy's deployment configurations for Lambda where it has one.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from mayfly_model import limits
from mayfly_model.part import Observed, Part, broken, text, whole_number
from mayfly_model.version import FunctionVersion

RolloutType = Literal["Canary", "Linear"]

SHORTEST_INTERVAL_MINUTES: Final = 0.05
LONGEST_INTERVAL_MINUTES: Final = 2880.0
STEPS_MAX: Final = 100
INVOCATIONS_MAX: Final = 1_000_000


class RolloutPhase(StrEnum):
    """How far a rollout is."""

    PROGRESSING = "Progressing"
    """It goes on."""
    COMPLETED = "Completed"
    """All calls go to the new version."""
    ROLLED_BACK = "RolledBack"
    """All calls go to the old one, for the new one was not good enough."""


class RolloutAlarm(Part):
    """When the new version is not good enough. Looked at are its calls by this alias."""

    error_rate: Annotated[float | None, Field(ge=0, le=1, strict=True)] = None
    """Share of the invocations that may fail, by a function error or by a 5xx of the platform. More roll it back."""
    p99_milliseconds: Annotated[int | None, whole_number(1, limits.TIMEOUT_S_MAX * 1000, "ms")] = None
    """Duration within which 99 of 100 invocations must be over."""
    minimum_invocations: Annotated[int, whole_number(1, INVOCATIONS_MAX)] = 20
    """So many invocations must be over before there is a verdict."""

    @model_validator(mode="after")
    def _says_something(self) -> "RolloutAlarm":
        if self.error_rate is None and self.p99_milliseconds is None:
            raise broken("found neither errorRate nor p99Milliseconds; allowed: one of them, or both")
        return self


class Rollout(Part):
    """How the alias goes from one version to another: step by step instead of at once."""

    type: RolloutType
    """Canary: first one share, then all. Linear: the same share more with each step."""
    percentage: Annotated[int, whole_number(1, 99, "%")]
    """Share of the invocations that a step adds."""
    interval_minutes: Annotated[
        float, Field(ge=SHORTEST_INTERVAL_MINUTES, le=LONGEST_INTERVAL_MINUTES, strict=True)
    ]
    """Minutes between two steps; parts of one are allowed."""
    alarm: RolloutAlarm | None = None
    """When to go back to the old version at once. Without it the rollout goes by time alone."""


class RolloutStatus(Observed):
    """How far the last rollout of the alias is."""

    observed_generation: Annotated[int, whole_number(0, limits.GENERATION_MAX)]
    """Generation of the Alias that asked for it."""
    from_version: FunctionVersion
    """Version that the alias leads away from, and back to if the new one is not good enough."""
    to_version: FunctionVersion
    """Version that it leads to."""
    weight: Annotated[float, Field(ge=0, le=1, strict=True)]
    """Share of the invocations that the new version gets."""
    step: Annotated[int, whole_number(0, STEPS_MAX)]
    """How many steps were made."""
    started_at: datetime
    """When the first step was made."""
    stepped_at: datetime
    """When the last step was made, or the way back."""
    phase: RolloutPhase
    """Progressing, Completed or RolledBack."""
    message: Annotated[str, text("any text", least=0, most=4096)] = ""
    """Why it was rolled back."""
