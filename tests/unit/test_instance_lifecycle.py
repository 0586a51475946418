"""The life of an instance: every invocation that was taken on is answered once and finished once, in that order.

The machine below plays gateway, runtime, supervisor and clocks in any order that these could; `World` is what happens
in return, and complains as soon as something happens that could not be.
"""

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mayfly_agent.failures import RESPONSE_LIMIT
from mayfly_agent.invocation import Invocation
from mayfly_agent.lifecycle import BARE, DOWN, ENDING, INIT, READY, Lifecycle

SIGKILLED = 9


class Poll:
    """A runtime's `next`. `gone`: its connection is dead, noticed or not."""

    def __init__(self, runtime=None):
        self.runtime = runtime
        self.gone = False
        self.got = None


class World:
    """The effects, recorded and checked."""

    def __init__(self):
        self.alive = False
        self.runtimes = 0
        self.killed = None
        self.spawn_problem = None
        self.init = None
        self.init_clock = False
        self.clocks = set()
        self.payloads = {}
        self.errors = {}
        self.statuses = {}
        self.finished = []
        self.delivered = {}
        self.inits = []
        self.rested = 0
        self.shut_down_at = None
        self.lifecycle = None

    def start_runtime(self, *, inside):
        assert not self.alive and self.killed is None, "the old runtime is not dead"
        assert self.init is None
        self.init = inside
        if self.spawn_problem:
            return self.spawn_problem
        self.alive = True
        self.runtimes += 1
        return None

    def start_init_clock(self):
        self.init_clock = True

    def init_ended(self, *, inside, failure):
        assert self.init is inside
        self.init, self.init_clock = None, False
        self.inits.append((inside, failure and failure.error_type))

    def start_clock(self, invocation):
        assert invocation.request_id not in self.clocks, "started twice"
        assert invocation.request_id not in self.payloads, "answered before it began"
        self.clocks.add(invocation.request_id)

    def deliver(self, poll, invocation):
        assert self.alive and self.killed is None, "delivered to a dead runtime"
        assert self.init is None, "delivered before the end of INIT"
        assert poll.got is None, "a next was answered twice"
        assert poll.runtime in (None, self.runtimes), "delivered to a runtime that was killed"
        assert invocation.request_id in self.clocks, "delivered before its time began"
        assert invocation.request_id not in self.payloads, "delivered after it was answered"
        if poll.gone:
            return False
        poll.got = invocation.request_id
        self.delivered.setdefault(invocation.request_id, []).append(poll)
        return True

    def answer(self, invocation, payload):
        assert invocation.request_id not in self.payloads, "answered twice"
        self.payloads[invocation.request_id] = payload
        self.errors[invocation.request_id] = invocation.error_type

    def finish(self, invocation):
        assert invocation.request_id in self.payloads, "finished before it was answered"
        assert invocation.request_id not in self.finished, "finished twice"
        assert invocation.request_id in self.lifecycle.running, "its last output would belong to nobody"
        self.clocks.discard(invocation.request_id)
        self.statuses[invocation.request_id] = invocation.status
        self.finished.append(invocation.request_id)

    def rest(self):
        assert not self.lifecycle.active, "frozen while something runs"
        self.rested += 1

    def kill(self, done, *, gently):
        assert self.killed is None, "killed twice"
        self.killed = done
        self.alive = False

    def shut_down(self):
        assert not self.lifecycle.active, "shut down while something runs"
        assert self.killed is None, "shut down while the tree dies"
        self.shut_down_at = len(self.finished)

    def die(self):
        """The kill has ended."""
        done, self.killed = self.killed, None
        done()


