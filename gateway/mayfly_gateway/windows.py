"""The windows of time in which an alias's instances are kept initialised. Pure; times are seconds since 1970.

Rule: a window is open from a time of its schedule on for as long as it lasts, whatever else happens; that it opens
again meanwhile makes it longer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from mayfly_model.provisioned_scaling import ScheduledAction
from mayfly_model.schedules import Schedule, following, parse_schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window: when it opens, by the local time of `zone`, for how many seconds, and for how many instances."""

    name: str
    schedule: Schedule
    zone: ZoneInfo
    seconds: float
    instances: int

    def look(self, now: float) -> tuple[bool, float | None]:
        """Whether it is open, and when that may be otherwise; None for never."""
        opens = following(self.schedule, now - self.seconds, self.zone)
        if opens is None or opens > now:
            return False, opens
        return True, opens + self.seconds


@dataclass(frozen=True, slots=True)
class Opening:
    """The window that counts now, if one is open, and when to look again; None for never."""

    window: Window | None = None
    again_at: float | None = None


def window_of(action: ScheduledAction) -> Window:
    """The window that a scheduled action describes."""
    return Window(
        name=action.name,
        schedule=parse_schedule(action.schedule),
        zone=ZoneInfo(action.timezone),
        seconds=action.duration_minutes * 60,
        instances=action.provisioned_concurrent_executions,
    )


def look(windows: Iterable[Window], now: float) -> Opening:
    """The open window for the most instances; of equals the first."""
    found = [(window, *window.look(now)) for window in windows]
    opened = [window for window, is_open, _ in found if is_open]
    return Opening(
        max(opened, key=lambda window: window.instances, default=None),
        min((time for _, _, time in found if time is not None), default=None),
    )
