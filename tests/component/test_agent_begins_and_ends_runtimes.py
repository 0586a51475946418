"""Runtimes that exit, hang, or never come up: what the caller is told, and that the next one is served."""

import re

import pytest
from tests.component.agent_process import failure, serving, works
from tests.component.pace import a_moment

EXIT = "RequestId: {} Error: Runtime exited with error: {}"
NO_REASON = "RequestId: {} Error: Runtime exited without providing a reason"


@pytest.fixture
def agent():
    with serving() as agent:
        yield agent


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os._exit(0)", NO_REASON),
        ("os._exit(3)", EXIT.format("{}", "exit status 3")),
        ("os.kill(os.getpid(), 9)", EXIT.format("{}", "signal: killed")),
        ("os.kill(os.getpid(), 2)", EXIT.format("{}", "signal: interrupt")),
        ("raise SystemExit", NO_REASON),
    ],
)
def test_a_runtime_that_exits_is_told_and_replaced(agent, code, message):
    code = code.replace(
        "os.kill(os.getpid(), 2)", "import signal; signal.signal(2, signal.SIG_DFL); os.kill(os.getpid(), 2)"
    )
    request_id = agent.send(code)
    answer = agent.gateway.end(agent.gateway.payload())
    assert failure(answer) == ("Runtime.ExitError", message.format(request_id))
    assert answer.report["errorType"] == "Runtime.ExitError"
    works(agent)


def test_a_response_is_heard_though_the_runtime_exits_with_the_same_breath(agent):
    for _ in range(10):
        code = "client.send(message('POST', f'{PREFIX}/invocation/{current}/response', b'last words')); os._exit(7)"
        answer = agent.invoke(code)
        assert (answer.text, answer.report["status"]) == ("last words", "success")
    works(agent)


def test_last_words_on_a_new_connection_are_heard_as_well(agent):
    code = """
other = Client()
other.send(message('POST', f'{PREFIX}/invocation/{current}/response', b'x' * 1000000))
os._exit(7)
"""
    assert len(agent.invoke(code).text) == 1_000_000


def test_a_timeout_is_enforced_to_the_millisecond_and_the_runtime_replaced():
    with serving(timeout=1) as agent:
        works(agent)
        request_id = agent.send("import time; time.sleep(9)", tail=True)
        answer = agent.gateway.payload()
        assert 1 <= answer.seconds < 1 + a_moment()
        answer = agent.gateway.end(answer)
        expected = ("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after 1.00 seconds")
        assert failure(answer) == expected
        assert (answer.report["durationMs"], answer.report["billedMs"]) == (1000, 1000)
        lines = answer.tail.decode().splitlines()
        assert re.fullmatch(rf"\S+Z {request_id} Task timed out after 1\.00 seconds", lines[1])
        assert lines[3].endswith("\tStatus: timeout")
        works(agent)


def test_the_caller_is_answered_though_the_runtime_never_asks_again():
    with serving(timeout=1) as agent:
        agent.send("respond(b'done'); import time; time.sleep(9)")
        answer = agent.gateway.payload()
        assert answer.seconds < a_moment()
        assert agent.state() == "Busy"
        answer = agent.gateway.end(answer)
        assert (answer.text, answer.report["status"], answer.report["durationMs"]) == (
            "done",
            "timeout",
            1000,
        )
        works(agent)


# INIT


def test_an_init_error_answers_the_invocation_that_waits():
    code = "say(str(init_error(b'no module', 'Lambda-Runtime-Function-Error-Type: Runtime.ImportModuleError\\r\\n')))"
    wait = "import select; select.select([], [], [], 0.1)\n"
    with serving(environment={"INIT": f"say('began'); {wait}{code}; os._exit(1)"}) as agent:
        answer = agent.invoke("respond(b'never')", tail=True)
        assert (answer.payload, answer.report["errorType"]) == (b"no module", "Runtime.ImportModuleError")
        assert answer.report["initMs"] is None
        report = agent.logged("INIT_REPORT", None)
        assert report.endswith("\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError")
        assert answer.tail.startswith(b"START RequestId")


