"""`X-Amz-Log-Type: Tail`: the last 4 KB of the invocation's log, from START to REPORT."""

import base64
import re

import pytest
from tests.conformance.functions import TOLD, declare
from tests.conformance.runtimes import ALL, PYTHON, on
from tests.conformance.waiting import at_once

LIMIT = 4096
PRINTING = [runtime for runtime in ALL if runtime.family != "provided"]
TIMING_OUT = declare("times-out-with-a-tail", timeout=1)
COLD = declare("is-cold-with-a-tail", handler="app.echo")
EXITING = declare("exits-at-import-with-a-tail", handler="exits_at_import.handler")
REPORT = re.compile(r"REPORT RequestId: \S+\tDuration: .*")


def print_event(runtime, lines):
    return runtime.event("print", lines=lines, message="\n".join(lines))


@on(*PRINTING)
def test_a_tail_runs_from_start_to_report(mayfly, runtime):
    answer = mayfly.invoke(
        TOLD[runtime.key], print_event(runtime, ["one croissant", "two croissants"]), tail=True
    )
    first, *between, end, report = answer.log.splitlines()
    assert first == f"START RequestId: {answer.request_id} Version: $LATEST"
    assert [line.rpartition("\t")[2] for line in between if "croissant" in line] == [
        "one croissant",
        "two croissants",
    ]
    assert end == f"END RequestId: {answer.request_id}"
    assert report.startswith(f"REPORT RequestId: {answer.request_id}\tDuration: ")
    assert answer.log.endswith("\n")


def test_a_cold_calls_tail_begins_with_start_all_the_same(mayfly):
    log = mayfly.invoke(COLD, {}, tail=True).log
    assert log.startswith("START ")
    assert "INIT_START" not in log
    assert "Init Duration: " in log


@on(*PRINTING)
def test_a_tail_holds_the_last_four_kilobytes(mayfly, runtime):
    lines = [f"line {number:04}" for number in range(2000)]
    answer = mayfly.invoke(TOLD[runtime.key], print_event(runtime, lines), tail=True)
    tail = base64.b64decode(answer.headers["x-amz-log-result"])
    assert len(tail) <= LIMIT
    kept = re.findall(r"line \d{4}", tail.decode(errors="replace"))
    assert kept == lines[-len(kept) :]
    assert len(tail) > LIMIT * 0.9
    assert REPORT.match(tail.decode(errors="replace").splitlines()[-1])


def test_nobody_gets_a_tail_who_did_not_ask_for_one(mayfly):
    told = TOLD[PYTHON.key]
    answers = [
        mayfly.invoke(told, {}),
        mayfly.invoke(told, {}, LogType="None"),
        mayfly.invoke(told, {"do": "raise_error"}),
    ]
    assert not any("x-amz-log-result" in answer.headers for answer in answers)


def test_an_unknown_log_type_is_refused(mayfly):
    answer = mayfly.post(TOLD[PYTHON.key].name, b"{}", {"X-Amz-Log-Type": "Head"})
    assert (answer.status, answer.error_code) == (400, "ValidationException")


def test_a_dry_run_has_no_tail(mayfly):
    answer = mayfly.invoke(TOLD[PYTHON.key], {}, InvocationType="DryRun", tail=True)
    assert answer.status == 204
    assert "x-amz-log-result" not in answer.headers


@pytest.mark.parametrize(
    ("function", "event", "status"),
    [
        (TOLD[PYTHON.key], {"do": "raise_error"}, "error\tError Type: Runtime.Unknown"),
        (TOLD[PYTHON.key], {"do": "exit", "status": 1}, "error\tError Type: Runtime.ExitError"),
        (TOLD[PYTHON.key], {"do": "oom"}, "error\tError Type: Runtime.OutOfMemory"),
        (TIMING_OUT, {"do": "sleep", "seconds": 30}, "timeout"),
        (EXITING, {}, "error\tError Type: Runtime.ExitError"),
    ],
    ids=["raises", "exits", "out of memory", "times out", "exits at import"],
)
def test_a_failed_call_has_its_tail_as_well(mayfly, function, event, status):
    answer = mayfly.invoke(function, event, tail=True)
    assert answer.error == "Unhandled"
    lines = answer.log.splitlines()
    assert lines[0] == f"START RequestId: {answer.request_id} Version: $LATEST"
    assert lines[-2] == f"END RequestId: {answer.request_id}"
    assert REPORT.match(lines[-1])
    assert lines[-1].endswith(f"\tStatus: {status}")


def test_a_tail_holds_nothing_of_another_call(mayfly):
    told = TOLD[PYTHON.key]
    events = [{"do": "prints", "lines": [f"from {number}"]} for number in range(8)]
    answers = at_once([lambda event=event: mayfly.invoke(told, event, tail=True) for event in events])
    for number, answer in enumerate(answers):
        assert re.findall(r"from \d", answer.log) == [f"from {number}"]
        assert set(re.findall(r"RequestId: (\S+)", answer.log)) == {answer.request_id}


def test_a_tail_is_text_in_utf_8(mayfly):
    answer = mayfly.invoke(TOLD[PYTHON.key], {"do": "unicode"}, tail=True)
    assert "grüezi, こんにちは 🦋" in answer.log.splitlines()
