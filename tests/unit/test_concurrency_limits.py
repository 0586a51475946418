"""Running invocations are counted exactly, reserved concurrency is a cap and a share, nothing ever waits."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mayfly_gateway.admission import Admission

HELLO, OTHER, ELSEWHERE = ("shop", "hello"), ("shop", "other"), ("bank", "hello")
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
SHARED = "ConcurrentInvocationLimitExceeded"


def test_the_account_limit_holds_for_a_namespace_and_not_for_its_neighbour():
    admission = Admission(account_limit=2)
    assert admission.admit(HELLO) is None
    assert admission.admit(OTHER) is None
    assert admission.admit(HELLO) == SHARED
    assert admission.admit(ELSEWHERE) is None
    admission.release(OTHER)
    assert admission.admit(HELLO) is None


def test_reserved_concurrency_caps_the_function_at_once():
    admission = Admission(account_limit=10)
    admission.reserve(HELLO, 1)
    assert admission.admit(HELLO) is None
    assert admission.admit(HELLO) == RESERVED
    admission.release(HELLO)
    assert admission.admit(HELLO) is None


def test_reserved_concurrency_is_taken_from_what_the_others_share():
    admission = Admission(account_limit=3)
    admission.reserve(HELLO, 2)
    assert admission.admit(OTHER) is None
    assert admission.admit(OTHER) == SHARED
    assert admission.admit(HELLO) is None
    assert admission.admit(HELLO) is None


def test_zero_throttles_everything():
    admission = Admission(account_limit=3)
    admission.reserve(HELLO, 0)
    assert admission.admit(HELLO) == RESERVED


class Counting(RuleBasedStateMachine):
    """Compares the counts with a model that counts from scratch each time."""

    LIMIT = 4
    functions = st.sampled_from([HELLO, OTHER, ELSEWHERE])

    def __init__(self):
        super().__init__()
        self.admission = Admission(account_limit=self.LIMIT)
        self.running = []
        self.reserved = {}

    @rule(function=functions)
    def admit(self, function):
        reason = self.admission.admit(function)
        assert reason == self.expected(function)
        if reason is None:
            self.running.append(function)

    def expected(self, function):
        if function in self.reserved:
            return RESERVED if self.running.count(function) >= self.reserved[function] else None
        set_aside = sum(count for key, count in self.reserved.items() if key[0] == function[0])
        sharing = [key for key in self.running if key not in self.reserved and key[0] == function[0]]
        return SHARED if len(sharing) >= self.LIMIT - set_aside else None

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def release(self, data):
        function = data.draw(st.sampled_from(self.running))
        self.running.remove(function)
        self.admission.release(function)

    @rule(function=functions, concurrency=st.none() | st.integers(0, 3))
    def reserve(self, function, concurrency):
        self.admission.reserve(function, concurrency)
        self.reserved.pop(function, None)
        if concurrency is not None:
            self.reserved[function] = concurrency

    @invariant()
    def counts_agree(self):
        for function in (HELLO, OTHER, ELSEWHERE):
            assert self.admission.running(function) == self.running.count(function)


Counting.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCounting = Counting.TestCase
