"""AWS's schedule expressions, `cron(…)` of six fields and `at(…)`, and the times that they mean in a time zone. Pure.

Rule: the grammar is that of EventBridge Scheduler, the calendar is cronsim's. A local time that daylight saving leaves
out never comes, and one that it repeats comes once, the first time: as there.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_FIELDS: Final = ("minutes", "hours", "day-of-month", "month", "day-of-week", "year")
_YEARS: Final = range(1970, 2200)
_ANY: Final = "?"
_DAY, _WEEKDAY = 2, 4
_NEAREST: Final = re.compile(r"([1-9]|[12][0-9]|3[01])W")
_NUMBER_OF_WEEKDAY: Final = re.compile(r"(?<![#/0-9])[0-9]+")
_YEAR_TERM: Final = re.compile(r"(?:(\*)|([0-9]{4})(?:-([0-9]{4}))?)(?:/([1-9][0-9]*))?")
_STEPS_FROM: Final = re.compile(r"(?<![-0-9A-Z])([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT)/")
_SOME_DAY: Final = datetime(2000, 1, 1)
_WEEKDAYS: Final = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_LAST_WEEKDAY: Final = re.compile(r"(SUN|MON|TUE|WED|THU|FRI|SAT)L")


class ScheduleError(ValueError):
    """The expression means nothing; the text says what is wrong with which part of it."""


class Schedule(Protocol):
    """Local times, one after the other."""

    def following(self, local: datetime) -> datetime | None:
        """The first of them after a local time, both without a zone; None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class At:
    """One time."""

    time: datetime

    def following(self, local: datetime) -> datetime | None:
        """It, if it is still to come."""
        return self.time if local < self.time else None


@dataclass(frozen=True, slots=True)
class Cron:
    """Times by the calendar. `fields` are cronsim's five; `nearest`: the working day nearest to this day of the month.

    cronsim knows neither years nor the nearest working day.
    """

    fields: str
    years: frozenset[int]
    nearest: int | None = None

    def following(self, local: datetime) -> datetime | None:
        """See `Schedule`."""
        while True:
            found = next(CronSim(self.fields, local), None)
            year = local.year if found is None else found.year
            later = min((each for each in self.years if each >= year), default=None)
            if found is None or later is None:
                return None
            if later > year:
                local = datetime(later, 1, 1) - timedelta(seconds=1)
            elif self.nearest is not None and found.day != _working_day(
                found.year, found.month, self.nearest
            ):
                local = found.replace(hour=23, minute=59, second=59)
            else:
                return found


def _working_day(year: int, month: int, day: int) -> int | None:
    """The day from Monday to Friday that is nearest to a day, in the same month; None if the month has no such day."""
    first, days = calendar.monthrange(year, month)
    if day > days:
        return None
    weekday = (first + day - 1) % 7
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < days else day - 2
    return day


@cache
def parse_schedule(expression: str) -> Schedule:
    """What an expression means.

    Raises:
        ScheduleError: it means nothing.
    """
    kind, opened, inside = expression.removesuffix(")").partition("(")
    if not (opened and expression.endswith(")") and kind in ("cron", "at")):
        raise ScheduleError("allowed: cron(minutes hours day-of-month month day-of-week year), or at(time)")
    return _cron(inside) if kind == "cron" else _at(inside)


def _at(text: str) -> At:
    try:
        time = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        time = None
    if time is None or time.year not in _YEARS:
        raise ScheduleError(
            f"found at({text}); allowed: at(yyyy-mm-ddThh:mm:ss) from 1970 to 2199, without a zone"
        )
    return At(time)


