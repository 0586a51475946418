"""AWS's schedule expressions mean the times that EventBridge Scheduler runs at."""

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_model.schedules import ScheduleError, following, parse_schedule

BERN = "Europe/Zurich"


def times(expression, count, *, since, zone="UTC"):
    """The next times of an expression, as local clocks show them."""
    there, found = ZoneInfo(zone), []
    at = datetime.fromisoformat(since).replace(tzinfo=there).timestamp()
    while len(found) < count and (at := following(parse_schedule(expression), at, there)) is not None:
        found.append(datetime.fromtimestamp(at, there).isoformat(timespec="minutes"))
    return found


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        ("0 8 ? * MON-FRI *", ["2026-01-01", "2026-01-02", "2026-01-05"]),
        ("0 8 ? * 2,4 *", ["2026-01-05", "2026-01-07", "2026-01-12"]),
        ("0 8 ? * 1 *", ["2026-01-04", "2026-01-11", "2026-01-18"]),
        ("0 8 ? * L *", ["2026-01-03", "2026-01-10", "2026-01-17"]),
        ("0 8 ? * 6L *", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("0 8 ? * FRIL *", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("0 8 ? * SAT#3 *", ["2026-01-17", "2026-02-21", "2026-03-21"]),
        ("0 8 ? * 2/3 *", ["2026-01-01", "2026-01-05", "2026-01-08"]),
        ("0 8 ? * MON/3 *", ["2026-01-01", "2026-01-05", "2026-01-08"]),
        ("0 8 L * ? *", ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ("0 8 LW * ? *", ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ("0 8 3W * ? *", ["2026-01-02", "2026-02-03", "2026-03-03"]),
        ("0 8 1W * ? *", ["2026-01-01", "2026-02-02", "2026-03-02"]),
        ("0 8 31W * ? *", ["2026-01-30", "2026-03-31", "2026-05-29"]),
        ("0 8 29 2 ? *", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        ("0 8 1 1 ? 2027,2030-2040/5", ["2027-01-01", "2030-01-01", "2035-01-01"]),
        ("0 8 1 jan ? 2099/100", ["2099-01-01", "2199-01-01"]),
        ("0 8 * * ? 2020", []),
    ],
)
def test_days_are_aws_days(fields, days):
    found = times(f"cron({fields})", 3, since="2025-12-31T12:00")
    assert [each[:16] for each in found] == [f"{day}T08:00" for day in days]


def test_steps_count_from_where_they_begin():
    assert [each[11:16] for each in times("cron(5/20 9-10 * * ? *)", 6, since="2026-01-01T00:00")] == [
        "09:05", "09:25", "09:45", "10:05", "10:25", "10:45",
    ]  # fmt: skip


def test_a_time_comes_once():
    assert times("at(2026-07-01T18:30:00)", 2, since="2026-01-01T00:00", zone=BERN) == [
        "2026-07-01T18:30+02:00"
    ]


def test_a_local_time_that_does_not_exist_is_skipped():
    found = times("cron(30 2 * * ? *)", 2, since="2026-03-28T00:00", zone=BERN)
    assert found == ["2026-03-28T02:30+01:00", "2026-03-30T02:30+02:00"]
    assert times("at(2026-03-29T02:30:00)", 1, since="2026-03-28T00:00", zone=BERN) == []


def test_a_local_time_that_exists_twice_comes_once_the_first_time():
    found = times("cron(30 2 * * ? *)", 3, since="2026-10-24T00:00", zone=BERN)
    assert found == ["2026-10-24T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]
    found = times("cron(0 * * * ? *)", 3, since="2026-10-25T01:30", zone=BERN)
    assert found == ["2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00", "2026-10-25T04:00+01:00"]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("cron(0 8 * * ?)", "found 5 fields; allowed: six"),
        ("cron(0  8 * * ? *)", "found 7 fields"),
        ("cron(0 8 * * * *)", "? in one of day-of-month and day-of-week"),
        ("cron(0 8 ? * ? *)", "? in one of day-of-month and day-of-week"),
        ("cron(60 8 * * ? *)", "found 60 as minutes; allowed: 0 to 59"),
        ("cron(0 24 * * ? *)", "found 24 as hours; allowed: 0 to 23"),
        ("cron(0 8 32W * ? *)", "found 32W as day-of-month"),
        ("cron(0 8 * 13 ? *)", "found 13 as month"),
        ("cron(0 8 ? * 0 *)", "found 0 as day-of-week; allowed: 1, which is SUN"),
        ("cron(0 8 ? * 6#6 *)", "found 6#6 as day-of-week"),
        ("cron(0 8 ? * FRI-MON *)", "found FRI-MON as day-of-week"),
        ("cron(0 8 * * ? 1969)", "found 1969 as year; allowed: 1970 to 2199"),
        ("cron(0 8 * * ? soon)", "found SOON as year"),
        ("cron(*/0 8 * * ? *)", "found */0 as minutes"),
        ("cron(0 8 30 2 ? *)", "found 30 as day-of-month, which no month of 2 has"),
        ("cron(0 8 31W FEB,APR ? *)", "found 31W as day-of-month, which no month of FEB,APR has"),
        ("at(2026-02-30T00:00:00)", "found at(2026-02-30T00:00:00)"),
        ("at(2026-02-03T00:00:00Z)", "without a zone"),
        ("at(9999-12-31T23:59:59)", "from 1970 to 2199"),
        ("rate(5 minutes)", "allowed: cron("),
        ("0 8 * * ? *", "allowed: cron("),
    ],
)
def test_what_means_nothing_is_told_with_what_to_change(expression, sentence):
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(expression)
    assert sentence in str(caught.value)


def field(least, most, named=None):
    """A field, and the numbers that it means; only those up to `named` are named."""
    numbers = st.integers(least, named or most)
    alone = numbers.map(lambda n: (str(n), {n}))
    ranges = (
        st.tuples(numbers, numbers).map(sorted).map(lambda n: (f"{n[0]}-{n[1]}", {*range(n[0], n[1] + 1)}))
    )
    steps = st.tuples(numbers, st.integers(1, 9)).map(
        lambda n: (f"{n[0]}/{n[1]}", {*range(n[0], most + 1, n[1])})
    )
    some = st.one_of(alone, ranges, steps)
    lists = st.lists(some, min_size=1, max_size=3).map(
        lambda each: (",".join(text for text, _ in each), set().union(*(found for _, found in each)))
    )
    return st.one_of(st.just(("*", {*range(least, most + 1)})), lists)


@given(
    field(0, 59),
    field(0, 23),
    field(1, 31, named=28),
    field(1, 12),
    field(1, 7),
    st.booleans(),
    st.integers(0, 525_599),
)
def test_the_next_time_is_the_next_minute_of_the_calendar_that_fits(
    minute, hour, day, month, weekday, by_day, start
):
    days = (day[0], "?") if by_day else ("?", weekday[0])
    schedule = parse_schedule(f"cron({minute[0]} {hour[0]} {days[0]} {month[0]} {days[1]} *)")
    since = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=start)
    found = datetime.fromtimestamp(following(schedule, since.timestamp(), ZoneInfo("UTC")) or 0, UTC)

    def fits(date):
        right = date.day in day[1] if by_day else (date.weekday() + 1) % 7 + 1 in weekday[1]
        return right and date.month in month[1]

    date = since.date()
    while True:
        if fits(date):
            for each in sorted((h, m) for h in hour[1] for m in minute[1]):
                expected = datetime(date.year, date.month, date.day, *each, tzinfo=UTC)
                if expected > since:
                    assert found == expected
                    return
        date += timedelta(days=1)


@given(
    st.sampled_from([BERN, "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]), st.integers(0, 8783)
)
def test_times_go_on_whatever_the_clocks_do(zone, hour):
    there = ZoneInfo(zone)
    since = datetime(2026, 1, 1, tzinfo=UTC).timestamp() + hour * 3600
    schedule, found = parse_schedule("cron(0/15 * * * ? *)"), since
    for _ in range(6):
        before, found = found, following(schedule, found, there)
        assert found is not None
        # An hour that is repeated is passed over, and nothing else.
        assert before < found <= before + 75 * 60
        assert datetime.fromtimestamp(found, there).minute % 15 == 0
        assert not datetime.fromtimestamp(found, there).fold


def test_working_days_are_of_their_month():
    for month in range(1, 13):
        _, days = calendar.monthrange(2026, month)
        for day in range(1, days + 1):
            found = datetime.fromisoformat(
                times(f"cron(0 0 {day}W {month} ? 2026)", 1, since="2025-12-31T23:00")[0]
            )
            assert (found.month, found.weekday() < 5, abs(found.day - day) <= 2) == (month, True, True)
