"""`AWS_LAMBDA_MAX_CONCURRENCY`: several invocations at once in one environment, with AWS's own Python client."""

import pytest
from tests.conformance.functions import declare, declare_on_each
from tests.conformance.runtimes import PYTHONS, on_each_python
from tests.conformance.waiting import at_once, eventually

FOUR = {"variables": {"AWS_LAMBDA_MAX_CONCURRENCY": "4"}}
SHARING = declare_on_each("shares-one-environment", among=PYTHONS, environment=FOUR, memorySize=1024)
FAILING = declare("shares-and-fails", environment=FOUR, memorySize=1024, timeout=2)
STOPPED = declare(
    "shares-and-is-throttled", environment=FOUR, memorySize=1024, reservedConcurrentExecutions=3
)


@on_each_python
def test_the_stock_client_runs_so_many_invocations_at_once_in_one_environment(mayfly, runtime, tmp_path):
    function = SHARING[runtime.key]
    events = [{"do": "meet", "folder": str(tmp_path), "count": 4, "number": number} for number in range(4)]
    answers = at_once([lambda event=event: mayfly.invoke(function, event) for event in events])
    assert [(answer.error, answer.json["number"]) for answer in answers] == [
        (None, number) for number in range(4)
    ]
    met = [answer.json for answer in answers]
    # A worker each, all of one runtime process in one environment.
    assert len({each["pid"] for each in met}) == 4
    assert len({each["parent"] for each in met}) == 1
    assert len({each["stream"] for each in met}) == 1
    assert mayfly.local().functions()[function.name]["instances"] == 1


def test_each_invocation_gets_its_own_event_id_and_log(mayfly):
    function = SHARING[PYTHONS[-1].key]
    numbers = range(40)
    events = [{"do": "prints", "lines": [f"from {number}"]} for number in numbers]
    answers = at_once([lambda event=event: mayfly.invoke(function, event, tail=True) for event in events])
    assert [(answer.error, answer.json) for answer in answers] == [(None, 1)] * len(numbers)
    for number, answer in enumerate(answers):
        others = {f"from {other}" for other in numbers if other != number}
        assert not others & set(answer.log.splitlines())


def test_an_error_of_one_leaves_the_others_alone(mayfly):
    events = [{"do": "raise_error"} if number == 1 else number for number in range(4)]
    answers = at_once([lambda event=event: mayfly.invoke(FAILING, event) for event in events])
    assert [answer.error for answer in answers] == [None, "Unhandled", None, None]


ENDS = {"timeout": {"do": "sleep", "seconds": 30}, "exit": {"do": "exit", "status": 3}}


@pytest.mark.parametrize("event", ENDS.values(), ids=ENDS)
def test_after_the_end_of_one_the_environment_works_again(mayfly, event):
    assert mayfly.invoke(FAILING, event).error == "Unhandled"
    answers = at_once([lambda number=number: mayfly.invoke(FAILING, number) for number in range(4)])
    assert [answer.json for answer in answers] == [0, 1, 2, 3]


def test_concurrency_counts_invocations_and_not_environments(mayfly, tmp_path):
    event = {"do": "meet", "folder": str(tmp_path), "count": 4, "number": 0}
    answers = []

    def call():
        answers.append(mayfly.invoke(STOPPED, event))

    def let_go():
        eventually(lambda: [answer.status for answer in answers] == [429])
        (tmp_path / "fourth").touch()

    at_once([call, call, call, call, let_go])
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 429]
