"""An instance is asked for only for a call that no busy one will serve before a new one could."""

from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway.scaling import Busy, Coming, Estimates, shortfall


def estimates(*, duration=None, cold_start=None):
    known = Estimates()
    if duration is not None:
        known.observe_duration(duration)
    if cold_start is not None:
        known.observe_start(cold_start)
    return known


def lacking(waiting, *, busy=(), launching=(), known, waiting_for=0.0):
    taken, others = shortfall(
        waiting=waiting,
        waiting_for=waiting_for,
        busy=busy,
        launching=[Coming(each) for each in launching],
        estimates=known,
    )
    assert taken == 0
    return others


def test_an_unknown_function_gets_one_instance_a_call():
    assert lacking(3, known=estimates()) == 3
    assert lacking(3, busy=[Busy(0.01)] * 5, known=estimates()) == 3
    assert lacking(3, launching=[0.2, 0.3], known=estimates()) == 1


def test_a_burst_of_short_calls_is_over_before_an_instance_could_start():
    known = estimates(duration=0.005, cold_start=0.07)
    assert lacking(30, busy=[Busy(0.001)] * 10, known=known) == 0


def test_long_calls_get_an_instance_each():
    known = estimates(duration=1.0, cold_start=0.07)
    assert lacking(4, busy=[Busy(0.1)] * 10, known=known) == 4


def test_what_ends_soon_is_waited_for():
    known = estimates(duration=1.0, cold_start=0.07)
    assert lacking(4, busy=[Busy(0.95), Busy(0.95)], known=known) == 2


def test_an_invocation_that_outlives_its_estimate_is_no_longer_counted_on():
    known = estimates(duration=0.005, cold_start=0.07)
    assert lacking(1, busy=[Busy(0.02)], known=known) == 0
    assert lacking(1, busy=[Busy(0.08)], known=known) == 1


def test_an_instance_that_has_just_answered_is_about_to_be_free_even_for_an_unknown_function():
    assert lacking(1, busy=[Busy(3.0, finishing=0.001)], known=estimates()) == 0
    assert lacking(1, busy=[Busy(3.0, finishing=0.5)], known=estimates()) == 1


def test_a_late_instance_is_not_asked_for_twice():
    assert lacking(1, launching=[50.0], known=estimates(duration=0.01, cold_start=0.07)) == 0


def test_a_new_instance_serves_several_short_calls_too():
    known = estimates(duration=0.01, cold_start=0.1)
    assert lacking(5, launching=[0.06], known=known) == 0


def test_calls_that_never_stop_waiting_double_the_instances():
    known = estimates(duration=0.001, cold_start=0.1)
    busy = [Busy(0.0005)] * 4
    assert lacking(12, busy=busy, known=known, waiting_for=0.09) == 0
    assert lacking(12, busy=busy, known=known, waiting_for=0.11) == 4
    assert lacking(3, busy=busy, known=known, waiting_for=0.11) == 3
    assert lacking(12, busy=busy, launching=[0.01], known=known, waiting_for=0.11) == 0


def test_there_are_never_to_be_more_instances_than_callers():
    known = estimates(duration=0.001, cold_start=0.1)
    busy = [Busy(0.003, finishing=0.002)] * 3 + [Busy(0.001)]
    assert lacking(4, busy=busy, known=known, waiting_for=0.11) == 1
    assert lacking(4, busy=[Busy(0.003, finishing=0.002)] * 4, known=known, waiting_for=0.11) == 0


def test_estimates_follow_what_happens():
    known = estimates(duration=1.0)
    for _ in range(50):
        known.observe_duration(0.01)
    assert known.duration is not None
    assert 0.009 < known.duration < 0.011


seconds = st.floats(0, 1000, allow_nan=False)


@given(
    waiting=st.integers(0, 50),
    busy=st.lists(st.builds(Busy, seconds, st.none() | seconds), max_size=20),
    launching=st.lists(seconds, max_size=20),
    duration=st.none() | seconds,
    cold_start=st.none() | seconds,
    waiting_for=seconds,
)
def test_never_more_than_the_calls_that_nothing_is_on_its_way_for(
    waiting, busy, launching, duration, cold_start, waiting_for
):
    known = estimates(duration=duration, cold_start=cold_start)
    wanted = lacking(waiting, busy=busy, launching=launching, known=known, waiting_for=waiting_for)
    assert 0 <= wanted <= max(0, waiting - len(launching))
