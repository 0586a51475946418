"""429: a function's reserved concurrency and an account's limit, exact to the invocation."""

import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conformance import functions
from tests.conformance.calls import Sdk
from tests.conformance.functions import declare
from tests.conformance.holding import running
from tests.conformance.local_mode import LocalMode
from tests.conformance.waiting import eventually

TWO = declare("two-at-once", handler="more.hold", reservedConcurrentExecutions=2)
ONE = declare("one-at-once", handler="more.hold", reservedConcurrentExecutions=1)
RETRIED = declare("one-at-once-retried", handler="more.hold", reservedConcurrentExecutions=1)
ABANDONED = declare("one-at-once-abandoned", handler="more.hold", reservedConcurrentExecutions=1)
FAILING = declare("one-at-once-failing", reservedConcurrentExecutions=1)
NONE = declare("none-at-all", handler="more.hold", reservedConcurrentExecutions=0)
LIMITED = [declare(f"limited-{letter}", handler="more.hold") for letter in "ab"]
WITH_SHARE = declare("limited-with-a-share", handler="more.hold", reservedConcurrentExecutions=1)
ELSEWHERE = declare("limited-elsewhere", namespace="shop", handler="more.hold")


def throttled(answer, reason):
    return (answer.status, answer.error_code, answer.json) == (
        429,
        "TooManyRequestsException",
        {"Reason": reason, "Type": "User", "message": "Rate Exceeded."},
    )


RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT = "ConcurrentInvocationLimitExceeded"


def test_exactly_the_reserved_concurrency_runs_at_once(mayfly, tmp_path):
    with running(mayfly.invoke, tmp_path / "a", TWO, TWO) as answers:
        event = {"folder": str(tmp_path / "a")}
        refused = [mayfly.invoke(TWO, event) for _ in range(5)]
    assert all(throttled(answer, RESERVED) for answer in refused)
    assert [answer.result().error for answer in answers] == [None, None]
    assert len({answer.result().json["stream"] for answer in answers}) == 2
    assert len(list((tmp_path / "a").iterdir())) == 3


def test_of_a_burst_exactly_the_reserved_concurrency_is_taken(mayfly, tmp_path):
    with ThreadPoolExecutor(10) as pool:
        event = {"folder": str(tmp_path)}
        answers = [pool.submit(mayfly.invoke, TWO, event) for _ in range(10)]
        eventually(lambda: sum(answer.done() for answer in answers) == 8)
        (tmp_path / "go").touch()
    statuses = [answer.result().status for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (2, 8)


def test_what_has_ended_leaves_its_place_to_the_next(mayfly, tmp_path):
    with running(mayfly.invoke, tmp_path / "a", ONE) as answers:
        assert throttled(mayfly.invoke(ONE, {"folder": str(tmp_path / "a")}), RESERVED)
    assert answers[0].result().status == 200
    (tmp_path / "go").touch()
    assert [mayfly.invoke(ONE, {"folder": str(tmp_path)}).status for _ in range(3)] == [200] * 3


def test_what_has_failed_leaves_its_place_to_the_next(mayfly):
    events = [{"do": "raise_error"}, {"do": "exit", "status": 1}, {"do": "kill_self"}, "fine"]
    assert [mayfly.invoke(FAILING, event).status for event in events] == [200] * 4


def test_a_reserved_concurrency_of_none_throttles_everything(mayfly, tmp_path):
    assert throttled(mayfly.invoke(NONE, {"folder": str(tmp_path)}), RESERVED)
    assert not list(tmp_path.iterdir())


def test_a_client_that_retries_is_served_when_there_is_room(mayfly, tmp_path):
    patient = Sdk(mayfly.endpoint, retries=10)
    try:
        with running(mayfly.invoke, tmp_path / "a", RETRIED), ThreadPoolExecutor(1) as pool:
            event = json.dumps({"folder": str(tmp_path / "b")}).encode()
            (tmp_path / "b").mkdir()
            (tmp_path / "b/go").touch()
            answer = pool.submit(patient.invoke, RETRIED.name, event)
            eventually(lambda: patient.answers > 0)
            assert not answer.done()
            (tmp_path / "a/go").touch()
            assert answer.result().status == 200
    finally:
        patient.close()
    assert patient.answers > 1


def test_a_call_whose_client_hung_up_counts_until_it_ends(mayfly, tmp_path):
    event = {"folder": str(tmp_path)}
    mayfly.hang_up(ABANDONED, event, when=lambda: any(tmp_path.iterdir()))
    for _ in range(3):
        assert throttled(mayfly.invoke(ABANDONED, event), RESERVED)
    (tmp_path / "go").touch()
    eventually(lambda: mayfly.local().functions()[ABANDONED.name]["running"] == 0)
    assert mayfly.invoke(ABANDONED, event).status == 200


@pytest.fixture(scope="module")
def limited():
    """A local mode whose account limit is three, one of it reserved."""
    home = Path(tempfile.mkdtemp(prefix="mf-"))
    chosen = {function.name for function in (*LIMITED, WITH_SHARE, ELSEWHERE)}
    functions.write(home, only=chosen)
    local = LocalMode(home, options=("--account-limit", "3"))
    local.start()
    sdk = Sdk(local.endpoint)
    yield lambda function, event: sdk.invoke(function.arn, json.dumps(event).encode())
    sdk.close()
    local.stop()
    shutil.rmtree(home)


def test_the_account_limit_is_what_its_functions_share(limited, tmp_path):
    first, second = LIMITED
    held = tmp_path / "held"
    with running(limited, held, first, second):
        for function in LIMITED:
            assert throttled(limited(function, {"folder": str(held)}), ACCOUNT)
    (tmp_path / "go").touch()
    assert limited(first, {"folder": str(tmp_path)}).status == 200


def test_a_reserved_share_is_the_functions_own(limited, tmp_path):
    held = tmp_path / "held"
    with running(limited, held, *LIMITED, WITH_SHARE):
        assert throttled(limited(WITH_SHARE, {"folder": str(held)}), RESERVED)
        assert throttled(limited(LIMITED[0], {"folder": str(held)}), ACCOUNT)


def test_another_namespace_has_an_account_of_its_own(limited, tmp_path):
    held = tmp_path / "held"
    with running(limited, held, *LIMITED, ELSEWHERE, ELSEWHERE, ELSEWHERE):
        assert throttled(limited(ELSEWHERE, {"folder": str(held)}), ACCOUNT)
