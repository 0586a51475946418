"""The Runtime API as runtimes that nobody tamed use it: every answer, every end, every abuse of the protocol."""

import json
import re
import time

import pytest
from tests.component.agent_process import eventually, serving

LIMIT = 6 * 1024 * 1024 + 100
EXIT = "RequestId: {} Error: Runtime exited with error: {}"
NO_REASON = "RequestId: {} Error: Runtime exited without providing a reason"
TOO_LARGE = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."


@pytest.fixture
def agent():
    with serving() as agent:
        yield agent


def works(agent):
    """Whether the instance serves an invocation."""
    assert agent.invoke("respond(b'as ever')").text == "as ever"


def failure(answer):
    return answer.error["errorType"], answer.error["errorMessage"]


# next


def test_next_brings_the_event_and_everything_about_it(agent):
    before = time.time()
    told = json.loads(agent.invoke("tell(headers)", Lambda_Runtime_Client_Context='{"client":{}}').text)
    assert told.pop("Content-Type") == "application/json"
    assert before * 1000 + 2999 <= int(told.pop("Lambda-Runtime-Deadline-Ms")) <= time.time() * 1000 + 3000
    assert re.fullmatch(r"[0-9a-f-]{36}", told.pop("Lambda-Runtime-Aws-Request-Id"))
    assert int(told.pop("Content-Length")) == len("tell(headers)")
    assert told == {
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:default:function:f",
        "Lambda-Runtime-Trace-Id": "Root=1-5e1b4151-43a0913a12345678901234567",
        "Lambda-Runtime-Client-Context": '{"client":{}}',
    }


def test_next_leaves_out_what_is_empty_but_never_the_trace(agent):
    empty = {"Lambda_Runtime_Cognito_Identity": "", "Lambda_Runtime_Trace_Id": ""}
    told = json.loads(agent.invoke("tell({k: v.strip() for k, v in headers.items()})", **empty).text)
    assert "Lambda-Runtime-Cognito-Identity" not in told
    assert "Lambda-Runtime-Client-Context" not in told


def test_an_event_of_six_megabytes_goes_in_and_out_unchanged(agent):
    code = b"respond(event[:100] + event[100:])#"
    event = code + b"x" * (6 * 1024 * 1024 - len(code) - 1) + b"y"
    assert agent.invoke(event).payload == event


def test_next_twice_brings_the_same_invocation_again(agent):
    code = "again = next_(); tell([again[1]['Lambda-Runtime-Aws-Request-Id'] == current, again[2] == event])"
    assert json.loads(agent.invoke(code).text) == [True, True]


def test_next_again_after_the_connection_that_brought_it_died(agent):
    code = "client.socket.close(); other = Client(); other.next(); other.respond(b'on another', current)"
    assert agent.invoke(f"{code}\nclient.__dict__.update(other.__dict__)").text == "on another"
    works(agent)


def test_a_next_whose_connection_died_is_not_answered():
    dead = "dead = Client(); dead.send(message('GET', PREFIX + '/invocation/next')); dead.socket.close()"
    with serving(environment={"INIT": dead}) as agent:
        works(agent)
        works(agent)


def test_of_several_that_ask_one_gets_the_invocation():
    more = "more = [Client() for _ in range(9)]\nfor one in more: one.send(message('GET', PREFIX + '/invocation/next'))"
    with serving(environment={"INIT": more}, timeout=1) as agent:
        # It goes to the first that asked, of which the main program knows nothing: time alone can end it.
        assert failure(agent.invoke("pass"))[0] == "Sandbox.Timedout"


def test_a_program_that_hangs_up_after_every_answer_is_served(agent):
    code = """
client.__init__()
original = Client.call
def once(self, *args):
    self.__init__()
    answer = original(self, *args)
    self.socket.close()
    return answer
Client.call = once
respond(b'1')
"""
    assert agent.invoke(code).text == "1"
    assert [agent.invoke(f"respond(b'{n}')").text for n in range(5)] == list("01234")


def test_a_peer_that_asks_to_close_is_closed(agent):
    code = """
other = Client()
other.send(message('POST', f'{PREFIX}/invocation/{current}/response', b'bye', 'Connection: close\\r\\n'))
say(f'{other.read()[0]} then {other.socket.recv(1)}')
"""
    assert agent.invoke(code).text == "bye"
    agent.logged("202 then b''")


# response and error


def test_a_response_is_accepted_once_and_then_never_again(agent):
    code = "say(json.dumps([respond(b'first'), respond(b'second'), fail(b'third')]))"
    assert agent.invoke(code).text == "first"
    agent.logged("[202, 403, 403]")
    works(agent)


def test_an_id_that_is_not_running_is_refused_and_changes_nothing(agent):
    first = agent.send("previous = current; respond(b'one')")
    agent.gateway.end(agent.gateway.payload())
    code = "statuses = [respond(b'x', previous), respond(b'x', 'nobody'), fail(b'x', '%00')]; tell(statuses)"
    assert json.loads(agent.invoke(code).text) == [400, 400, 400]
    agent.logged("END", first)


