"""The log of an instance, and the figures of its invocations."""

import json

import pytest
from tests.component.agent_process import eventually, failure, serving, works
from tests.component.pace import a_moment


@pytest.fixture
def agent():
    with serving() as agent:
        yield agent


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


def test_what_a_handler_raised_is_told_beside_the_type_that_aws_reports(agent):
    raised = agent.invoke("""fail(b'{"errorType": "KeyError", "errorMessage": "x"}')""").report
    assert (raised["status"], raised["errorType"], raised["raised"]) == (
        "error",
        "Runtime.Unknown",
        "KeyError",
    )
    assert agent.invoke("respond(b'x')").report["raised"] is None


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
    assert answer.seconds < 1 + a_moment()
    works(agent)


def test_too_much_memory_in_init_is_told_as_well():
    with serving(environment={"INIT": "import time; x = bytearray(300 << 20); time.sleep(2)"}) as agent:
        assert failure(agent.invoke("respond(b'never')"))[0] == "Runtime.OutOfMemory"
