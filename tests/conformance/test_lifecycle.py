"""INIT, INVOKE, SHUTDOWN, and what happens in between: failures, fresh starts, and nothing at all."""

import re
import signal
import time

import psutil
import pytest
from tests.conformance.functions import TOLD, declare, declare_on_each
from tests.conformance.runtimes import ALL, PROVIDED, PYTHON, on, on_each
from tests.conformance.waiting import at_once, eventually

HANGING_ONCE = declare("hangs-once-at-import", handler="hangs_once_at_import.handler", timeout=5)
HANGING = declare(
    "hangs-at-import",
    handler="slow_import.handler",
    timeout=1,
    environment={"variables": {"IMPORT_SECONDS": "600"}},
)
SLOW = declare(
    "is-slow-to-import",
    handler="slow_import.handler",
    timeout=1,
    environment={"variables": {"IMPORT_SECONDS": "1.5"}},
)
CRASHING_ONCE = declare("crashes-once-at-import", handler="crashes_once_at_import.handler")
RAISING = declare("raises-at-every-import", handler="raises_at_import.handler")
COUNTERS = declare_on_each(
    "counts-on", among=[runtime for runtime in ALL if runtime.family in ("python", "nodejs")]
)
NOTING = declare("survives-its-crash", timeout=2)
TICKING = declare("ticks-in-the-background", timeout=10)
LEAVING = declare("leaves-children-behind")
ASKED = declare("is-asked-to-end", keepAlive=0, handler="more.on_sigterm")
STUBBORN = declare("stays-when-asked-to-end", keepAlive=0, handler="more.on_sigterm")
KEPT = declare("is-kept-for-a-second", keepAlive=1, handler="app.counter")
TIMED_OUT_INIT = re.compile(r"INIT_REPORT Init Duration: 1\d{4}\.\d\d ms\tPhase: init\tStatus: timeout")
INIT_TIME = 10.0
GRACE = 4.0


@pytest.mark.long
def test_an_init_that_takes_too_long_is_done_once_more_inside_the_first_invocation(mayfly):
    second_time, never = at_once(
        [lambda: mayfly.invoke(HANGING_ONCE, {}), lambda: mayfly.invoke(HANGING, {})]
    )
    assert (second_time.json, second_time.error) == ("second time", None)
    assert INIT_TIME <= second_time.seconds < INIT_TIME + GRACE
    # Inside of the invocation it is limited by the function's timeout.
    message = f"RequestId: {never.request_id} Error: Task timed out after 1.00 seconds"
    assert never.json == {"errorType": "Sandbox.Timedout", "errorMessage": message}
    assert INIT_TIME + 1.0 <= never.seconds < INIT_TIME + 1.0 + GRACE
    eventually(lambda: any(TIMED_OUT_INIT.match(record["message"]) for record in mayfly.log(HANGING_ONCE)))


def test_an_init_may_take_longer_than_the_functions_timeout_and_is_no_part_of_the_duration(mayfly):
    answer = mayfly.invoke(SLOW, {}, tail=True)
    assert (answer.json, answer.error) == ("imported", None)
    assert answer.seconds >= 1.5
    report = answer.log.splitlines()[-1]
    assert float(re.search(r"\tInit Duration: ([\d.]+) ms", report)[1]) >= 1500
    assert float(re.search(r"\tDuration: ([\d.]+) ms", report)[1]) < 1000


def test_an_init_error_is_the_answer_of_the_invocation_that_waited_for_it(mayfly):
    answer = mayfly.invoke(RAISING, {})
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", "ZeroDivisionError")