def test_refusals_are_in_the_runtime_apis_form(agent):
    code = "respond(client.call('POST', PREFIX + '/invocation/x/response')[2])"
    content = json.loads(agent.invoke(code).text)
    assert content == {"errorMessage": "InvalidRequestID", "errorType": "InvalidRequestID"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/2018-06-01/runtime/restore/next", 404),
        ("POST", "/2018-06-01/runtime/invocation/next/more", 404),
        ("GET", "/2015-03-31/functions", 404),
        ("POST", "/2018-06-01/runtime/invocation/next", 405),
        ("GET", "/2018-06-01/runtime/invocation/x/response", 405),
        ("PUT", "/2018-06-01/runtime/invocation/x/error", 405),
        ("DELETE", "/2018-06-01/runtime/init/error", 405),
        ("POST", "/2018-06-01/runtime/init/error", 403),
    ],
)
def test_what_does_not_exist_or_not_now_is_refused(agent, method, path, status):
    assert agent.invoke(f"respond(str(client.call('{method}', '{path}')[0]).encode())").text == str(status)


def test_an_error_is_relayed_byte_for_byte_and_its_type_reported(agent):
    body = b'{"errorMessage": "b\xc3\xb6\xff", "errorType": "ValueError"}'
    answer = agent.invoke(f"fail({body!r}, None, 'Lambda-Runtime-Function-Error-Type: Runtime.Mine\\r\\n')")
    assert answer.payload == body
    assert answer.headers["mayfly-function-error"] == "Unhandled"
    assert (answer.report["status"], answer.report["errorType"]) == ("error", "Runtime.Mine")
    works(agent)


def test_an_empty_response_and_an_empty_error_are_answers(agent):
    assert agent.invoke("respond(b'')").text == ""
    assert agent.invoke("fail(b'')").payload == b""


def test_a_chunked_response_and_one_that_waits_to_be_asked_for_are_answers(agent):
    chunked = "message('POST', path, b'', 'Transfer-Encoding: chunked\\r\\n').replace(b'Content-Length: 0\\r\\n', b'')"
    code = "path = f'{PREFIX}/invocation/{current}/response'\n"
    body = "b'5\\r\\nhello\\r\\n' + b'1;ext=1\\r\\n!\\r\\n' + b'0\\r\\nTrailer: x\\r\\n\\r\\n'"
    assert agent.invoke(f"{code}client.send({chunked} + {body}); client.read()").text == "hello!"
    expect = """
client.send(message('POST', path, b'12345', 'Expect: 100-continue\\r\\n')[:-5])
while b'\\r\\n\\r\\n' not in client.buffer: client.more()
say(client.buffer)
client.buffer = b''
client.send(b'12345')
client.read()
"""
    assert agent.invoke(code + expect).text == "12345"
    agent.logged("HTTP/1.1 100 Continue")


def test_the_largest_response_is_an_answer(agent):
    assert len(agent.invoke(f"respond(b'x' * {LIMIT})").payload) == LIMIT


def test_a_response_that_is_too_large_is_refused_and_the_caller_told(agent):
    answer = agent.invoke(f"say(str(respond(b'x' * {LIMIT + 1})))")
    assert failure(answer) == ("Function.ResponseSizeTooLarge", TOO_LARGE)
    assert answer.report["errorType"] == "Function.ResponseSizeTooLarge"
    agent.logged("413")
    works(agent)


def test_an_endless_response_is_refused_while_it_is_still_being_sent():
    code = """
path = f'{PREFIX}/invocation/{current}/response'
head = message('POST', path, b'', 'Transfer-Encoding: chunked\\r\\n').replace(b'Content-Length: 0\\r\\n', b'')
client.send(head)
while True:
    client.send(b'10000\\r\\n' + b'x' * 65536 + b'\\r\\n')
"""
    with serving(timeout=1) as agent:
        agent.send(code)
        answer = agent.gateway.payload()
        assert answer.seconds < 0.8
        assert failure(answer) == ("Function.ResponseSizeTooLarge", TOO_LARGE)
        assert agent.gateway.end(answer).report["status"] == "timeout"
        works(agent)


def test_half_a_response_is_none():
    half = "message('POST', f'{PREFIX}/invocation/{current}/response', b'0123456789')[:-5]"
    with serving(timeout=1) as agent:
        answer = agent.invoke(
            f"other = Client(); other.send({half}); other.socket.close()\nimport time; time.sleep(9)"
        )
        assert failure(answer)[0] == "Sandbox.Timedout"
        works(agent)


# Ends


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
        assert 1 <= answer.seconds < 1.3
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
        assert answer.seconds < 0.5
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
        assert 1.0 <= answer.seconds < 1.5
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


# The log


