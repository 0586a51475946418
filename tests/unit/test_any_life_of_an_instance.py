"""The life of an instance: every invocation that was taken on is answered once and finished once, in that order.

The machine below plays gateway, runtime, supervisor and clocks in any order that these could.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.lifecycle_world import SIGKILLED, Poll, World

from mayfly_agent.invocation import Invocation
from mayfly_agent.lifecycle import Lifecycle


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
