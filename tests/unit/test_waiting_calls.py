"""A waiting call takes the first instance that is free; each call is served once and each instance serves one."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mayfly_gateway.backends import Instance
from mayfly_gateway.catalogue import Target
from mayfly_gateway.live import Invocation, LiveInstance
from mayfly_gateway.pool import Pool
from mayfly_gateway.request import parse_call
from mayfly_model.errors import ResourceNotReadyException
from mayfly_model.function import FunctionSpec

SPEC = FunctionSpec.model_validate(
    {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "handler = print"}}}
)

FULL = ResourceNotReadyException("no more pods")


def target(digest="1", *, keep_alive=300.0):
    return Target(
        namespace="default",
        name="hello",
        arn="arn:aws:lambda:local:default:function:hello",
        version="$LATEST",
        memory_size=128,
        timeout=3,
        keep_alive=keep_alive,
        concurrency=1,
        reserved=None,
        digest=digest,
        spec=SPEC,
    )


def invocation():
    call = parse_call("hello", "", {}, request_id="r", default_namespace="default", knows=lambda name: False)
    return Invocation(call, b"{}", lambda outcome: None, counted=("default", "hello"))


def instance(digest="1"):
    placed = Instance(id="i", address="/nowhere", token="t", specialise=b"{}")
    return LiveInstance(placed, digest=digest)


def launched(pool, now=0.0):
    launch = pool.launch(now)
    pool.launched(launch, 0)
    live = instance(pool.target.digest)
    assert pool.release(live, now)
    return live


def test_the_most_recently_used_instance_is_taken_first():
    pool = Pool(target())
    first, second = launched(pool, 1), launched(pool, 2)
    assert pool.take(invocation(), 3) is second
    assert pool.take(invocation(), 3) is first
    assert pool.take(invocation(), 3) is None


def test_calls_are_served_in_the_order_they_came():
    pool = Pool(target())
    calls = [invocation() for _ in range(3)]
    assert [pool.take(call, 0) for call in calls] == [None, None, None]
    live = launched(pool)
    for call in calls:
        assert pool.match(1) is live
        assert live.invocation is call
        pool.release(live, 2)
    assert pool.match(3) is None


def test_a_new_call_does_not_overtake_those_that_wait():
    pool = Pool(target())
    waiting, late = invocation(), invocation()
    pool.take(waiting, 0)
    live = launched(pool)
    assert pool.take(late, 1) is None
    assert pool.match(1) is live
    assert live.invocation is waiting


def test_a_call_that_reached_no_runtime_is_the_next_one_served():
    pool = Pool(target())
    live = launched(pool)
    unlucky, other = invocation(), invocation()
    pool.take(unlucky, 0)
    pool.take(other, 0)
    assert pool.drop(live) is unlucky
    pool.put_back(unlucky)
    assert list(pool.waiting) == [unlucky, other]


def test_idle_instances_retire_after_the_keep_alive():
    pool = Pool(target(keep_alive=10))
    old, new = launched(pool, 0), launched(pool, 5)
    assert pool.expired(10) == []
    assert pool.expired(11) == [old]
    pool.close(old, 20)
    assert pool.idle == [new]
    assert pool.overdue(21) == [old]


def test_instances_of_an_old_content_retire_and_the_calls_go_to_the_new_one():
    pool = Pool(target("1"))
    idle, busy = launched(pool), launched(pool)
    assert pool.take(invocation(), 0) is busy
    assert pool.replace(target("2")) == [idle]
    assert pool.release(busy, 1) is False
    pool.close(idle, 5)
    late = pool.launch(1)
    assert pool.replace(target("3")) == []
    pool.launched(late, 0)
    assert pool.release(instance("2"), 2) is False


def test_a_change_that_instances_do_not_notice_keeps_them():
    pool = Pool(target("1"))
    live = launched(pool)
    assert pool.replace(target("1", keep_alive=1)) == []
    assert pool.take(invocation(), 0) is live


def test_a_launch_that_fails_ends_the_call_that_nothing_else_will_serve():
    pool = Pool(target())
    calls = [invocation(), invocation()]
    for call in calls:
        pool.take(call, 0)
    first, second = pool.launch(0), pool.launch(0)
    assert pool.launch_failed(first, FULL, 1) == calls[:1]
    assert pool.lacks(1) == (0, 0)
    assert pool.launch_failed(second, FULL, 1) == calls[1:]
    assert pool.empty
    pool.take(invocation(), 1)
    assert pool.lacks(1) == (0, 1)


def test_a_call_is_not_held_for_ever_by_instances_that_others_keep_busy():
    pool = Pool(target())
    launched(pool)
    pool.take(invocation(), 0)
    early, later = invocation(), invocation()
    pool.take(early, 1)
    pool.take(later, 2)
    pool.launch_failed(pool.launch(2), FULL, 3)
    assert pool.late(1) == []
    assert pool.late(1.5) == [early]
    assert pool.trouble is FULL
    pool.launched(pool.launch(4), 5)
    assert pool.trouble is None
    assert list(pool.waiting) == [later]


def test_after_a_failed_launch_the_next_one_waits_while_others_serve():
    pool = Pool(target())
    launched(pool)
    pool.take(invocation(), 0)
    pool.take(invocation(), 0)
    assert pool.lacks(0) == (0, 1)
    assert pool.launch_failed(pool.launch(0), FULL, 0) == []
    assert pool.lacks(0.1) == (0, 0)
    assert pool.lacks(1) == (0, 1)


def test_instances_of_an_old_content_are_not_counted_on():
    pool = Pool(target("1"))
    live = launched(pool)
    pool.take(invocation(), 0)
    pool.estimates.observe_start(1)
    pool.estimates.observe_duration(0.1)
    pool.take(invocation(), 0)
    assert pool.lacks(0) == (0, 0)
    pool.replace(target("2"))
    assert pool.lacks(0) == (0, 1)
    assert live in pool.busy


class Serving(RuleBasedStateMachine):
    """Whatever happens in whatever order: no call is lost, doubled or given to a busy or outdated instance."""

    def __init__(self):
        super().__init__()
        self.pool = Pool(target("0"))
        self.now = 0.0
        self.digest = 0
        self.open = Counter()
        self.launches = []

    def pick(self, data, things):
        return data.draw(st.sampled_from(sorted(things, key=id)))

    @rule(seconds=st.floats(0, 5))
    def pass_time(self, seconds):
        self.now += seconds

    @rule()
    def call(self):
        call = invocation()
        self.open[call] += 1
        live = self.pool.take(call, self.now)
        assert live is None or live.invocation is call

    @rule()
    def scale(self):
        self.launches += [self.pool.launch(self.now) for _ in range(sum(self.pool.lacks(self.now)))]

    @precondition(lambda self: self.launches)
    @rule(works=st.booleans())
    def launch_ends(self, works):
        launch = self.launches.pop()
        if not works:
            for call in self.pool.launch_failed(launch, FULL, self.now):
                del self.open[call]
        else:
            self.pool.launched(launch, self.now)
            served = self.pool.release(instance(launch.target.digest), self.now)
            assert served == (launch.target.digest == self.pool.target.digest and not self.pool.gone)
        while self.pool.match(self.now) is not None:
            pass

    @precondition(lambda self: self.pool.busy)
    @rule(data=st.data())
    def finish(self, data):
        live = self.pick(data, self.pool.busy)
        del self.open[live.invocation]
        if not self.pool.release(live, self.now):
            self.pool.close(live, self.now + 3)
        while self.pool.match(self.now) is not None:
            pass

    @precondition(lambda self: self.pool.busy)
    @rule(data=st.data())
    def crash(self, data):
        call = self.pool.drop(self.pick(data, self.pool.busy))
        assert call is not None
        self.pool.put_back(call)

    @rule(same=st.booleans())
    def change(self, same):
        self.digest += 0 if same else 1
        for live in self.pool.replace(target(str(self.digest))):
            self.pool.close(live, self.now + 3)

    @invariant()
    def every_open_call_is_in_exactly_one_place(self):
        places = Counter(self.pool.waiting) + Counter(live.invocation for live in self.pool.busy)
        assert places == self.open

    @invariant()
    def instances_are_where_they_belong(self):
        pool = self.pool
        assert not (set(pool.idle) & pool.busy or pool.busy & pool.closing or set(pool.idle) & pool.closing)
        assert all(live.invocation is None for live in (*pool.idle, *pool.closing))
        assert all(live.digest == pool.target.digest for live in pool.idle)


Serving.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestServing = Serving.TestCase
