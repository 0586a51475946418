"""How many instances are kept is decided by windows and target tracking, at any time and whatever was measured."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway.provision_plan import Decided, Plan, Reason, decide
from mayfly_gateway.target_tracking import Minute, remember
from mayfly_gateway.windows import Opening, look, window_of
from mayfly_model.provisioned_scaling import ScheduledAction, TargetTracking

BERN = ZoneInfo("Europe/Zurich")


def window(
    schedule="cron(0 8 ? * MON-FRI *)", minutes=600, instances=10, name="day", timezone="Europe/Zurich"
):
    return window_of(
        ScheduledAction(
            name=name,
            schedule=schedule,
            timezone=timezone,
            duration_minutes=minutes,
            provisioned_concurrent_executions=instances,
        )
    )


def at(text, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=BERN, fold=fold).timestamp()


def kept(plan, text):
    now = at(text)
    return decide(plan, look(plan.windows, now), None, now=now).instances


def test_a_window_is_open_from_its_time_on_for_as_long_as_it_lasts():
    plan = Plan(windows=(window(),), number=1)
    assert [kept(plan, f"2026-03-02T{time}") for time in ("07:59:59", "08:00", "17:59:59", "18:00")] == [
        1,
        10,
        10,
        1,
    ]
    assert kept(plan, "2026-03-01T12:00") == 1


def test_it_is_looked_at_again_when_a_window_opens_or_closes():
    windows = (window(),)
    assert look(windows, at("2026-03-02T07:00")).again_at == at("2026-03-02T08:00")
    assert look(windows, at("2026-03-02T08:00")).again_at == at("2026-03-02T18:00")
    assert look(windows, at("2026-03-06T18:00")).again_at == at("2026-03-09T08:00")
    assert look((window("at(2026-01-01T00:00:00)"),), at("2026-03-01T00:00")) == Opening()


def test_of_several_windows_the_greatest_counts():
    plan = Plan(
        windows=(window(), window("cron(0 12 * * ? *)", 60, 30, "lunch"), window(instances=2, name="little"))
    )
    found = decide(plan, look(plan.windows, at("2026-03-02T12:30")), None, now=0)
    assert (found.instances, found.reason, found.message) == (30, Reason.WINDOW, "The window lunch is open.")
    assert kept(plan, "2026-03-02T13:30") == 10
    assert kept(plan, "2026-03-01T10:00") == 0


def test_a_window_that_opens_again_while_it_is_open_goes_on():
    plan = Plan(windows=(window("cron(0/10 8-9 * * ? *)", 15, 4),))
    assert {kept(plan, f"2026-03-02T09:{minute:02}") for minute in range(60)} == {4}
    assert kept(plan, "2026-03-02T10:04") == 4
    assert kept(plan, "2026-03-02T10:05") == 0


def test_a_window_lasts_as_long_when_clocks_are_turned_meanwhile():
    night = Plan(windows=(window("cron(0 1 * * ? *)", 180, 3),))
    assert kept(night, "2026-03-29T04:59") == 3
    assert kept(night, "2026-03-29T05:00") == 0
    assert kept(night, "2026-10-25T02:59") == 3
    assert kept(night, "2026-10-25T03:00") == 0


def test_a_window_at_a_time_that_does_not_exist_stays_closed_that_day():
    night = Plan(windows=(window("cron(30 2 * * ? *)", 60, 3),))
    assert [kept(night, f"2026-03-{day}T03:15") for day in (28, 29, 30)] == [3, 0, 3]


def test_a_window_at_a_time_that_exists_twice_opens_once():
    windows = (window("cron(30 2 * * ? *)", 30, 3),)
    first, second = at("2026-10-25T02:45"), at("2026-10-25T02:45", fold=1)
    assert [look(windows, time).window is not None for time in (first, second)] == [True, False]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["cron(0/20 * * * ? *)", "cron(30 2 * * ? *)", "cron(0 0 ? * SUN *)", "cron(15 0/5 L * ? *)"]
            ),
            st.integers(1, 3000),
            st.integers(1, 9),
            st.sampled_from(["Europe/Zurich", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 525_599),
    st.floats(0, 1, exclude_max=True),
)
def test_nothing_opens_or_closes_before_it_is_looked_at_again(asked, minute, part):
    windows = [window(schedule, minutes, count, timezone=zone) for schedule, minutes, count, zone in asked]
    now = at("2026-01-01T00:00") + minute * 60
    found = look(windows, now)
    assert found.again_at is not None
    assert found.again_at > now
    # What is a part of a microsecond before it is taken for it.
    later = min(now + (found.again_at - now) * part, found.again_at - 0.001)
    assert look(windows, later) == Opening(found.window, found.again_at)


# Target tracking.

TRACKING = TargetTracking(target_value=0.7, min_capacity=2, max_capacity=20)


class Clock:
    """Minute by minute: so many calls at once that there are, and what is decided."""

    def __init__(self, plan, before=None, room=None):
        self.plan, self.decided, self.room = plan, before, room
        self.history = ()
        self.minute = 29_000_000
        self.decide()

    def decide(self, opening=None):
        now = self.minute * 60
        opening = opening or look(self.plan.windows, now)
        self.decided = decide(self.plan, opening, self.decided, history=self.history, now=now, room=self.room)
        return self.decided.instances

    def spend(self, *calls):
        """A minute each."""
        found = []
        for each in calls:
            allocated = self.decided.instances
            if allocated:
                self.history = remember(self.history, Minute(self.minute, min(each, allocated), allocated))
            self.minute += 1
            found.append(self.decide())
        return found


def test_three_minutes_above_the_target_ask_for_more():
    clock = Clock(Plan(tracking=TRACKING), Decided(generation=1, instances=10, reason="x"))
    assert clock.spend(8, 9, 10) == [10, 10, 15]
    assert clock.decided.reason == Reason.TRACKING
    assert (
        clock.decided.message == "For 3 minutes more than 70 % of 10 were in use, and 100 % in the last one."
    )
    assert clock.spend(10, 10, 10) == [15, 15, 15]


def test_a_minute_that_is_not_above_it_begins_anew():
    clock = Clock(Plan(tracking=TRACKING), Decided(generation=1, instances=10, reason="x"))
    assert clock.spend(8, 8, 7, 8, 8, 8) == [10, 10, 10, 10, 10, 12]


def test_fifteen_minutes_below_nine_tenths_of_it_ask_for_fewer_and_the_busiest_says_how_many():
    clock = Clock(Plan(tracking=TRACKING), Decided(generation=1, instances=20, reason="x"))
    assert clock.spend(*[0] * 14, 7) == [*[20] * 14, 10]
    assert clock.decided.message == "For 15 minutes less than 63 % of them were in use; 20 were kept."
    # 7 of 10 is what is wanted.
    assert clock.spend(*[7] * 20) == [10] * 20


def test_between_the_two_nothing_changes():
    clock = Clock(Plan(tracking=TRACKING), Decided(generation=1, instances=10, reason="x"))
    assert set(clock.spend(*[7] * 40)) == {10}


def test_minutes_that_were_not_measured_begin_anew():
    clock = Clock(Plan(tracking=TRACKING), Decided(generation=1, instances=10, reason="x"))
    clock.spend(10, 10)
    clock.minute += 1
    assert clock.spend(10, 10, 10) == [10, 10, 15]


def test_cooldowns_are_waited_for():
    slow = TargetTracking(
        target_value=0.5, min_capacity=1, max_capacity=100, scale_out_cooldown=300, scale_in_cooldown=600
    )
    clock = Clock(Plan(tracking=slow), Decided(generation=1, instances=4, reason="x"))
    assert clock.spend(*[100] * 9) == [4, 4, 8, 8, 8, 8, 8, 16, 16]
    clock = Clock(Plan(tracking=slow), Decided(generation=1, instances=64, reason="x"))
    assert clock.spend(*[0] * 15)[-1] == 1
    clock.decided = Decided(generation=1, instances=64, reason="x", in_at=clock.decided.in_at)
    assert clock.spend(*[0] * 11) == [*[64] * 9, 1, 1]


def test_a_window_raises_the_least_and_its_end_leaves_the_rest_to_the_load():
    plan = Plan(tracking=TRACKING)
    clock = Clock(plan, Decided(generation=1, instances=3, reason="x"))
    day = Opening(window(instances=12))
    assert clock.decide(day) == 12
    assert clock.decided.reason == Reason.WINDOW
    assert clock.decide() == 12
    assert clock.decided.reason == Reason.TRACKING
    assert clock.spend(*[3] * 15) == [*[12] * 14, 5]


def test_a_window_may_ask_for_more_than_target_tracking_may():
    clock = Clock(Plan(tracking=TRACKING))
    assert clock.decide(Opening(window(instances=50))) == 50
    assert clock.decide() == 20
    assert clock.decided.message == "maxCapacity is 20."


def test_the_plain_number_is_kept_at_all_times():
    clock = Clock(Plan(number=6, tracking=TRACKING))
    assert clock.decided.instances == 6
    assert clock.decided.reason == Reason.NUMBER
    assert set(clock.spend(*[0] * 40)) == {6}


def test_no_more_is_asked_for_than_the_reservation_leaves():
    clock = Clock(Plan(tracking=TRACKING), Decided(generation=1, instances=4, reason="x"), room=5)
    assert clock.spend(4, 4, 4, 5, 5, 5) == [4, 4, 5, 5, 5, 5]
    assert clock.decided.message.endswith("The function's reservation leaves 5.")
    assert clock.decide(Opening(window(instances=50))) == 5


def test_who_takes_over_goes_on_from_what_was_decided():
    clock = Clock(Plan(tracking=TRACKING), Decided(generation=1, instances=10, reason="x"))
    clock.spend(10, 10, 10)
    other = Clock(Plan(tracking=TRACKING), clock.decided)
    assert other.decided == clock.decided
    assert other.spend(*[3] * 14) == [15] * 14


@given(
    st.lists(st.integers(0, 60), max_size=60),
    st.integers(0, 30),
    st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]),
    st.integers(1, 20),
    st.integers(0, 20),
    st.one_of(st.none(), st.integers(0, 40)),
)
def test_the_number_stays_within_its_bounds_and_settles(calls, number, target, least, more, room):
    tracking = TargetTracking(target_value=target, min_capacity=least, max_capacity=least + more)
    clock = Clock(Plan(number=number, tracking=tracking), room=room)
    floor = max(number, least) if room is None else min(room, max(number, least))
    most = max(number, least + more) if room is None else min(room, max(number, least + more))
    assert all(floor <= each <= most for each in clock.spend(*calls))
    clock.spend(*[5] * 120)
    last = clock.decided
    assert clock.spend(*[5] * 60) == [last.instances] * 60
    # Nothing is told, and so written down, that is no news.
    assert clock.decided == last
    if last.instances > floor:
        assert 5 / last.instances >= 0.9 * target - 1e-6 or -(-5 // target) >= last.instances
    if last.instances < most:
        assert 5 / last.instances <= target + 1e-6
