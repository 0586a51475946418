"""A function that runs too long is stopped when its time is over, and not before."""

import psutil
import pytest
from tests.conformance.functions import declare, declare_on_each
from tests.conformance.runtimes import ALL, on_each, present
from tests.conformance.waiting import at_once, eventually

SLEEPERS = declare_on_each("sleeps-too-long", timeout=2)
LATE = declare("answers-too-late", timeout=2)
BUSY = declare("computes-too-long", timeout=1)
PARENT = declare("has-children", timeout=2)
FLOODING = declare("writes-too-long", timeout=1)
PRESENT = present(ALL)
BY_DEFAULT = declare("has-the-default-timeout", timeout=None, handler="app.context_members")
GRACE = 3.0
"""Seconds after its time within which a call is surely answered, on a slow and busy machine."""


def timed_out(answer, seconds="1.00"):
    message = f"RequestId: {answer.request_id} Error: Task timed out after {seconds} seconds"
    return (answer.status, answer.error, answer.json) == (
        200, "Unhandled", {"errorType": "Sandbox.Timedout", "errorMessage": message}
    )  # fmt: skip


@pytest.fixture(scope="module")
def sleepers(mayfly):
    """What each runtime's sleeper is answered with, all having slept at the same time."""
    for runtime in PRESENT:
        assert mayfly.invoke(SLEEPERS[runtime.key], runtime.echo("warm")).json == "warm"

    def sleep(runtime):
        do = "late_response" if runtime.family == "provided" else "sleep"
        return mayfly.invoke(SLEEPERS[runtime.key], runtime.event(do, seconds=30))

    answers = at_once([lambda runtime=runtime: sleep(runtime) for runtime in PRESENT])
    return {runtime.key: answer for runtime, answer in zip(PRESENT, answers, strict=True)}


@on_each
def test_a_function_that_runs_too_long_is_answered_that_it_timed_out(sleepers, runtime):
    assert timed_out(sleepers[runtime.key], "2.00")


@on_each
def test_a_timeout_is_never_answered_before_it_is_due_and_soon_after(sleepers, runtime):
    assert 2.0 <= sleepers[runtime.key].seconds < 2.0 + GRACE


@on_each
def test_after_a_timeout_the_next_call_works(mayfly, sleepers, runtime):
    answer = mayfly.invoke(SLEEPERS[runtime.key], runtime.echo("again"))
    assert (answer.json, answer.error) == ("again", None)


def test_a_function_that_never_yields_times_out_as_well(mayfly):
    answers = at_once([
        lambda: mayfly.invoke(BUSY, {"do": "busy", "seconds": 30}),
        lambda: mayfly.invoke(FLOODING, {"do": "flood", "mb": 100_000}),
    ])  # fmt: skip
    for answer in answers:
        assert timed_out(answer)
        assert 1.0 <= answer.seconds < 1.0 + GRACE


def test_a_timeout_ends_the_runtimes_whole_group_and_whoever_left_it(mayfly, tmp_path):
    pids = tmp_path / "pids"
    answer = mayfly.invoke(PARENT, {"do": "grandchildren", "path": str(pids), "seconds": 30})
    assert timed_out(answer, "2.00")
    processes = [int(pid) for pid in pids.read_text().split()]
    assert len(processes) == 3
    # The answer does not wait for the end of the processes, the next call does.
    assert mayfly.invoke(PARENT, "again").json == "again"
    assert not [pid for pid in processes if psutil.pid_exists(pid)]


def test_the_function_can_tell_how_much_time_it_has(mayfly):
    left = mayfly.invoke(BUSY, {"do": "context_members"}).json["remaining_ms"]
    assert 0 < left <= 1000


def test_a_response_that_comes_too_late_is_not_the_next_calls_answer(mayfly):
    answers = [mayfly.invoke(LATE, {"do": "sleep", "seconds": 2.3})]
    answers += [mayfly.invoke(LATE, number) for number in range(3)]
    assert timed_out(answers[0], "2.00")
    assert [answer.json for answer in answers[1:]] == [0, 1, 2]


def test_a_timed_out_call_is_no_longer_counted_as_running(mayfly):
    assert timed_out(mayfly.invoke(LATE, {"do": "sleep", "seconds": 30}), "2.00")
    eventually(lambda: mayfly.local().functions()[LATE.name]["running"] == 0)


def test_by_default_a_function_has_three_seconds_and_128_megabytes(mayfly):
    seen = mayfly.invoke(BY_DEFAULT, {}).json
    assert 2000 < seen["remaining_ms"] <= 3000
    assert int(seen["memory_limit_in_mb"]) == 128
