"""User code against its agent where both are in a container: one user, one network, and the agent is PID 1.

The tests that hold for any agent are run once more as PID 1: what ends a function there is another way.
"""

import contextlib
import json
import os
import signal
import socket
import time

import psutil
import pytest
from tests.component.agent_process import eventually, head
from tests.component.pod_agent import SIGNER, FirstProcess, can_be_first, pod
from tests.component.test_agent_survives_user_code import (  # noqa: F401
    test_a_process_that_forks_and_dies_without_end_is_caught,
    test_a_runtime_that_is_killed_while_it_is_frozen_is_replaced,
    test_a_runtime_that_stops_itself_is_timed_out,
    test_a_runtime_without_descriptors_is_timed_out,
    test_a_storm_of_signals_only_slows,
    test_an_invocation_that_comes_just_as_the_instance_freezes_is_served,
    test_between_invocations_nothing_runs,
    test_children_that_hold_the_log_open_hold_up_nothing,
    test_children_that_outlive_the_runtime_die_before_the_next_one_starts,
    test_connections_in_hundreds_leave_the_runtime_its_own,
    test_signals_to_the_agent_do_nothing,
    test_two_hundred_children_in_every_kind_of_hiding_die_with_the_timeout,
)

SLEEP = "import time; time.sleep(60)"
CONTROL = """
def control(method, path, headers='', body=b''):
    other = Client()
    other.socket.close()
    other.socket = socket.create_connection(('127.0.0.1', 8080))
    return other.call(method, path, body, headers)[0]
"""


@pytest.fixture(scope="session")
def namespaces():
    if not can_be_first():
        pytest.skip("only root makes namespaces")


@pytest.fixture
def agent(namespaces):
    with pod(kind=FirstProcess) as agent:
        agent.become(timeout=1)
        yield agent


def works(agent):
    assert agent.invoke("respond(b'as ever')").text == "as ever"


def test_the_agent_is_first_and_without_privileges(agent):
    assert agent.invoke("tell([os.getppid(), os.getuid()])").text == "[1, 1000]"


# Looking into it.


def test_nothing_of_the_agent_can_be_read(agent):
    names = [
        "environ",
        "mem",
        "maps",
        "fd",
        "fd/1",
        "fd/0",
        "cwd",
        "exe",
        "io",
        "syscall",
        "task/1/mem",
        "auxv",
    ]
    code = f"""
refused = []
for name in {names!r}:
    for look in (os.readlink, os.listdir, lambda path: os.open(path, os.O_RDWR), lambda path: open(path, 'rb').read()):
        try:
            look('/proc/1/' + name)
        except PermissionError:
            refused.append(name)
        except OSError:
            pass
        else:
            break
tell([name for name in {names!r} if name not in refused])
"""
    assert agent.invoke(code).text == "[]"


def test_the_agent_cannot_be_traced_nor_its_descriptors_taken(agent):
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
tried = {}
def attempt(name, *arguments):
    tried[name] = (getattr(libc, name)(*arguments), ctypes.get_errno())
