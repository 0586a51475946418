"""Whatever user code does to its agent, its processes and its files: the caller is answered, the next call works."""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.component.agent_process import eventually, running, serving
from tests.component.pace import a_moment

STRAIGHT = "respond(b'x')"
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def agent():
    with serving(timeout=1) as agent:
        yield agent


def works(agent):
    answer = agent.invoke("respond(b'as ever')")
    assert answer.text == "as ever"
    return answer


def resident(agent):
    return psutil.Process(agent.process.pid).memory_info().rss / 1024 / 1024


# Processes


def test_two_hundred_children_in_every_kind_of_hiding_die_with_the_timeout(agent):
    code = f"""
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
for n in range(200):
    if os.fork() == 0:
        if n % 4 == 1: os.setsid()
        if n % 4 == 2: os.setpgid(0, 0)
        if n % 4 == 3:
            os.setsid()
            if os.fork(): os._exit(0)
        {SLEEP}
say('all there')
{SLEEP}
"""
    agent.send(code)
    agent.logged("all there")
    eventually(lambda: len(agent.survivors()) > 200)
    answer = agent.gateway.end(agent.gateway.payload())
    assert answer.error["errorType"] == "Sandbox.Timedout"
    assert answer.seconds < 1 + 2 * a_moment()
    assert agent.survivors() == []
    works(agent)


def test_children_that_outlive_the_runtime_die_before_the_next_one_starts(agent):
    code = f"if os.fork() == 0:\n    os.setsid()\n    {SLEEP}\nrespond(b'x'); os._exit(0)"
    agent.invoke(code)
    assert agent.survivors() == []
    works(agent)
    assert len(agent.survivors()) == 1


def test_children_that_hold_the_log_open_hold_up_nothing(agent):
    request_id = agent.send(
        f"say('said'); os.fork() or ({SLEEP.replace('import time; ', '')})\nos._exit(3)".replace(
            "time", "__import__('time')"
        )
    )
    answer = agent.gateway.end(agent.gateway.payload())
    assert answer.error["errorType"] == "Runtime.ExitError"
    assert answer.seconds < a_moment()
    agent.logged("REPORT", request_id)
    works(agent)


def test_a_process_that_forks_and_dies_without_end_is_caught(agent):
    code = """
while True:
    if os.fork(): os._exit(0)
    os.setsid()
"""
    agent.send(f"if os.fork():\n    {SLEEP}\n{code}")
    answer = agent.gateway.end(agent.gateway.payload())
    assert answer.error["errorType"] == "Sandbox.Timedout"
    works(agent)
    assert len(agent.survivors()) == 1


def test_orphans_that_end_by_themselves_are_buried(agent):
    code = """
for _ in range(300):
    if os.fork() == 0:
        os.fork()
        os._exit(0)
    os.wait()
respond(b'x')
"""
    assert agent.invoke(code).text == "x"
    children = eventually(lambda: psutil.Process(agent.process.pid).children())
    eventually(lambda: len(psutil.Process(agent.process.pid).children()) == 1)
    assert children


def test_a_runtime_that_stops_itself_is_timed_out(agent):
    answer = agent.invoke("import signal; os.kill(os.getpid(), signal.SIGSTOP)")
    assert answer.error["errorType"] == "Sandbox.Timedout"
    assert answer.seconds < 1 + a_moment()
    works(agent)


# Signals to the agent


def test_signals_to_the_agent_do_nothing(agent):
    code = """
import signal
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, 4, 5, 6, 7, 8, 11, 31}:
    os.kill(os.getppid(), number)
respond(b'alive')
"""
    assert agent.invoke(code).text == "alive"
    works(agent)
    assert agent.state() == "Idle"


def test_a_storm_of_signals_only_slows(agent):
    code = """
import signal
agent = os.getppid()
for _ in range(50_000): os.kill(agent, signal.SIGCHLD)
respond(b'alive')
os.kill(os.getpid(), 9)
"""
    assert agent.invoke(code).text == "alive"
    works(agent)


