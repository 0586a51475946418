"""Provisioned concurrency that follows the clock and the load: what an Alias asks for, and what became of it.

Rule: the words are those of Application Auto Scaling for Lambda, with a duration where AWS needs a second action.
"""

from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from mayfly_model import limits
from mayfly_model.part import Observed, Part, broken, text, whole_number
from mayfly_model.schedules import ScheduleError, parse_schedule

ACTIONS_MAX: Final = 50
"""Most scheduled actions of an Alias; ours (AWS: 200)."""
LONGEST_WINDOW_MINUTES: Final = 10_080
"""A week; ours."""
COOLDOWN_S_MAX: Final = 86_400
"""A day; ours."""

_SCHEDULE = (
    r"^(cron\([^ ]+( [^ ]+){5}\)"
    r"|at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\))$"
)


class ScheduledAction(Part):
    """A window of time, once or again and again, in which more instances are kept initialised."""

    name: Annotated[
        str,
        text(
            "letters, digits and - _ . within", pattern=r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$", most=63
        ),
    ]
    """What the window is called where the status tells of it."""
    schedule: Annotated[
        str,
        text(
            "cron(minutes hours day-of-month month day-of-week year), or at(yyyy-mm-ddThh:mm:ss)",
            pattern=_SCHEDULE,
            most=256,
        ),
    ]
    """When the window opens, in local time: cron of AWS's six fields, such as cron(0 8 ? * MON-FRI *), or at(time).
    What daylight saving leaves out is skipped, what it repeats happens once."""
    timezone: Annotated[
        str,
        text(
            "a name of the IANA time zone database", pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", most=64
        ),
    ] = "UTC"
    """Time zone of the schedule, such as Europe/Zurich."""
    duration_minutes: Annotated[int, whole_number(1, LONGEST_WINDOW_MINUTES, "min")]
    """How long the window is open, in minutes."""
    provisioned_concurrent_executions: Annotated[int, whole_number(1, limits.RESERVED_CONCURRENCY_MAX)]
    """Instances that are kept initialised at the least while it is open. Of several windows the greatest counts."""

    @model_validator(mode="after")
    def _means_something(self) -> "ScheduledAction":
        try:
            parse_schedule(self.schedule)
        except ScheduleError as error:
            raise broken(str(error), "schedule") from error
        try:
            ZoneInfo(self.timezone)
        except (KeyError, OSError, ValueError) as error:
            sentence = f"found {self.timezone}; allowed: a name of the IANA time zone database, such as Europe/Zurich"
            raise broken(sentence, "timezone") from error
        return self


class TargetTracking(Part):
    """Instances enough that a share of them is in use: the metric is LambdaProvisionedConcurrencyUtilization."""

    target_value: Annotated[float, Field(ge=0.1, le=0.9, strict=True)]
    """Share of the initialised instances that is to be in use."""
    min_capacity: Annotated[int, whole_number(1, limits.RESERVED_CONCURRENCY_MAX)]
    """Instances that are kept initialised at the least."""
    max_capacity: Annotated[int, whole_number(1, limits.RESERVED_CONCURRENCY_MAX)]
    """Instances that target tracking keeps initialised at most; a window that is open may ask for more."""
    scale_out_cooldown: Annotated[int, whole_number(0, COOLDOWN_S_MAX, "s")] = 0
    """Seconds after more instances were asked for in which no more are."""
    scale_in_cooldown: Annotated[int, whole_number(0, COOLDOWN_S_MAX, "s")] = 0
    """Seconds after fewer instances were asked for in which no fewer are."""

    @model_validator(mode="after")
    def _bounds_fit(self) -> "TargetTracking":
        if self.min_capacity > self.max_capacity:
            raise broken(
                f"found {self.min_capacity}; allowed: at most maxCapacity, {self.max_capacity}", "minCapacity"
            )
        return self


class ProvisionedConcurrencyScaling(Part):
    """How many instances are kept initialised, by the clock and by the load.

    At least the greatest of provisionedConcurrentExecutions, the windows that are open and minCapacity; above that what
    target tracking asks for, up to maxCapacity.
    """

    scheduled_actions: Annotated[tuple[ScheduledAction, ...], Field(max_length=ACTIONS_MAX)] = ()
    """Windows of time in which more instances are kept initialised."""
    target_tracking: TargetTracking | None = None
    """Instances by how many are in use."""

    @model_validator(mode="after")
    def _says_something(self) -> "ProvisionedConcurrencyScaling":
        if not self.scheduled_actions and self.target_tracking is None:
            raise broken("found neither scheduledActions nor targetTracking; allowed: one of them, or both")
        names = [each.name for each in self.scheduled_actions]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise broken(f"found {twice} twice; allowed: each name once", "scheduledActions")
        return self


class ProvisionedConcurrencyScalingStatus(Observed):
    """What was decided last."""

    observed_generation: Annotated[int, whole_number(0, limits.GENERATION_MAX)]
    """Generation of the Alias that it was decided for."""
    requested: Annotated[int, whole_number(0, limits.RESERVED_CONCURRENCY_MAX)]
    """Instances that are to be kept initialised now."""
    reason: Annotated[str, text("one word", pattern=r"^[A-Za-z]+$", most=64)]
    """What the number comes from: ScheduledAction, TargetTracking, MinCapacity or ProvisionedConcurrentExecutions."""
    message: Annotated[str, text("any text", least=0, most=1024)] = ""
    """The same for people."""
    scaled_out_at: datetime | None = None
    """When target tracking asked for more instances last."""
    scaled_in_at: datetime | None = None
    """When target tracking asked for fewer instances last."""