attempt('ptrace', 16, 1, 0, 0)
attempt('ptrace', 0x4206, 1, 0, 0)
buffer = ctypes.create_string_buffer(64)
class Vector(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
there, here = Vector(0x400000, 64), Vector(ctypes.addressof(buffer), 64)
attempt('process_vm_readv', 1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
first = os.pidfd_open(1)
tried['pidfd_getfd'] = (libc.syscall(438, first, 1, 0), ctypes.get_errno())
tell(tried)
"""
    tried = json.loads(agent.invoke(code).payload)
    assert set(map(tuple, tried.values())) == {(-1, 1)}, tried
    assert len(tried) == 3


# Signals.


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT]
)
def test_no_signal_from_inside_moves_it(agent, number):
    agent.invoke(f"[os.kill(1, {int(number)}) for _ in range(100)]; respond(b'x')")
    works(agent)
    assert agent.state() == "Idle"
    assert psutil.Process(agent.pid).status() != psutil.STATUS_STOPPED


def test_who_kills_everything_kills_itself_alone(agent):
    assert agent.invoke("os.kill(-1, 9)").error["errorType"] == "Runtime.ExitError"
    works(agent)


def test_the_kubelets_signal_finishes_what_runs_and_ends_it(namespaces):
    with pod(kind=FirstProcess, ends=False) as agent:
        agent.become()
        agent.send("import time\nwhile not os.path.exists('gate'): time.sleep(0.001)\nrespond(b'mine')")
        eventually(lambda: agent.state() == "Busy")
        os.kill(agent.pid, signal.SIGTERM)
        eventually(lambda: agent.state() == "Closing")
        (agent.code / "gate").touch()
        assert agent.gateway.end(agent.gateway.payload()).text == "mine"
        assert agent.wait() == 0


def test_the_kubelets_signal_ends_a_bare_agent(namespaces):
    with pod(kind=FirstProcess, ends=False) as agent:
        os.kill(agent.pid, signal.SIGTERM)
        assert agent.wait() == 0
        assert (agent.home / "trouble").read_text() == ""


# Processes.


def test_orphans_are_buried(namespaces):
    code = """
for _ in range(300):
    if os.fork() == 0:
        os.setsid()
        os.fork()
        os._exit(0)
    os.wait()
respond(b'x')
"""
    with pod(kind=FirstProcess) as agent:
        agent.become(timeout=60)
        assert agent.invoke(code).text == "x"
        first = psutil.Process(agent.pid)
        eventually(lambda: len(first.children(recursive=True)) == 1)


def test_a_bomb_of_forks_ends_with_the_timeout(agent):
    # Bounded in a pod by its cgroup, and here by the test: it is not the machine that is tested.
    code = """
import resource
resource.setrlimit(resource.RLIMIT_NPROC, (400, 400))
while True:
    try:
        os.fork()
        os.setsid()
    except OSError:
        pass
"""
    agent.send(code)
    answer = agent.gateway.end(agent.gateway.payload())
    assert answer.error["errorType"] == "Sandbox.Timedout"
    assert answer.seconds < 5
    works(agent)
    assert len(agent.survivors()) == 1


def test_when_memory_runs_out_the_function_goes_before_the_agent(agent):
    assert agent.invoke("respond(open('/proc/self/oom_score_adj').read().strip().encode())").text == "1000"


# Its port.


def test_no_call_from_inside_gets_anything_but_refusals(agent):
    code = f"""{CONTROL}
answers = []
for value in ('', 'Basic x', 'Bearer', 'Bearer None', 'Bearer x.y.z'):
    token = f'Authorization: {{value}}\\r\\n' if value else ''
    for path in ('/invoke', '/adopt', '/close', '/specialise'):
        answers.append(control('POST', path, token, b'{{}}'))
tell([sorted(set(answers)), control('GET', '/health')])
"""
    assert agent.invoke(code).text == "[[401], 200]"
    works(agent)


def test_a_permit_that_was_used_is_of_no_use_again(agent):
    body = agent.instruction(None)
    permit = SIGNER.permit(agent.uid, body)
    code = f"""{CONTROL}
tell(control('POST', '/specialise', 'Authorization: Bearer {permit}\\r\\n', {body!r}))
"""
    assert agent.invoke(code).text == "409"
    works(agent)


CROWD = f"""
import resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
def crowd(source, words):
    while True:
        held = []
        try:
            while len(held) < 900:
                one = socket.create_connection((source or '127.0.0.1', 8080), timeout=0.5, source_address=(source, 0))
                one.sendall(words)
                held.append(one)
        except OSError:
            pass
sources = %r
for words in (b'', b'POST /invoke HTTP/1.1\\r\\nX', b'GET /health HTTP/1.1\\r\\n\\r\\n' * 20):
    for source in sources:
        os.fork() or crowd(source, words)
respond(b'x')
{SLEEP}
"""


def test_a_crowd_from_inside_does_not_keep_the_gateway_out(namespaces):
    with pod(kind=FirstProcess) as agent:
        agent.become(timeout=5)
        agent.send(CROWD % (["", "127.0.0.1", agent.guest],))
        answer = agent.gateway.payload()
        assert answer.text == "x"
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            with contextlib.closing(agent.connect()) as other:
                lines = {**agent.bearer(), "Content-Length": "0", "Lambda-Runtime-Aws-Request-Id": "1"}
                other.send(head("POST", "/invoke", lines))
                assert other.whole().status == 409
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1
        # The connection that was there before has outlived all of it.
        assert agent.gateway.end(answer).report["status"] == "timeout"
        works(agent)


def test_a_stranger_from_elsewhere_is_dropped_when_others_come_and_the_gateway_is_not(agent):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(socket.create_connection(agent.address))
        for _ in range(64):
            stack.enter_context(socket.create_connection(agent.address))
        first.settimeout(5)
        assert first.recv(1) == b""
        works(agent)
    works(agent)