def test_a_stopped_agent_that_goes_on_answers_as_if_nothing_had_been(agent):
    stopped = psutil.Process(agent.process.pid)
    agent.send("import signal; os.kill(os.getppid(), signal.SIGSTOP); respond(b'x')")
    eventually(lambda: stopped.status() == psutil.STATUS_STOPPED)
    agent.process.send_signal(signal.SIGCONT)
    assert agent.gateway.end(agent.gateway.payload()).text == "x"
    works(agent)


def test_a_killed_agent_leaves_the_runtime_no_runtime_api_to_live_on():
    with serving(ends=False) as agent:
        agent.send("os.kill(os.getppid(), 9)")
        with pytest.raises(ConnectionError):
            agent.gateway.payload()
        assert agent.wait() == -signal.SIGKILL
        eventually(lambda: agent.survivors() == [])


# Files and descriptors


@pytest.mark.parametrize("what", ["shutil.rmtree(os.getcwd())", "os.remove('app.py')"])
def test_code_that_deletes_itself_goes_on_until_a_new_instance_must_take_over(what):
    with running() as agent:
        (agent.code / "app.py").touch()
        agent.specialise()
        works(agent)
        library = str(Path(os.__file__).parent)
        assert (
            agent.invoke(f"import sys; sys.path = [{library!r}]; import shutil; {what}; {STRAIGHT}").text
            == "x"
        )
        works(agent)
        agent.invoke("respond(b'x'); os._exit(1)")
        # Not an error for the caller: another instance can serve this call.
        agent.send("respond(b'never')")
        assert agent.gateway.whole().status == 503
        assert agent.wait() == 0


def test_a_runtime_without_descriptors_is_timed_out(agent):
    answer = agent.invoke(f"os.closerange(0, 4096); {SLEEP}")
    assert answer.error["errorType"] == "Sandbox.Timedout"
    works(agent)


def test_a_runtime_without_its_log_answers_all_the_same(agent):
    for code in (f"for n in (0, 1, 2, 3): os.close(n)\n{STRAIGHT}", STRAIGHT, STRAIGHT):
        assert agent.invoke(code).text == "x"


def test_a_runtime_that_breaks_its_pipes_flags_breaks_nothing_else(agent):
    code = "os.set_blocking(1, False); other = os.open('/proc/self/fd/1', os.O_RDWR) if os.path.exists('/proc') else 1"
    assert agent.invoke(f"{code}; {STRAIGHT}").text == "x"
    works(agent)


def test_connections_in_hundreds_leave_the_runtime_its_own(agent):
    code = "crowd = [socket.create_connection((HOST, int(PORT))) for _ in range(600)]"
    assert agent.invoke(f"{code}; {STRAIGHT}").text == "x"
    works(agent)
    assert agent.invoke(f"for one in crowd: one.close()\n{STRAIGHT}").text == "x"
    assert agent.invoke(f"client = Client(); {STRAIGHT}").text == "x"


def test_user_code_gets_nothing_from_the_control_socket(agent):
    code = f"""
control = socket.socket(socket.AF_UNIX)
control.connect({str(agent.path)!r})
other = Client()
other.socket.close()
other.socket = control
calls = [('POST', '/invoke'), ('POST', '/close'), ('POST', '/specialise'), ('GET', '/health')]
tell([other.call(method, path, b'{{}}')[0] for method, path in calls])
"""
    assert agent.invoke(code).text == "[401, 401, 409, 200]"
    works(agent)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="nothing is closed to root")
def test_user_code_cannot_look_into_its_agent(agent):
    code = """
refused = []
for name in ('mem', 'environ', 'fd/0', 'maps'):
    try:
        os.close(os.open(f'/proc/{os.getppid()}/{name}', os.O_RDONLY))
    except PermissionError:
        refused.append(name)
tell(refused)
"""
    assert agent.invoke(code).text == '["mem", "environ", "fd/0", "maps"]'


