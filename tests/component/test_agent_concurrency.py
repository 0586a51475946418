"""Several invocations at once in one instance, with the stock Python client and its forked workers."""

import contextlib
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.component.agent_process import eventually, running
from tests.component.pace import a_moment

WORKERS = 3
HANDLER = """
import os, time
print("imported by", os.getpid())

def handler(event, context):
    print(event["say"], context.aws_request_id)
    if event["do"] == "meet":
        open(event["say"], "w").close()
        while len([name for name in os.listdir() if name.startswith("met")]) < 3:
            time.sleep(0.001)
        print("after", event["say"])
    if event["do"] == "nap":
        time.sleep(0.03)
    if event["do"] == "die":
        os._exit(1)
    if event["do"] == "last":
        os.kill(os.getppid(), 9)
        time.sleep(9)
    return [event["say"], os.getpid()]
"""


@contextlib.contextmanager
def stock(code=HANDLER, *, tmp=None, **changes):
    with running() as agent:
        (agent.code / "app.py").write_text(code)
        environment = {
            "_HANDLER": "app.handler",
            "AWS_LAMBDA_MAX_CONCURRENCY": str(WORKERS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": tmp or str(agent.home),
        }
        command = [sys.executable, "-m", "awslambdaric", "app.handler"]
        agent.specialise(command=command, environment=environment, maxConcurrency=WORKERS, **changes)
        yield agent


@pytest.fixture
def agent():
    with stock() as agent:
        yield agent


def call(agent, do, say="x"):
    with contextlib.closing(agent.connect()) as gateway:
        return agent.invoke(json.dumps({"do": do, "say": say}), gateway=gateway)


def at_once(agent, events):
    with ThreadPoolExecutor(len(events)) as pool:
        return list(pool.map(lambda event: call(agent, *event), events))


def test_as_many_run_at_once_as_there_are_workers(agent):
    events = [("meet", f"met{n}") for n in range(WORKERS)]
    answers = at_once(agent, events)
    told = [json.loads(answer.text) for answer in answers]
    assert [say for say, _ in told] == [say for _, say in events]
    assert len({pid for _, pid in told}) == WORKERS
    assert sum(answer.report["initMs"] is not None for answer in answers) == 1


def test_one_more_than_the_workers_is_refused(agent):
    call(agent, "echo")
    connections = [agent.connect() for _ in range(WORKERS + 1)]
    for n, gateway in enumerate(connections[:WORKERS]):
        agent.send(json.dumps({"do": "meet", "say": f"not yet {n}"}), gateway=gateway)
    eventually(lambda: len(list(agent.code.glob("not yet*"))) == WORKERS)
    agent.send("{}", gateway=connections[-1])
    assert connections[-1].whole().status == 409
    for n in range(WORKERS):
        (agent.code / f"met{n}").touch()
    for gateway in connections:
        if gateway is not connections[-1]:
            gateway.end(gateway.payload())
        gateway.close()


def test_each_line_stays_whole_and_belongs_to_its_invocation(agent):
    at_once(agent, [("meet", f"met{n}") for n in range(WORKERS)])
    for n in range(WORKERS):
        line = agent.logged(f"met{n} ")
        request_id = line.split()[1]
        agent.logged("REPORT", request_id)
        said = [text for text in agent.messages(request_id) if "met" in text]
        assert said == [f"met{n} {request_id}", f"after met{n}"]
    # A worker may still have been importing while the first one served.
    assert len([text for text in agent.messages() if re.fullmatch(r"imported by \d+", text)]) == WORKERS


def test_where_no_streams_can_be_had_the_workers_share_one():
    with stock(tmp="/nowhere") as agent:
        assert json.loads(call(agent, "echo").text)[0] == "x"


def test_an_init_error_of_all_workers_is_told_once_and_the_instance_goes_on():
    with stock("import nothing_of_this_name\n") as agent:
        for _ in range(2):
            answer = call(agent, "echo")
            assert answer.error["errorType"] == "Runtime.ImportModuleError"


def test_after_a_worker_died_its_caller_is_told_and_all_workers_come_back():
    with stock(function={"name": "f", "version": "1", "memorySize": 256, "timeout": 1}) as agent:
        call(agent, "echo")
        assert call(agent, "die").error["errorType"] == "Sandbox.Timedout"
        assert len(at_once(agent, [("meet", f"met{n}") for n in range(WORKERS)])) == WORKERS


def test_after_their_parent_died_everything_is_begun_anew(agent):
    call(agent, "echo")
    answer = call(agent, "last")
    assert answer.error["errorType"] == "Runtime.ExitError"
    assert answer.seconds < 2 * a_moment()
    assert json.loads(call(agent, "echo").text)[0] == "x"


def test_nothing_is_frozen_while_anything_runs(agent):
    # All workers come to rest at different moments; the next invocation begins before and ends after each of them.
    at_once(agent, [("meet", f"met{n}") for n in range(WORKERS)])
    slow = []
    for _ in range(10):
        at_once(agent, [("echo", "x")] * WORKERS)
        slow.append(call(agent, "nap").seconds)
    assert max(slow) < 0.5
