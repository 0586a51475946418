"""What the gateway asks of an agent: become a function, run an invocation, end. Nobody else gets anything."""

import contextlib
import json

import pytest
from tests.component.agent_process import eventually, head, running, serving


@pytest.fixture
def agent():
    with serving() as agent:
        yield agent


def works(agent):
    assert agent.invoke("respond(b'as ever')").text == "as ever"


def reason(answer):
    return json.loads(answer.payload)["reason"]


def test_an_agent_is_bare_then_initialises_then_rests_or_is_busy():
    waits = "import time\nwhile not os.path.exists('gate'): time.sleep(0.001)"
    with running() as agent:
        assert agent.state() == "Bare"
        body = json.dumps(agent.body(environment={"INIT": waits})).encode()
        agent.gateway.send(head("POST", "/specialise", {"Content-Length": str(len(body))}) + body)
        eventually(lambda: agent.state() == "Initialising")
        (agent.code / "gate").touch()
        assert agent.gateway.whole().status == 200
        assert agent.state() == "Idle"
        agent.send("import time\nwhile not os.path.exists('second'): time.sleep(0.001)\nrespond(b'x')")
        eventually(lambda: agent.state() == "Busy")
        (agent.code / "second").touch()
        agent.gateway.end(agent.gateway.payload())
        assert agent.state() == "Idle"


def test_an_agent_becomes_a_function_once(agent):
    again = agent.specialise(command=["/bin/false"])
    assert (again.status, reason(again)) == (409, "AlreadySpecialised")
    works(agent)


@pytest.mark.parametrize(
    "changes",
    [
        {"token": ""},
        {"token": 7},
        {"token": "grüezi"},
        {"function": None},
        {"function": {"version": "$LATEST", "memorySize": 128, "timeout": 0}},
        {"function": {"version": "$LATEST", "memorySize": 128, "timeout": 1e300}},
        {"function": {"version": "$LATEST", "memorySize": 128, "timeout": float("inf")}},
        {"function": {"version": "$LATEST", "memorySize": 128, "timeout": float("nan")}},
        {"function": {"version": "$LATEST", "memorySize": "128", "timeout": 3}},
        {"command": []},
        {"command": [""]},
        {"command": "bootstrap"},
        {"command": ["a\0b"]},
        {"directory": "/a\0b"},
        {"directory": None},
        {"environment": {"A=B": "x"}},
        {"environment": {"": "x"}},
        {"environment": {"A": "\0"}},
        {"environment": {"A": "\ud800"}},
        {"environment": [1]},
        {"maxConcurrency": 0},
        {"initTimeout": -1},
    ],
    ids=repr,
)
def test_a_body_that_describes_no_function_is_refused_and_changes_nothing(changes):
    with running() as agent:
        body = agent.body() | changes
        answer = agent.gateway.call("POST", "/specialise", json.dumps(body).encode())
        assert (answer.status, reason(answer).partition(":")[0]) == (400, "InvalidFunction")
        assert agent.specialise().status == 200
        works(agent)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"{}"], ids=len
)
def test_a_body_that_is_no_object_is_refused(body):
    with running() as agent:
        assert agent.gateway.call("POST", "/specialise", body).status == 400
        assert agent.state() == "Bare"


def test_without_the_token_nothing_is_had_but_health(agent):
    wrong = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": agent.token},
        {"Authorization": "Bearer "},
    ]
    for headers in wrong:
        for path in ("/invoke", "/close"):
            answer = agent.gateway.call("POST", path, b"{}", headers)
            assert (answer.status, reason(answer)) == (401, "Unauthorized")
    works(agent)


def test_a_bare_agent_trusts_nobody():
    with running() as agent:
        for path in ("/invoke", "/close"):
            answer = agent.gateway.call("POST", path, b"{}", {"Authorization": "Bearer None"})
            assert answer.status == 401


def test_a_stranger_cannot_make_the_agent_hold_a_body(agent):
    with contextlib.closing(agent.connect()) as stranger:
        # Answered before any of the body is there.
        stranger.send(head("POST", "/invoke", {"Content-Length": "6000000"}))
        assert stranger.whole().status == 401
        stranger.send(b"x" * 6_000_000)
        assert stranger.call("GET", "/health").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/invoke/", 404),
        ("GET", "/invoke", 405),
        ("PUT", "/specialise", 405),
        ("POST", "/health", 405),
    ],
)
def test_what_does_not_exist_is_refused(agent, method, path, status):
    assert agent.gateway.call(method, path).status == status


