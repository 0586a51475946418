"""Particular lives of an instance, told in full."""

import json

import pytest
from tests.unit.lifecycle_world import SIGKILLED, Poll, World

from mayfly_agent.failures import RESPONSE_LIMIT
from mayfly_agent.invocation import Invocation
from mayfly_agent.lifecycle import BARE, DOWN, ENDING, INIT, READY, Lifecycle


@pytest.fixture
def world():
    return World()


def begin(world, *, concurrency=1, ready=True):
    lifecycle = world.lifecycle = Lifecycle(world, timeout=3, concurrency=concurrency)
    lifecycle.specialise()
    if ready:
        assert lifecycle.next(Poll())
    return lifecycle


def invoke(lifecycle, request_id="one"):
    invocation = Invocation(request_id, payload=b"{}", headers=(), caller=None)
    assert lifecycle.refusal(request_id) is None
    lifecycle.invoke(invocation)
    return invocation


def error(world, request_id="one"):
    content = json.loads(world.payloads[request_id])
    return content["errorType"], content["errorMessage"]


def test_a_bare_instance_takes_nothing_on():
    lifecycle = Lifecycle(World(), timeout=3, concurrency=1)
    assert lifecycle.phase == BARE
    assert lifecycle.refusal("one") == "Bare"


def test_an_instance_is_busy_until_the_runtime_asks_for_more(world):
    lifecycle = begin(world)
    invoke(lifecycle)
    assert lifecycle.respond("one", b"yes") == 202
    assert (world.payloads, world.finished) == ({"one": b"yes"}, [])
    assert lifecycle.refusal("two") == "Busy"
    lifecycle.next(Poll())
    assert world.finished == ["one"]
    assert lifecycle.refusal("two") is None


def test_several_run_at_once_and_each_is_over_with_its_response(world):
    lifecycle = begin(world, concurrency=2)
    lifecycle.next(Poll())
    invoke(lifecycle, "one")
    invoke(lifecycle, "two")
    assert lifecycle.running == ["one", "two"]
    assert lifecycle.refusal("three") == "Busy"
    assert lifecycle.respond("two", b"2") == 202
    assert world.finished == ["two"]
    assert lifecycle.refusal("three") is None
    assert lifecycle.respond("two", b"again") == 403
    assert lifecycle.respond("zero", b"never") == 400


def test_a_dead_connection_is_passed_over(world):
    lifecycle = begin(world, ready=False)
    dead, living = Poll(), Poll()
    lifecycle.next(dead)
    lifecycle.next(living)
    dead.gone = True
    invoke(lifecycle)
    assert (dead.got, living.got) == (None, "one")


def test_what_a_dead_runtime_asked_for_goes_to_nobody(world):
    lifecycle = begin(world, ready=False)
    old, new = Poll(), Poll()
    lifecycle.next(old)
    lifecycle.exited(SIGKILLED)
    world.die()
    invoke(lifecycle)
    lifecycle.next(new)
    assert (old.got, new.got) == (None, "one")


def test_an_invocation_that_nobody_fetches_times_out(world):
    lifecycle = begin(world, ready=False)
    poll = Poll()
    lifecycle.next(poll)
    lifecycle.poll_gone(poll)
    invocation = invoke(lifecycle)
    assert world.clocks == {"one"}
    lifecycle.timed_out(invocation)
    assert error(world) == ("Sandbox.Timedout", "RequestId: one Error: Task timed out after 3.00 seconds")


def test_an_init_error_answers_those_who_wait(world):
    lifecycle = begin(world, ready=False)
    invoke(lifecycle)
    assert lifecycle.init_error(b"no such module", "Runtime.ImportModuleError") == 202
    assert world.payloads == {"one": b"no such module"}
    assert lifecycle.init_error(b"another worker says so", "Runtime.Unknown") == 403


def test_an_init_error_for_which_nobody_waited_answers_the_next_invocation_once(world):
    lifecycle = begin(world, ready=False)
    lifecycle.init_error(b"no such module", "Runtime.ImportModuleError")
    world.die()
    invoke(lifecycle, "one")
    assert (world.payloads, world.finished) == ({"one": b"no such module"}, ["one"])
    invoke(lifecycle, "two")
    assert lifecycle.phase == INIT
    assert world.alive


def test_an_init_that_takes_too_long_is_tried_once_more_inside_the_invocation(world):
    lifecycle = begin(world, ready=False)
    invocation = invoke(lifecycle)
    lifecycle.init_timed_out()
    assert world.payloads == {}
    world.die()
    assert (lifecycle.phase, world.clocks) == (INIT, {"one"})
    lifecycle.timed_out(invocation)
    assert error(world)[0] == "Sandbox.Timedout"
    assert world.inits == [(False, "Sandbox.Timedout"), (True, "Sandbox.Timedout")]


def test_an_instance_that_cannot_initialise_again_closes_itself(world):
    lifecycle = begin(world)
    lifecycle.exited(0)
    world.die()
    invoke(lifecycle)
    lifecycle.init_error(b"my files are gone", "Runtime.ImportModuleError")
    assert world.payloads == {"one": b"my files are gone"}
    assert lifecycle.refusal("two") == "Closing"
    world.die()
    assert world.finished == ["one"]
    assert world.shut_down_at == 1


def test_an_end_that_drags_on_is_not_called_a_timeout(world):
    lifecycle = begin(world)
    invocation = invoke(lifecycle)
    lifecycle.exited(3 << 8)
    lifecycle.timed_out(invocation)
    world.die()
    assert world.statuses == {"one": "error"}
    assert error(world)[0] == "Runtime.ExitError"


def test_a_runtime_that_answers_and_never_asks_again_is_killed_at_the_timeout(world):
    lifecycle = begin(world)
    invocation = invoke(lifecycle)
    lifecycle.respond("one", b"yes")
    lifecycle.timed_out(invocation)
    assert lifecycle.phase == ENDING
    world.die()
    assert (world.payloads, world.errors, world.statuses) == (
        {"one": b"yes"},
        {"one": None},
        {"one": "timeout"},
    )
    assert lifecycle.phase == DOWN


def test_what_ran_beside_a_timeout_dies_with_it(world):
    lifecycle = begin(world, concurrency=2)
    lifecycle.next(Poll())
    first = invoke(lifecycle, "one")
    invoke(lifecycle, "two")
    lifecycle.timed_out(first)
    assert error(world, "two") == (
        "Runtime.ExitError",
        "RequestId: two Error: Runtime exited with error: signal: killed",
    )


def test_a_response_that_is_too_large_is_refused_and_the_caller_told(world):
    lifecycle = begin(world)
    invoke(lifecycle)
    assert lifecycle.respond_too_large("one") == 413
    said = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
    assert error(world) == ("Function.ResponseSizeTooLarge", said)
    assert lifecycle.respond_too_large("one") == 403


def test_a_program_that_cannot_be_run_is_told_the_caller(world):
    world.spawn_problem = "fork/exec /var/task/bootstrap: exec format error"
    lifecycle = begin(world, ready=False)
    world.die()
    invoke(lifecycle)
    assert error(world) == ("Runtime.InvalidEntrypoint", f"RequestId: one Error: {world.spawn_problem}")


def test_closing_lets_finish_what_runs(world):
    lifecycle = begin(world)
    invoke(lifecycle)
    lifecycle.close()
    assert world.shut_down_at is None
    lifecycle.respond("one", b"yes")
    poll = Poll()
    assert lifecycle.next(poll)
    assert (world.finished, world.shut_down_at, poll.got) == (["one"], 1, None)
    assert lifecycle.phase == READY
