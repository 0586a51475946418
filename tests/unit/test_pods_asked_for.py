"""Which pods a Version is to have, who gets one, and which are deleted: `placement`, with the time given."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mayfly_gateway.backends.kubernetes.placement import (
    LOST_FOR,
    PATIENCE,
    TROUBLED_FOR,
    Placement,
    State,
    Waiter,
)
from mayfly_gateway.backends.kubernetes.pods import Pod, Trouble
from mayfly_model.conditions import Reason

NOW, OLD = "now", "old"
PULL = Trouble(Reason.IMAGE_PULL_FAILED, "no such image")
FULL = Trouble(Reason.UNSCHEDULABLE, "0/1 nodes are available", after=3.0)
QUOTA = Trouble(Reason.QUOTA_EXCEEDED, "exceeded quota")


def pod(uid="a", *, revision=NOW, running=True, ended=False, leaving=False, trouble=None) -> Pod:
    return Pod(
        namespace="shop",
        name=f"hello.latest-{uid}",
        uid=uid,
        version="hello.latest",
        revision=revision,
        ip="10.0.0.1" if running else "",
        running=running and not ended,
        leaving=leaving,
        ended=ended,
        out_of_memory=False,
        trouble=trouble,
    )


def starting(uid="a", **changes) -> Pod:
    return pod(uid, running=False, **changes)


@pytest.fixture
def placement() -> Placement:
    return Placement(NOW, keep_alive=300)


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def wait(placement, loop, since=0.0) -> Waiter:
    waiter = Waiter(loop.create_future(), since)
    placement.waiting.append(waiter)
    return waiter


def start(placement, uid="a", now=0.0):
    """A pod as it is seen from its creation until it runs."""
    placement.see(starting(uid), now)
    placement.see(pod(uid), now)


def test_nothing_is_wanted_at_first(placement):
    assert placement.wanted() == 0


def test_each_launch_that_waits_wants_a_pod(placement, loop):
    for _ in range(40):
        wait(placement, loop)
    assert placement.wanted() == 40
    for number in range(40):
        placement.see(starting(str(number)), 0)
        assert placement.wanted() == 40


def test_the_first_pod_that_runs_goes_to_the_launch_that_has_waited_longest(placement, loop):
    first, second = wait(placement, loop), wait(placement, loop)
    start(placement, "a")
    assert placement.match(0) == [(first, pod("a"))]
    assert placement.match(0) == []
    assert placement.wanted() == 2
    start(placement, "b")
    assert placement.match(0) == [(second, pod("b"))]


def test_a_pod_that_came_too_late_serves_the_next_launch(placement, loop):
    start(placement)
    assert placement.match(0) == []
    assert placement.wanted() == 1
    waiter = wait(placement, loop)
    assert placement.wanted() == 2
    assert placement.match(0) == [(waiter, pod())]
    assert placement.wanted() == 1


def test_a_pod_that_starts_for_nobody_is_still_counted(placement):
    placement.see(starting(), 0)
    assert placement.wanted() == 1


def test_what_ran_before_it_was_seen_is_asked_what_it_is(placement, loop):
    placement.see(pod(), 0)
    wait(placement, loop)
    assert placement.match(0) == []
    assert placement.to_probe(0) == [pod()]
    assert placement.to_probe(0) == []
    placement.mark("a", State.BARE, 0)
    assert [given for _, given in placement.match(0)] == [pod()]


def test_what_starts_while_it_is_watched_is_not_asked(placement):
    start(placement)
    assert placement.to_probe(0) == []


def test_an_instance_that_is_to_close_is_counted_no_more(placement, loop):
    wait(placement, loop)
    start(placement)
    placement.match(0)
    placement.mark("a", State.ENDING, 0)
    assert placement.wanted() == 0
    assert placement.surplus(0) == []


def test_a_launch_does_not_wait_for_the_end_of_an_instance_that_closes(placement, loop):
    start(placement)
    placement.mark("a", State.ENDING, 0)
    wait(placement, loop)
    assert placement.wanted() == 1
    assert placement.surplus(0) == [pod()]


def test_an_instance_that_was_lost_is_deleted_if_it_does_not_end(placement):
    start(placement)
    placement.mark("a", State.LOST, 1)
    assert placement.wanted() == 0
    assert placement.surplus(1 + LOST_FOR / 2) == []
    assert placement.surplus(1.1 + LOST_FOR) == [pod()]


def test_an_instance_that_was_lost_and_ended_is_not_deleted(placement):
    start(placement)
    placement.mark("a", State.LOST, 1)
    placement.see(pod(ended=True), 2)
    assert placement.surplus(100) == []


def test_what_was_lost_comes_not_back(placement):
    start(placement)
    placement.mark("a", State.LOST, 1)
    placement.mark("a", State.BARE, 2)
    assert placement.match(2) == []


def test_a_bare_pod_that_nobody_wants_is_deleted_soon_however_long_instances_are_kept(placement):
    start(placement)
    assert placement.to_probe(9) == []
    assert placement.to_probe(11) == [pod()]
    assert placement.surplus(11) == []
    placement.mark("a", State.BARE, 11)
    assert placement.surplus(11) == [pod()]
    assert placement.wanted() == 0


def test_a_pod_that_was_bare_and_is_another_gateways_meanwhile_stays(placement):
    start(placement)
    assert placement.to_probe(301) == [pod()]
    placement.mark("a", State.USED, 301)
    assert placement.surplus(1000) == []


def test_a_pod_that_nobody_wanted_is_given_away_as_long_as_it_is_there(placement, loop):
    start(placement)
    placement.to_probe(301)
    placement.mark("a", State.BARE, 301)
    waiter = wait(placement, loop)
    assert placement.match(301) == [(waiter, pod())]
    placement.mark("a", State.BARE, 302)
    assert placement.surplus(302) == []


def test_a_pod_of_another_content_is_not_counted_and_not_given_away(placement, loop):
    wait(placement, loop)
    placement.see(starting(revision=OLD), 0)
    assert placement.wanted() == 1
    placement.see(pod(revision=OLD), 0)
    assert placement.match(0) == []
    assert placement.to_probe(0) == [pod(revision=OLD)]
    placement.mark("a", State.BARE, 0)
    assert placement.surplus(0) == [pod(revision=OLD)]


def test_an_instance_in_use_outlives_a_change_of_content(placement, loop):
    wait(placement, loop)
    start(placement)
    placement.match(0)
    placement.revision = "newer"
    assert placement.surplus(1000) == []
    assert placement.wanted() == 0


def test_an_instance_that_is_being_deleted_is_counted_no_more(placement, loop):
    wait(placement, loop)
    start(placement)
    placement.match(0)
    placement.see(pod(leaving=True), 0)
    assert placement.wanted() == 0
    assert placement.placed["a"].state is State.USED


def test_a_launch_without_an_image_is_over_at_once(placement, loop):
    waiter = wait(placement, loop)
    placement.see(starting(trouble=PULL), 0)
    assert placement.hopeless(0) == ([waiter], PULL)
    assert placement.wanted() == 1


def test_where_some_pods_start_only_the_other_launches_are_over(placement, loop):
    first, second = wait(placement, loop), wait(placement, loop)
    placement.see(starting("a"), 0)
    placement.see(starting("b", trouble=PULL), 0)
    assert placement.hopeless(0) == ([second], PULL)
    assert list(placement.waiting) == [first]


def test_a_node_may_take_a_moment_to_be_found(placement, loop):
    waiter = wait(placement, loop)
    placement.see(starting(trouble=FULL), 1)
    assert placement.hopeless(3.9) == ([], None)
    assert placement.hopeless(4.1) == ([waiter], FULL)


def test_a_trouble_that_passes_was_none(placement, loop):
    wait(placement, loop)
    placement.see(starting(trouble=FULL), 1)
    placement.see(starting(), 2)
    placement.see(starting(trouble=FULL), 3)
    assert placement.hopeless(5) == ([], None)


def test_a_pod_that_cannot_start_is_given_time_and_then_deleted(placement):
    placement.see(starting(trouble=PULL), 0)
    assert placement.surplus(TROUBLED_FOR - 1) == []
    assert placement.wanted() == 1
    assert placement.surplus(TROUBLED_FOR) == [starting(trouble=PULL)]
    assert placement.wanted() == 0


def test_a_trouble_found_while_a_launch_waits_ends_it_at_once(placement, loop):
    waiter = wait(placement, loop)
    assert placement.hopeless(1) == ([], None)
    placement.block(QUOTA, 1)
    assert placement.hopeless(1) == ([waiter], QUOTA)


def test_a_trouble_that_was_there_before_may_be_over(placement, loop):
    placement.block(QUOTA, 0)
    waiter = wait(placement, loop, since=5)
    assert placement.hopeless(5) == ([], None)
    placement.block(QUOTA, 5.5)
    assert placement.hopeless(5.5) == ([], None)
    assert placement.hopeless(5 + PATIENCE) == ([waiter], QUOTA)


def test_a_trouble_ends_no_launch_that_has_its_pod_coming(placement, loop):
    wait(placement, loop)
    placement.see(starting(), 0)
    placement.block(QUOTA, 1)
    assert placement.hopeless(10) == ([], None)


def test_pods_that_end_as_they_start_are_a_trouble_and_a_single_one_is_an_accident(placement, loop):
    crash = Trouble(Reason.INSTANCES_CRASHING, "the instance ended: exit status 2")
    waiter = wait(placement, loop)
    placement.see(starting("a"), 0)
    placement.see(pod("a", ended=True, trouble=crash), 1)
    assert placement.hopeless(1) == ([], None)
    placement.see(starting("b"), 2)
    placement.see(pod("b", ended=True, trouble=crash), 3)
    assert placement.hopeless(3) == ([waiter], crash)


def test_accidents_are_forgotten_when_a_pod_runs(placement, loop):
    crash = Trouble(Reason.INSTANCES_CRASHING, "the instance ended: exit status 2")
    for uid in ("a", "b", "c"):
        placement.see(starting(uid), 0)
        placement.see(pod(uid, ended=True, trouble=crash), 1)
        start(placement, f"{uid}-next")
        placement.forget(f"{uid}-next")
    wait(placement, loop)
    assert placement.hopeless(100) == ([], None)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, no pod has two users and no more pods are wanted than could be used."""

    @initialize()
    def begin(self):
        self.loop = asyncio.new_event_loop()
        self.placement = Placement(NOW, keep_alive=5)
        self.now = 0.0
        self.created = 0
        self.asked = 0
        self.given: dict[str, Waiter] = {}

    def teardown(self):
        self.loop.close()

    def settle(self):
        for waiter, found in self.placement.match(self.now):
            assert found.uid not in self.given
            self.given[found.uid] = waiter
        self.placement.hopeless(self.now)
        for found in self.placement.to_probe(self.now):
            self.placement.mark(found.uid, State.BARE, self.now)
        for found in self.placement.surplus(self.now):
            assert self.placement.placed[found.uid].state is State.LOST

    @rule()
    def launch(self):
        self.asked += 1
        wait(self.placement, self.loop, self.now)
        self.settle()

    @rule()
    def operator_creates_what_is_lacking(self):
        alive = sum(
            1
            for each in self.placement.placed.values()
            if each.state is not State.LOST and not each.pod.ended
        )
        for _ in range(self.placement.wanted() - alive):
            self.created += 1
            self.placement.see(starting(str(self.created)), self.now)
        self.settle()

    @precondition(lambda self: self.placement.placed)
    @rule(data=st.data(), ended=st.booleans())
    def pod_changes(self, data, ended):
        uid = data.draw(st.sampled_from(sorted(self.placement.placed)))
        self.placement.see(pod(uid, ended=ended), self.now)
        self.settle()

    @precondition(lambda self: self.given)
    @rule(data=st.data(), state=st.sampled_from([State.LEAVING, State.ENDING, State.LOST]))
    def instance_is_done(self, data, state):
        uid = data.draw(st.sampled_from(sorted(self.given)))
        self.placement.mark(uid, state, self.now)
        self.settle()

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.settle()

    @invariant()
    def no_pod_without_a_launch(self):
        lost = sum(1 for each in self.placement.placed.values() if each.pod.ended)
        assert self.placement.wanted() + lost <= len(self.placement.placed) + len(self.placement.waiting)
        assert self.placement.wanted() >= len(self.placement.waiting)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