# The log


def test_two_hundred_megabytes_of_log_in_one_invocation():
    with serving(timeout=30) as agent:
        code = "line = b'x' * 999 + b'\\n'\nfor _ in range(3200): os.write(1, line * 64)\nrespond(b'x')"
        request_id = agent.send(code, tail=True)
        answer = agent.gateway.end(agent.gateway.payload())
        assert (answer.text, len(answer.tail)) == ("x", 4096)
        agent.logged("REPORT", request_id)
        lines = agent.messages(request_id)
        assert len(lines) == 3200 * 64 + 3
        assert set(lines[1:-2]) == {"x" * 999}
        assert resident(agent) < 40
        works(agent)


@pytest.mark.parametrize(
    "what",
    ["b'x' * 99 + b'\\n'", "b'\\n'", "b'\\xff'", "b'\\0' * 99 + b'\\n'", "b'\\xa5\\x5a\\x00\\x03\\xff'"],
)
def test_a_flood_that_nobody_reads_delays_no_timeout_and_fills_no_memory(what):
    with serving(timeout=1, read_log=False) as agent:
        works(agent)
        answer = agent.invoke(f"flood = ({what}) * 4096\nwhile True: os.write(1, flood)")
        assert answer.error["errorType"] == "Sandbox.Timedout"
        assert 1 <= answer.seconds < 1 + a_moment()
        for _ in range(20):
            assert agent.invoke(f"os.write(1, b'\\xff' * 60000); {STRAIGHT}").text == "x"
        assert resident(agent) < 40
        agent.read_log()
        agent.logged("messages were lost here" if what == "b'\\xff'" else "REPORT")
        works(agent)


def test_a_flood_that_is_read_delays_no_timeout(agent):
    answer = agent.invoke("flood = (b'x' * 99 + b'\\n') * 640\nwhile True: os.write(1, flood)", tail=True)
    assert 1 <= answer.seconds < 1 + a_moment()
    assert len(answer.tail) <= 4096
    assert b"Task timed out" in answer.tail
    works(agent)


# Freezing


def test_between_invocations_nothing_runs(agent):
    code = """
if os.fork() == 0:
    os.setsid()
    import time
    while True: time.sleep(0.001)
respond(b'x')
"""
    agent.invoke(code)
    eventually(lambda: {one.status() for one in agent.survivors()} == {psutil.STATUS_STOPPED})
    agent.send("import time; time.sleep(0.2); respond(b'x')")
    eventually(lambda: psutil.STATUS_STOPPED not in {one.status() for one in agent.survivors()})
    agent.gateway.end(agent.gateway.payload())
    eventually(lambda: {one.status() for one in agent.survivors()} == {psutil.STATUS_STOPPED})


def test_an_invocation_that_comes_just_as_the_instance_freezes_is_served(agent):
    slow = []
    for n in range(150):
        agent.send(STRAIGHT)
        slow.append(agent.gateway.end(agent.gateway.payload()).seconds)
        # From 9 to 12 ms: around the moment at which the tree is stopped.
        until = time.monotonic() + 0.009 + n % 30 / 10_000
        while time.monotonic() < until:
            pass
    assert max(slow) < 0.5


def test_a_frozen_instance_can_be_closed_and_killed():
    for end in ("close", "gateway gone"):
        with serving() as agent:
            works(agent)
            eventually(
                lambda agent=agent: {one.status() for one in agent.survivors()} == {psutil.STATUS_STOPPED}
            )
            if end == "close":
                assert agent.close().status == 202
                assert agent.wait() == 0


def test_a_runtime_that_is_killed_while_it_is_frozen_is_replaced(agent):
    works(agent)
    (runtime,) = agent.survivors()
    eventually(lambda: runtime.status() == psutil.STATUS_STOPPED)
    runtime.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        runtime.wait(5)
    works(agent)
