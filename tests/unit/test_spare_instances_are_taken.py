"""Spare instances are taken for calls that would wait for longer; others are asked for beside them only as needed."""

from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway.scaling import Busy, Coming, Estimates, Starts, shortfall


def estimates(*, duration=None, spare=None, cold_start=None):
    known = Estimates()
    if duration is not None:
        known.observe_duration(duration)
    if spare is not None:
        known.observe_start(spare, spare=True)
    if cold_start is not None:
        known.observe_start(cold_start)
    return known


def decide(waiting, *, spare, busy=(), coming=(), known=None, waiting_for=0.0, lanes=1):
    """How many spare instances are taken, and how many others asked for."""
    return shortfall(
        waiting=waiting,
        waiting_for=waiting_for,
        busy=busy,
        launching=coming,
        spare=spare,
        lanes=lanes,
        estimates=known or estimates(),
    )


def test_a_call_takes_a_spare_instance_and_asks_for_no_other():
    assert decide(1, spare=2) == (1, 0)


def test_a_first_burst_takes_what_is_spare_and_looks_how_long_calls_take():
    assert decide(40, spare=10) == (10, 0)


def test_short_calls_of_a_burst_are_served_by_what_was_spare():
    known = estimates(duration=0.005, spare=0.02)
    assert decide(30, spare=0, coming=[Coming(0.01, spare=True)] * 10, known=known) == (0, 0)
    assert decide(30, spare=0, busy=[Busy(0.002)] * 10, known=known) == (0, 0)


def test_where_spare_instances_take_long_another_one_would_take_longer():
    coming = [Coming(0.8, spare=True)] * 10
    assert decide(40, spare=0, coming=coming) == (0, 0)
    known = estimates(duration=0.02, spare=0.8)
    assert decide(30, spare=0, busy=[Busy(0.01)] * 10, known=known) == (0, 0)


def test_where_pods_take_long_to_start_calls_wait_longer_for_what_was_spare():
    busy = [Busy(0.01)] * 10
    for slow, asked in ((0.4, 30), (3.0, 0)):
        starts = Starts()
        starts.observe(slow)
        known = Estimates(starts)
        known.observe_duration(0.45)
        known.observe_start(0.02, spare=True)
        assert decide(30, spare=0, busy=busy, known=known)[1] == asked


def test_calls_that_turn_out_to_be_long_get_instances_of_their_own_step_by_step():
    known = estimates(spare=0.02)
    asked = [
        decide(38, spare=0, busy=[Busy(elapsed)] * 2, known=known)[1] for elapsed in (0.01, 0.05, 0.1, 0.5)
    ]
    assert asked[0] == 0
    assert asked == sorted(asked)
    assert asked[2] >= 28
    assert asked[3] >= 36


def test_long_calls_get_one_each_at_once_where_that_is_known():
    assert decide(40, spare=10, known=estimates(duration=2.0, spare=0.02)) == (10, 30)


def test_what_ends_before_a_spare_instance_would_be_there_is_waited_for():
    known = estimates(duration=0.005, spare=0.02)
    assert decide(4, spare=10, busy=[Busy(0.001)] * 4, known=known) == (0, 0)


def test_a_spare_instance_is_taken_where_a_busy_one_is_free_later():
    known = estimates(duration=0.1, spare=0.02, cold_start=0.5)
    assert decide(1, spare=10, busy=[Busy(0.01)], known=known) == (1, 0)
    assert decide(1, spare=0, busy=[Busy(0.01)], known=known) == (0, 0)


def test_an_instance_that_serves_several_at_once_is_taken_once_for_them():
    assert decide(8, spare=10, known=estimates(duration=2.0, spare=0.02), lanes=4) == (2, 0)


seconds = st.floats(0, 1000, allow_nan=False)


@given(
    waiting=st.integers(0, 50),
    spare=st.integers(0, 20),
    busy=st.lists(st.builds(Busy, seconds, st.none() | seconds), max_size=20),
    coming=st.lists(st.builds(Coming, seconds, st.booleans()), max_size=20),
    duration=st.none() | seconds,
    start=st.none() | seconds,
    cold_start=st.none() | seconds,
    waiting_for=seconds,
)
def test_never_more_than_the_calls_that_nothing_is_on_its_way_for(
    waiting, spare, busy, coming, duration, start, cold_start, waiting_for
):
    known = estimates(duration=duration, spare=start, cold_start=cold_start)
    taken, others = decide(
        waiting, spare=spare, busy=busy, coming=coming, known=known, waiting_for=waiting_for
    )
    assert 0 <= taken <= spare
    assert others >= 0
    assert taken + others <= max(0, waiting - len(coming))