@pytest.mark.parametrize("request_id", ["", " ", "a/b", "a b", "é", "x" * 65, "../next"])
def test_a_request_id_that_could_not_be_part_of_a_path_is_refused(agent, request_id):
    agent.send("never", request_id=request_id or " ")
    assert reason(answer := agent.gateway.whole()) == "InvalidRequestId"
    assert answer.status == 400
    works(agent)


def test_a_payload_over_the_limit_is_refused_before_it_is_sent(agent):
    lines = {"Authorization": f"Bearer {agent.token}", "Content-Length": str(6 * 1024 * 1024 + 1)}
    agent.gateway.send(head("POST", "/invoke", lines))
    assert (answer := agent.gateway.whole()).status == 413
    assert reason(answer) == "TooLarge"


def test_a_busy_instance_refuses_and_what_runs_goes_on(agent):
    running_id = agent.send(
        "import time\nwhile not os.path.exists('gate'): time.sleep(0.001)\nrespond(b'mine')"
    )
    eventually(lambda: agent.state() == "Busy")
    with contextlib.closing(agent.connect()) as other:
        for request_id in (None, running_id):
            agent.send("respond(b'other')", gateway=other, request_id=request_id, tail=True)
            assert ((answer := other.whole()).status, reason(answer)) == (409, "Busy")
        (agent.code / "gate").touch()
        assert agent.gateway.end(agent.gateway.payload()).text == "mine"
        assert agent.invoke("respond(b'other')", gateway=other).text == "other"


def test_the_answer_comes_before_the_instance_is_free(agent):
    agent.send("respond(b'early'); import time\nwhile not os.path.exists('gate'): time.sleep(0.001)")
    answer = agent.gateway.payload()
    assert (answer.text, agent.state()) == ("early", "Busy")
    (agent.code / "gate").touch()
    assert agent.gateway.end(answer).report["status"] == "success"


def test_a_gateway_that_hangs_up_cancels_nothing_and_the_instance_stays_usable(agent):
    request_id = agent.send(
        "import time\nwhile not os.path.exists('gate'): time.sleep(0.001)\nrespond(b'unheard')"
    )
    eventually(lambda: agent.state() == "Busy")
    agent.gateway.close()
    agent.gateway = agent.connect()
    agent.send("respond(b'too early')")
    assert agent.gateway.whole().status == 409
    (agent.code / "gate").touch()
    agent.logged("REPORT", request_id)
    assert "Status" not in agent.messages(request_id)[-1]
    works(agent)


def test_a_gateway_that_fetches_late_gets_everything(agent):
    agent.send("respond(b'x' * 6000000)")
    agent.logged("REPORT")
    assert len(agent.gateway.end(agent.gateway.payload()).text) == 6_000_000
    works(agent)


def test_a_closed_instance_ends_at_once_when_nothing_runs(agent):
    works(agent)
    assert agent.close().status == 202
    assert agent.wait() == 0


def test_a_closed_instance_finishes_what_runs_and_takes_nothing_on(agent):
    agent.send("import time\nwhile not os.path.exists('gate'): time.sleep(0.001)\nrespond(b'x' * 6000000)")
    eventually(lambda: agent.state() == "Busy")
    with contextlib.closing(agent.connect()) as other:
        assert other.call("POST", "/close", b"", {"Authorization": f"Bearer {agent.token}"}).status == 202
        agent.send("respond(b'never')", gateway=other)
        assert ((answer := other.whole()).status, reason(answer)) == (503, "Closing")
    assert agent.state() == "Closing"
    (agent.code / "gate").touch()
    agent.logged("REPORT")
    # The whole answer, though the agent ends while it is on its way.
    assert len(agent.gateway.end(agent.gateway.payload()).text) == 6_000_000
    assert agent.wait() == 0


def test_a_runtime_may_say_goodbye_for_two_seconds():
    bye = "import signal; signal.signal(signal.SIGTERM, lambda *_: (say('goodbye'), os._exit(0)))"
    with serving(environment={"INIT": bye}) as agent:
        works(agent)
        # Frozen or not: it is woken up for it.
        agent.close()
        assert agent.wait() == 0
        agent.logged("goodbye", None)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    with serving(environment={"INIT": deaf}) as agent:
        works(agent)
        agent.close()
        assert agent.wait() == 0


def test_the_end_of_the_gateway_is_the_end_of_the_agent_whatever_runs():
    with serving(environment={"INIT": "import time; time.sleep(9)"}) as agent:
        agent.send("respond(b'never')")
        agent.end()
    with serving() as agent:
        agent.send("os.fork(); os.fork() or os.setsid(); import time; time.sleep(9)")
        eventually(lambda: len(agent.survivors()) == 4)
        agent.end()