def test_after_a_failed_init_the_next_invocation_tries_again(mayfly):
    first, second, third = (mayfly.invoke(CRASHING_ONCE, {}) for _ in range(3))
    assert (first.error, first.json["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert [(answer.json, answer.error) for answer in (second, third)] == [("second time", None)] * 2


@on(*(runtime for runtime in ALL if runtime.key in COUNTERS))
def test_an_instance_keeps_its_runtime_from_invocation_to_invocation(mayfly, runtime):
    counted = [mayfly.invoke(COUNTERS[runtime.key], {"do": "counter"}).json for _ in range(3)]
    assert [each["calls"] for each in counted] == [1, 2, 3]
    assert len({each["pid"] for each in counted}) == 1


def test_an_error_of_the_handler_leaves_the_runtime_alone(mayfly):
    function = COUNTERS[PYTHON.key]
    before = mayfly.invoke(function, {"do": "counter"}).json
    assert mayfly.invoke(function, {"do": "raise_error"}).error == "Unhandled"
    assert mayfly.invoke(function, {"do": "counter"}).json["calls"] == before["calls"] + 1


@pytest.mark.parametrize(
    "event",
    [{"do": "exit", "status": 1}, {"do": "kill_self"}, {"do": "sleep", "seconds": 30}],
    ids=["exit", "kill", "timeout"],
)
def test_after_a_crash_a_fresh_runtime_starts_in_the_same_environment(mayfly, event):
    note = f"note{time.monotonic_ns()}"
    before = mayfly.invoke(NOTING, {"do": "counter"}).json
    assert note in mayfly.invoke(NOTING, {"do": "remembers_files", "name": note}).json["tmp"]
    assert mayfly.invoke(NOTING, event).error == "Unhandled"
    after = mayfly.invoke(NOTING, {"do": "counter"}).json
    assert (after["calls"], after["stream"]) == (1, before["stream"])
    assert after["pid"] != before["pid"]
    assert note in mayfly.invoke(NOTING, {"do": "remembers_files", "name": "again"}).json["tmp"]


@pytest.mark.parametrize("then", [None, {"do": "exit", "status": 1}], ids=["in peace", "before a crash"])
def test_children_of_an_invocation_end_with_the_runtime_and_not_before(mayfly, tmp_path, then):
    noted = tmp_path / "pids"
    mayfly.invoke(LEAVING, {"do": "grandchildren", "path": str(noted), "seconds": 0})
    pids = [int(pid) for pid in noted.read_text().split()]
    assert all(psutil.pid_exists(pid) for pid in pids)
    if then is None:
        assert mayfly.invoke(LEAVING, "again").json == "again"
        assert all(psutil.pid_exists(pid) for pid in pids)
        then = {"do": "kill_self"}
    assert mayfly.invoke(LEAVING, then).error
    assert mayfly.invoke(LEAVING, "again").json == "again"
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_between_invocations_nothing_runs(mayfly):
    mayfly.invoke(TICKING, {"do": "start_ticking"})
    pid = mayfly.invoke(TICKING, {"do": "counter"}).json["pid"]
    process = psutil.Process(pid)
    # Frozen soon after the answer, every thread of it; what it did until then is over before the pause begins.
    eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    began = time.time()
    eventually(lambda: time.time() > began + 0.3)
    ended = time.time()
    ticks = mayfly.invoke(TICKING, {"do": "tell_ticks"}).json
    assert [tick for tick in ticks if tick < began]
    assert not [tick for tick in ticks if began < tick < ended]


@on_each
def test_every_runtime_thaws_for_its_next_invocation(mayfly, runtime):
    function = TOLD[runtime.key]
    mayfly.invoke(function, runtime.echo(1))
    local = mayfly.local(function)
    eventually(lambda: not [each for each in busy_agents(local) if not_frozen(each)])
    assert mayfly.invoke(function, runtime.echo(2)).json == 2


def busy_agents(local):
    """The agents that are a function's: a runtime that waits for one is in no folder yet."""
    return [
        agent for agent in local.process.children() if any(each.cwd() != "/" for each in agent.children())
    ]


def not_frozen(agent):
    return [child for child in agent.children(recursive=True) if child.status() not in ("stopped", "zombie")]


def test_the_runtime_is_asked_to_end_before_it_is_ended(mayfly, tmp_path):
    asked = tmp_path / "asked"
    pid = mayfly.invoke(ASKED, {"path": str(asked)}).json
    eventually(lambda: not psutil.pid_exists(pid))
    assert asked.exists()


def test_a_runtime_that_stays_is_ended_after_two_seconds(mayfly, tmp_path):
    asked = tmp_path / "asked"
    pid = mayfly.invoke(STUBBORN, {"path": str(asked), "stays": True}).json
    eventually(asked.exists)
    eventually(lambda: not psutil.pid_exists(pid))
    lived_on = time.time() - float(asked.read_text())
    assert 2.0 <= lived_on < 2.0 + GRACE


def test_an_idle_instance_is_kept_for_its_keep_alive_and_then_gone(mayfly):
    pid = mayfly.invoke(KEPT, {}).json["pid"]
    answered = time.monotonic()
    assert mayfly.invoke(KEPT, {}).json["pid"] == pid
    eventually(lambda: not psutil.pid_exists(pid))
    assert time.monotonic() - answered >= 1.0
    assert mayfly.invoke(KEPT, {}).json["calls"] == 1


def test_a_stopped_runtime_times_out_like_any_other(mayfly):
    answer = mayfly.invoke(NOTING, {"do": "kill_self", "signal": signal.SIGSTOP.name})
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert answer.seconds >= 2.0
    assert mayfly.invoke(NOTING, "again").json == "again"


@on(PROVIDED)
def test_a_program_that_is_no_program_is_an_invalid_entrypoint(mayfly, runtime):
    answer = mayfly.invoke(NO_PROGRAM, {})
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", "Runtime.InvalidEntrypoint")


NO_PROGRAM = declare("is-no-program", on=PROVIDED, code={"inline": {"bootstrap": "#!/nowhere/at/all\n"}})