class Lives(RuleBasedStateMachine):
    """One instance, treated in every possible way."""

    @initialize(concurrency=st.integers(1, 3), spawn_fails=st.booleans())
    def begin(self, concurrency, spawn_fails):
        self.world = World()
        self.concurrency = concurrency
        self.lifecycle = self.world.lifecycle = Lifecycle(self.world, timeout=3, concurrency=concurrency)
        self.accepted = {}
        self.polls = []
        if spawn_fails:
            self.world.spawn_problem = "fork/exec /nowhere: no such file or directory"
        self.lifecycle.specialise()
        self.world.spawn_problem = None

    # The gateway.

    @rule(number=st.integers(0, 8))
    def invoke(self, number):
        request_id = f"request-{number}"
        invocation = Invocation(request_id, payload=b"{}", headers=(), caller=None)
        refusal = self.lifecycle.refusal(request_id)
        if self.lifecycle.closing:
            assert refusal == "Closing"
        elif request_id in self.accepted and request_id not in self.world.finished:
            assert refusal == "Busy"
        else:
            running = [one for one in self.accepted if one not in self.world.finished]
            assert (refusal == "Busy") is (len(running) == self.concurrency)
        if refusal is None and request_id not in self.accepted:
            self.accepted[request_id] = invocation
            self.lifecycle.invoke(invocation)

    @rule()
    def close(self):
        self.lifecycle.close()
        assert self.lifecycle.refusal("another") == "Closing"

    # The runtime.

    @precondition(lambda self: self.world.alive or self.world.killed)
    @rule()
    def next(self):
        poll = Poll(self.world.runtimes)
        answered = self.lifecycle.next(poll)
        assert answered is (self.world.killed is None)
        self.polls.append(poll)

    @precondition(lambda self: self.polls)
    @rule(data=st.data(), noticed=st.booleans())
    def connection_dies(self, data, noticed):
        poll = data.draw(st.sampled_from(self.polls))
        poll.gone = True
        if noticed and poll.got is None:
            self.lifecycle.poll_gone(poll)

    @precondition(lambda self: self.world.alive or self.world.killed)
    @rule(number=st.integers(0, 9), how=st.sampled_from(["response", "error", "too large"]))
    def respond(self, number, how):
        request_id = f"request-{number}"
        invocation = self.lifecycle.active.get(request_id)
        answered = request_id in self.world.payloads
        delivered = request_id in self.world.delivered and not answered
        status = {
            "response": lambda: self.lifecycle.respond(request_id, b"good"),
            "error": lambda: self.lifecycle.fail(request_id, b"bad", "Runtime.Unknown"),
            "too large": lambda: self.lifecycle.respond_too_large(request_id),
        }[how]()
        if invocation is None:
            assert status in ((400,) if self.concurrency == 1 else (400, 403))
        elif answered:
            assert status == 403
        elif not delivered:
            assert status == 400
        else:
            assert status == (413 if how == "too large" else 202)
            assert (self.world.payloads[request_id] == b"good") is (how == "response")

    @precondition(lambda self: self.world.alive or self.world.killed)
    @rule()
    def init_error(self):
        in_init = self.world.init is not None
        assert self.lifecycle.init_error(b"init failed", "Runtime.ImportModuleError") == (
            202 if in_init else 403
        )

    # The supervisor and the clocks.

    @precondition(lambda self: self.world.alive)
    @rule(status=st.sampled_from([0, 3 << 8, SIGKILLED]))
    def runtime_exits(self, status):
        self.world.alive = False
        self.lifecycle.exited(status)

    @precondition(lambda self: self.world.alive)
    @rule()
    def out_of_memory(self):
        self.lifecycle.out_of_memory()

    @precondition(lambda self: self.world.killed)
    @rule(spawn_fails=st.sampled_from([False, False, True]))
    def tree_is_dead(self, spawn_fails):
        self.world.spawn_problem = "fork/exec /gone: no such file or directory" if spawn_fails else None
        self.world.die()
        self.world.spawn_problem = None

    @precondition(lambda self: self.world.init_clock)
    @rule()
    def init_times_out(self):
        self.lifecycle.init_timed_out()

    @precondition(lambda self: self.world.clocks)
    @rule(data=st.data())
    def invocation_times_out(self, data):
        request_id = data.draw(st.sampled_from(sorted(self.world.clocks)))
        self.lifecycle.timed_out(self.accepted[request_id])
        assert request_id in self.world.payloads

    # What holds at every moment.

    @invariant()
    def nothing_can_wait_for_ever(self):
        for request_id in self.accepted:
            if request_id not in self.world.finished:
                assert request_id in self.world.clocks or self.world.init_clock or self.world.killed

    @invariant()
    def no_more_run_than_may(self):
        assert len(self.lifecycle.active) <= self.concurrency
        assert set(self.lifecycle.active) == set(self.accepted) - set(self.world.finished)

    @invariant()
    def a_closed_instance_ends_once_nothing_runs(self):
        if self.lifecycle.closing and not self.lifecycle.active and not self.world.killed:
            assert self.world.shut_down_at == len(self.world.finished)

    @invariant()
    def nothing_waits_while_the_runtime_asks(self):
        open_polls = [poll for poll in self.lifecycle._polls if not poll.gone]
        waiting = [one for one in self.lifecycle.active.values() if one.state == "waiting"]
        assert not (open_polls and waiting)

    def teardown(self):
        """Let time pass: whatever happened, every invocation comes to its end."""
        for _ in range(100):
            if self.world.killed:
                self.world.die()
            elif self.world.init_clock:
                self.lifecycle.init_timed_out()
            elif self.world.clocks:
                self.lifecycle.timed_out(self.accepted[min(self.world.clocks)])
        assert set(self.accepted) == set(self.world.payloads) == set(self.world.finished)


TestEveryLife = Lives.TestCase
TestEveryLife.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


# Particular lives, told in full.


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
