"""A rollout goes by time, comes back by the new version's own calls, and ends once."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mayfly_gateway.rollout import (
    WATCHED_AGAIN,
    Alarm,
    Evidence,
    Plan,
    due_at,
    next_progress,
    rolled_back,
    stepped,
    taken_over,
)
from mayfly_gateway.routes import Route
from mayfly_model.rollout import RolloutPhase as Phase

CANARY = Plan(linear=False, share=0.1, interval=300)
LINEAR = Plan(linear=True, share=0.3, interval=60)


def begun(plan=LINEAR, *, now=0.0, served="1", goal="2"):
    return next_progress(None, plan=plan, goal=goal, generation=1, served=served, now=now)


def weights(plan):
    """When which share goes to the new version, to the end."""
    progress, seen = begun(plan), []
    while progress.under_way:
        seen.append((progress.stepped_at, progress.weight))
        progress = stepped(progress, plan, due_at(progress, plan))
    return [*seen, (progress.stepped_at, progress.weight)]


def test_a_canary_takes_two_steps():
    assert weights(CANARY) == [(0, 0.1), (300, 1)]


def test_a_linear_rollout_adds_the_same_share_with_each_step():
    assert weights(LINEAR) == [(0, 0.3), (60, 0.6), (120, 0.9), (180, 1)]
    assert len(weights(Plan(linear=True, share=0.1, interval=1))) == 10


def test_nothing_is_stepped_before_its_time():
    progress = begun()
    assert stepped(progress, LINEAR, 59.9) is progress


def test_one_step_is_made_however_late_it_is():
    late = stepped(begun(), LINEAR, 10_000)
    assert (late.weight, late.stepped_at) == (0.6, 10_000)


@pytest.mark.parametrize("served", [None, "2"])
def test_there_is_no_rollout_from_nowhere_or_to_where_calls_go_already(served):
    assert begun(served=served) is None


def test_an_alias_without_a_plan_has_no_rollout():
    assert next_progress(begun(), plan=None, goal="2", generation=2, served="1", now=0) is None


def test_what_came_back_is_not_tried_again_until_the_alias_says_something_new():
    back = rolled_back(begun(), "bad", 5)
    assert back.leads == Route("1")
    assert next_progress(back, plan=LINEAR, goal="2", generation=1, served="1", now=9) is back
    again = next_progress(back, plan=LINEAR, goal="2", generation=2, served="1", now=9)
    assert (again.phase, again.weight, again.started_at) == (Phase.PROGRESSING, 0.3, 9)


def test_an_alias_that_says_something_else_meanwhile_goes_on():
    progress = stepped(begun(), LINEAR, 60)
    edited = next_progress(progress, plan=CANARY, goal="2", generation=2, served="1", now=70)
    assert (edited.generation, edited.weight, edited.stepped_at) == (2, 0.6, 60)


def test_another_goal_starts_from_the_version_that_was_good():
    half_way = stepped(begun(), LINEAR, 60)
    turned = next_progress(half_way, plan=LINEAR, goal="3", generation=2, served="1", now=70)
    assert turned.leads == Route("1", "3", 0.3)


def test_the_way_back_by_hand_is_no_rollout():
    assert next_progress(begun(), plan=LINEAR, goal="1", generation=2, served="1", now=5) is None


def test_who_takes_over_watches_for_a_while():
    progress = begun(CANARY)
    early = taken_over(progress, CANARY, 100)
    assert due_at(early, CANARY) == 300
    late = taken_over(progress, CANARY, 5000)
    assert due_at(late, CANARY) == 5000 + WATCHED_AGAIN
    from_the_future = taken_over(progress, CANARY, -50)
    assert due_at(from_the_future, CANARY) == 250
    assert due_at(taken_over(begun(LINEAR), LINEAR, 30), LINEAR) == 90


def alarm(*, rate=None, p99=None, minimum=1):
    return Alarm(error_rate=rate, p99=p99, minimum=minimum)


def test_no_verdict_comes_before_there_are_calls_enough():
    evidence = Evidence(alarm(rate=0.1, minimum=5))
    said = [evidence.count(True, 0.1) for _ in range(5)]
    assert said == [None] * 4 + ["5 of 5 invocations failed; allowed: 10 %."]


def test_as_many_failures_as_are_allowed_are_allowed():
    evidence = Evidence(alarm(rate=0.5, minimum=2))
    assert [evidence.count(failed, 0.1) for failed in (False, True, False, True)] == [None] * 4
    assert evidence.count(True, 0.1) is not None


def test_a_rate_of_none_allows_none():
    evidence = Evidence(alarm(rate=0.0))
    assert evidence.count(False, 0.1) is None
    assert evidence.count(True, None) is not None


def test_calls_count_for_this_step_and_the_next():
    evidence = Evidence(alarm(rate=0.5, minimum=3))
    evidence.count(True, 0.1)
    evidence.count(True, 0.1)
    evidence.step()
    assert evidence.count(True, 0.1) is not None
    evidence.step()
    evidence.step()
    assert evidence.count(True, 0.1) is None


@given(durations=st.lists(st.integers(1, 300), min_size=1, max_size=400), limit=st.integers(1, 300))
def test_a_p99_is_that_of_the_nearest_rank(durations, limit):
    evidence = Evidence(alarm(p99=limit / 1000, minimum=1))
    said = [evidence.count(False, each / 1000) for each in durations][-1]
    p99 = sorted(durations)[math.ceil(len(durations) * 0.99) - 1]
    assert (said is not None) == (p99 > limit)


def test_a_call_that_no_instance_ran_has_no_duration():
    evidence = Evidence(alarm(p99=0.1))
    assert evidence.count(True, None) is None


class Rollouts(RuleBasedStateMachine):
    """One alias that is moved, edited, stepped, taken back and taken over, under a clock of its own."""

    @initialize()
    def begin(self):
        self.now = 1e9
        self.generation = 1
        self.goal, self.plan = "1", LINEAR
        self.served = "1"
        self.progress = None
        self.ends = {}

    def look(self):
        before = self.progress
        self.progress = next_progress(
            before,
            plan=self.plan,
            goal=self.goal,
            generation=self.generation,
            served=self.served,
            now=self.now,
        )
        if self.progress is None:
            # What a catalogue does: calls go at once where the alias says.
            self.served = self.goal

    @rule(goal=st.sampled_from("123"), plan=st.sampled_from([CANARY, LINEAR, None]))
    def the_alias_says(self, goal, plan):
        self.generation += 1
        self.goal, self.plan = goal, plan
        self.look()

    @rule(seconds=st.floats(0, 400))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def the_same_is_heard_again(self):
        before = self.progress
        self.look()
        assert self.progress == before

    @precondition(lambda self: self.progress is not None)
    @rule()
    def it_may_be_time(self):
        before = self.progress
        self.progress = stepped(before, self.plan, self.now)
        if self.progress is not before:
            assert self.now - before.stepped_at >= self.plan.interval - 1e-3
            assert self.progress.weight > before.weight
            assert self.progress.step == before.step + 1

    @precondition(lambda self: self.progress is not None)
    @rule()
    def its_calls_fail(self):
        before = self.progress
        self.progress = rolled_back(before, "bad", self.now)
        assert before.under_way or self.progress is before

    @precondition(lambda self: self.progress is not None)
    @rule(skew=st.floats(-2, 2))
    def another_gateway_takes_over(self, skew):
        before = self.progress
        self.progress = taken_over(before, self.plan, self.now + skew)
        assert self.progress.leads == before.leads
        if before.under_way:
            left = due_at(self.progress, self.plan) - (self.now + skew)
            assert min(self.plan.interval, WATCHED_AGAIN) - 1e-3 <= left <= self.plan.interval + 1e-3
        else:
            assert self.progress is before

    @precondition(lambda self: self.progress is not None)
    @rule()
    def it_is_left_alone(self):
        """Without a verdict every rollout completes, in as many steps as its plan has."""
        progress = self.progress
        for _ in range(20):
            progress = stepped(progress, self.plan, due_at(progress, self.plan))
        assert progress.phase is (
            Phase.ROLLED_BACK if self.progress.phase is Phase.ROLLED_BACK else Phase.COMPLETED
        )

    @invariant()
    def calls_go_to_the_two_versions_it_is_about(self):
        progress = getattr(self, "progress", None)
        if progress is None:
            return
        assert progress.goal == self.goal != progress.origin
        assert progress.generation == self.generation
        expected = {
            Phase.PROGRESSING: Route(progress.origin, progress.goal, progress.weight),
            Phase.COMPLETED: Route(progress.goal),
            Phase.ROLLED_BACK: Route(progress.origin),
        }
        assert progress.leads == expected[progress.phase]
        assert (0 < progress.weight < 1) == progress.under_way

    @invariant()
    def an_end_is_an_end(self):
        progress = getattr(self, "progress", None)
        if progress is None or progress.under_way:
            return
        key = progress.generation
        assert self.ends.setdefault(key, progress.phase) is progress.phase


TestRollouts = Rollouts.TestCase