def _cron(text: str) -> Cron:
    fields = text.upper().split(" ")
    if len(fields) != len(_FIELDS) or not all(fields):
        raise ScheduleError(f"found {len(fields)} fields; allowed: six, which are {', '.join(_FIELDS)}")
    days = (fields[_DAY], fields[_WEEKDAY])
    if days.count(_ANY) != 1:
        raise ScheduleError(
            "allowed: ? in one of day-of-month and day-of-week, and the days in the other one"
        )
    nearest = _NEAREST.fullmatch(fields[_DAY])
    day = nearest[1] if nearest else fields[_DAY].replace(_ANY, "*")
    weekday = "*" if fields[_WEEKDAY] == _ANY else _weekdays(fields[_WEEKDAY])
    translated = [*fields[:_DAY], day, fields[3], weekday]
    _check(translated, fields)
    if nearest is None:
        return Cron(" ".join(translated), _years(fields[5]))
    translated[_DAY] = "*"
    return Cron(" ".join(translated), _years(fields[5]), int(nearest[1]))


def _weekdays(text: str) -> str:
    """The days of the week with cronsim's numbers, which begin at 0 and have a second one for Sunday, 7."""
    if text == "L":
        return "6"
    text = _LAST_WEEKDAY.sub(lambda found: f"{_WEEKDAYS.index(found[1]) + 1}L", text)
    text = _NUMBER_OF_WEEKDAY.sub(_less_one, text)
    return _STEPS_FROM.sub(r"\1-6/", text)


def _less_one(found: re.Match[str]) -> str:
    number = int(found[0])
    if not 1 <= number <= len(_WEEKDAYS):
        raise ScheduleError(f"found {number} as day-of-week; {_ALLOWED[_WEEKDAY]}")
    return str(number - 1)


def _check(translated: list[str], fields: list[str]) -> None:
    """Refuse what cronsim does, naming the field."""
    for place, field in enumerate(translated):
        alone = ["0", "0", "*", "*", "*"]
        alone[place] = field
        try:
            CronSim(" ".join(alone), _SOME_DAY)
        except (CronSimError, AssertionError, TypeError, ValueError):
            raise ScheduleError(f"found {fields[place]} as {_FIELDS[place]}; {_ALLOWED[place]}") from None
    try:
        CronSim(" ".join(translated), _SOME_DAY)
    except CronSimError:
        raise ScheduleError(
            f"found {fields[_DAY]} as day-of-month, which no month of {fields[3]} has"
        ) from None


_ALLOWED: Final = (
    "allowed: 0 to 59, lists, ranges and steps",
    "allowed: 0 to 23, lists, ranges and steps",
    "allowed: 1 to 31, lists, ranges and steps, L, LW, and 1W to 31W",
    "allowed: 1 to 12 or JAN to DEC, lists, ranges and steps",
    "allowed: 1, which is SUN, to 7 or SUN to SAT, lists, ranges and steps, L, 6L and SAT#3",
)


def _years(text: str) -> frozenset[int]:
    found: set[int] = set()
    for term in text.split(","):
        read = _YEAR_TERM.fullmatch(term)
        if read is None:
            raise ScheduleError(f"found {text} as year; allowed: 1970 to 2199, lists, ranges and steps")
        every, first, last, step = read.groups()
        least = _YEARS.start if every else int(first)
        most = int(last) if last else least if not (every or step) else _YEARS.stop - 1
        found |= set(range(least, most + 1, int(step or 1)))
    if not found or not found <= set(_YEARS):
        raise ScheduleError(f"found {text} as year; allowed: 1970 to 2199, lists, ranges and steps")
    return frozenset(found)


def following(schedule: Schedule, after: float, zone: ZoneInfo) -> float | None:
    """The first time of a schedule after another time, both in seconds since 1970; None if there is none."""
    local: datetime | None = datetime.fromtimestamp(after, zone).replace(tzinfo=None)
    while local is not None:
        local = schedule.following(local)
        time = None if local is None else _seconds(local, zone)
        if time is not None and time > after:
            return time
    return None


def _seconds(local: datetime, zone: ZoneInfo) -> float | None:
    """When a local time is, the first time if it is twice; None if daylight saving leaves it out."""
    time = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return time.timestamp() if time.astimezone(zone).replace(tzinfo=None, fold=0) == local else None