def test_the_log_tells_an_invocation_from_the_next_and_both_from_init():
    with serving(environment={"INIT": "say('in init')"}) as agent:
        ids = []
        for n in range(2):
            ids.append(agent.send(f"say('in {n}'); respond(b'x')"))
            agent.gateway.end(agent.gateway.payload())
        eventually(lambda: len(agent.records) == 10)
        assert agent.messages(None) == ["INIT_START Runtime Version: scripted:1", "in init"]
        for n, request_id in enumerate(ids):
            start, said, end, report = agent.messages(request_id)
            assert start == f"START RequestId: {request_id} Version: $LATEST"
            assert (said, end) == (f"in {n}", f"END RequestId: {request_id}")
            assert report.startswith(f"REPORT RequestId: {request_id}\tDuration: ")


def test_text_and_telemetry_frames_stay_in_their_order(agent):
    frame = "bytes.fromhex('a55a0003') + len(m).to_bytes(4, 'big') + bytes(8) + m"
    code = f"m = b'framed\\nof two lines'; say('before'); os.write(3, {frame}); os.write(2, b'after'); respond(b'x')"
    request_id = agent.send(code)
    agent.gateway.end(agent.gateway.payload())
    agent.logged("END", request_id)
    assert agent.messages(request_id)[1:4] == ["before", "framed\nof two lines", "after"]


def test_what_is_written_last_still_belongs_to_the_invocation(agent):
    for n in range(20):
        request_id = agent.send(f"os.write(1, b'last {n}'); respond(b'x')", tail=True)
        answer = agent.gateway.end(agent.gateway.payload())
        assert answer.tail.decode().splitlines()[1] == f"last {n}"
        agent.logged("REPORT", request_id)
        assert agent.messages(request_id)[1] == f"last {n}"


def test_a_tail_runs_from_start_to_report(agent):
    request_id = agent.send("say('grüezi'); respond(b'x')", tail=True)
    answer = agent.gateway.end(agent.gateway.payload())
    agent.logged("REPORT", request_id)
    assert answer.tail.decode() == "\n".join([*agent.messages(request_id), ""])
    assert agent.invoke("respond(b'x')").tail is None


@pytest.mark.parametrize("shift", range(4))
def test_a_tail_is_the_last_four_kilobytes_in_whole_characters(agent, shift):
    answer = agent.invoke(f"say('x' * {shift} + '🦋' * 3000); respond(b'x')", tail=True)
    assert 4092 < len(answer.tail) <= 4096
    assert answer.tail.decode().startswith("🦋🦋")
    assert "\nREPORT RequestId: " in answer.tail.decode()


def test_in_the_json_format_the_platforms_lines_are_json():
    with serving(logFormat="JSON") as agent:
        agent.invoke("say('plain text stays'); respond(b'x')")
        agent.logged("platform.report")
        platform = [json.loads(line) for line in agent.messages() if line != "plain text stays"]
        assert [line["type"] for line in platform] == [
            "platform.initStart",
            "platform.start",
            "platform.report",
        ]
        assert platform[2]["record"]["metrics"]["initDurationMs"] > 0


# Figures


def test_init_counts_once_and_is_billed(agent):
    cold, warm = agent.invoke("respond(b'x')").report, agent.invoke("respond(b'x')").report
    assert cold["initMs"] > 1
    # What is billed is rounded up from the exact sum, of which each part is told rounded to 0.01 ms.
    told = cold["durationMs"] + cold["initMs"]
    assert told - 0.01 <= cold["billedMs"] < told + 1 + 0.01
    assert (warm["initMs"], warm["status"], warm["errorType"]) == (None, "success", None)


def test_memory_is_the_runtimes_real_peak(agent):
    small = agent.invoke("respond(b'x')").report["maxMemoryMb"]
    large = agent.invoke("x = bytearray(100 << 20); del x; respond(b'x')").report["maxMemoryMb"]
    assert 4 < small < 30
    assert 95 < large - small < 110


def test_memory_of_children_counts_and_what_they_share_counts_once(agent):
    code = """
import time
x = bytearray(60 << 20)
children = []
for _ in range(6):
    pid = os.fork()
    if not pid:
        y = bytearray(10 << 20)
        time.sleep(9)
    children.append(pid)
time.sleep(0.9)
for pid in children: os.kill(pid, 9)
for pid in children: os.waitpid(pid, 0)
respond(b'x')
"""
    assert 110 < agent.invoke(code).report["maxMemoryMb"] < 160


@pytest.mark.parametrize("where", ["", "if os.fork(): os.wait()\n"])
def test_more_memory_than_the_function_has_ends_it(agent, where):
    answer = agent.invoke(where + "import time; x = bytearray(300 << 20); time.sleep(2)")
    kind, message = failure(answer)
    assert kind == "Runtime.OutOfMemory"
    assert message.endswith(" Error: Runtime exited with error: signal: killed")
    assert answer.seconds < 1.5
    works(agent)


def test_too_much_memory_in_init_is_told_as_well():
    with serving(environment={"INIT": "import time; x = bytearray(300 << 20); time.sleep(2)"}) as agent:
        assert failure(agent.invoke("respond(b'never')"))[0] == "Runtime.OutOfMemory"