def test_an_init_error_for_which_nobody_waited_answers_the_next_invocation():
    flag = "import os.path; first = not os.path.exists('been'); open('been', 'w').close()\n"
    with serving(environment={"INIT": flag + "if first: init_error(b'not yet')"}) as agent:
        agent.logged("INIT_REPORT")
        assert agent.invoke("respond(b'never')").payload == b"not yet"
        works(agent)


@pytest.mark.parametrize("waited_for", [True, False])
def test_an_exit_at_import_is_told_like_any_other(waited_for):
    with serving(environment={"INIT": "import sys; sys.exit(5)"}) as agent:
        if not waited_for:
            agent.logged("INIT_REPORT")
        for _ in range(2):
            request_id = agent.send("respond(b'never')")
            answer = agent.gateway.end(agent.gateway.payload())
            assert failure(answer) == ("Runtime.ExitError", EXIT.format(request_id, "exit status 5"))


def test_an_init_that_takes_too_long_is_tried_once_more_inside_the_invocation():
    slow_once = (
        "import time; slow = not os.path.exists('been'); open('been', 'w').close(); time.sleep(9 * slow)"
    )
    with serving(environment={"INIT": slow_once}, initTimeout=0.3) as agent:
        answer = agent.invoke("respond(b'at last')", tail=True)
        assert answer.text == "at last"
        assert answer.report["initMs"] is None
        assert agent.logged("INIT_REPORT").endswith("\tPhase: init\tStatus: timeout")
        assert len([line for line in agent.messages() if line.startswith("INIT_START")]) == 2
        assert b"INIT_START" not in answer.tail


def test_the_second_init_has_no_more_time_than_the_function():
    with serving(environment={"INIT": "import time; time.sleep(9)"}, initTimeout=0.2, timeout=1) as agent:
        answer = agent.invoke("respond(b'never')")
        assert failure(answer)[0] == "Sandbox.Timedout"
        assert 1.0 <= answer.seconds < 1 + a_moment()
        agent.logged("REPORT RequestId")
        reports = [line for line in agent.messages() if line.startswith("INIT_REPORT")]
        assert [line.split("\t", 1)[1] for line in reports] == [
            "Phase: init\tStatus: timeout",
            "Phase: invoke\tStatus: timeout",
        ]


def test_an_init_again_takes_place_inside_the_invocation_and_its_output_belongs_there():
    with serving(environment={"INIT": "say('initialising')"}) as agent:
        assert agent.invoke("respond(b'1')").report["initMs"] > 0
        agent.invoke("os._exit(1)")
        request_id = agent.send("respond(b'2')", tail=True)
        answer = agent.gateway.end(agent.gateway.payload())
        assert (answer.text, answer.report["initMs"]) == ("2", None)
        assert answer.report["durationMs"] > 5
        agent.logged("REPORT", request_id)
        assert agent.messages(request_id)[:2] == [
            f"START RequestId: {request_id} Version: $LATEST",
            "initialising",
        ]
        assert "initialising" in agent.messages(None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"command": ["/nowhere/bootstrap"]}, "fork/exec /nowhere/bootstrap: no such file or directory"),
        ({"command": ["/dev/null"]}, "fork/exec /dev/null: permission denied"),
        ({"directory": "/nowhere"}, "fork/exec {}: no such file or directory"),
    ],
)
def test_a_program_that_cannot_be_started_is_told(changes, problem):
    with serving(**changes) as agent:
        request_id = agent.send("respond(b'never')")
        answer = agent.gateway.end(agent.gateway.payload())
        program = agent.body()["command"][0]
        expected = f"RequestId: {request_id} Error: {problem.format(program)}"
        assert failure(answer) == ("Runtime.InvalidEntrypoint", expected)
