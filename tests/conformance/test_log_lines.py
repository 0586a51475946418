"""The log as people read it: the platform's lines to the letter, and the function's own, each with its request."""

import json
import math
import re

import pytest
from tests.conformance.functions import TOLD, declare, declare_on_each
from tests.conformance.runtimes import ALL, NODES, PYTHONS, on, on_each_node, on_each_python, present
from tests.conformance.waiting import eventually

VERSIONS = {
    "python": r"python:3\.\d+\.\d+", "nodejs": r"nodejs:20\.\d+\.\d+", "provided": r"provided:al2023",
    "go": r"provided:al2023",
}  # fmt: skip
FRESH = declare_on_each("logs-its-start")
SLOW = declare(
    "logs-its-init", handler="slow_import.handler", environment={"variables": {"IMPORT_SECONDS": "0.2"}}
)
TIMING_OUT = declare("logs-its-timeout", timeout=1)
RAISING = declare("logs-its-import-error", handler="raises_at_import.handler")
IN_JSON = declare_on_each("logs-json-on", among=[*PYTHONS, *NODES], loggingConfig={"logFormat": "JSON"})
AT_ALL_LEVELS = declare_on_each("logs-json-by-level-on", among=PYTHONS, loggingConfig={"logFormat": "JSON"})
JSON_TIMING_OUT = declare("logs-json-timeout", timeout=1, loggingConfig={"logFormat": "JSON"})
PLAIN = declare("logs-plainly")
REPORT = re.compile(
    r"REPORT RequestId: (?P<id>[0-9a-f-]{36})\tDuration: (?P<duration>\d+\.\d\d) ms"
    r"\tBilled Duration: (?P<billed>\d+) ms\tMemory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB"
    r"(\tInit Duration: (?P<init>\d+\.\d\d) ms)?\t(?P<failure>Status: timeout|Status: error\tError Type: \S+)?"
)


def report_of(answer):
    """The figures of the REPORT line of a log tail."""
    report = REPORT.fullmatch(answer.log.splitlines()[-1])
    assert report, answer.log
    assert report["id"] == answer.request_id
    return report


def records_of(mayfly, function, answer):
    """The whole log of a call, once its REPORT is there."""

    def whole():
        records = [each for each in mayfly.log(function) if each["requestId"] == answer.request_id]
        return records if records and re.match(r"REPORT|.*platform.report", records[-1]["message"]) else None

    return eventually(whole)


@pytest.mark.parametrize("runtime", present(ALL), ids=str)
def test_a_start_is_logged_with_the_runtimes_version(mayfly, runtime):
    function = FRESH[runtime.key]
    answer = mayfly.invoke(function, runtime.echo({}))
    records_of(mayfly, function, answer)
    first = mayfly.log(function)[0]
    assert re.fullmatch(rf"INIT_START Runtime Version: {VERSIONS[runtime.family]}\S*", first["message"])
    assert first["requestId"] is None


def test_an_invocation_is_logged_from_start_to_report(mayfly):
    answer = mayfly.invoke(PLAIN, {"do": "prints", "lines": ["one", "two"]})
    messages = [record["message"] for record in records_of(mayfly, PLAIN, answer)]
    assert messages[0] == f"START RequestId: {answer.request_id} Version: $LATEST"
    assert messages[1:4] == ["one", "two", "to stderr"]
    assert messages[4] == f"END RequestId: {answer.request_id}"
    assert REPORT.fullmatch(messages[5])
    assert len(messages) == 6


def test_a_report_ends_with_a_tab_and_a_newline(mayfly):
    log = mayfly.invoke(PLAIN, {}, tail=True).log
    assert re.search(r" MB(\tInit Duration: \S+ ms)?\t\n$", log)


def test_a_cold_calls_report_has_the_init_duration_and_a_warm_ones_has_not(mayfly):
    cold, warm = (report_of(mayfly.invoke(SLOW, {}, tail=True)) for _ in range(2))
    assert float(cold["init"]) >= 200
    assert warm["init"] is None


def test_the_billed_duration_rounds_up_and_includes_init(mayfly):
    reports = [report_of(mayfly.invoke(SLOW, {}, tail=True))]
    reports += [
        report_of(mayfly.invoke(PLAIN, {"do": "sleep", "seconds": 0.01}, tail=True)) for _ in range(2)
    ]
    for report in reports:
        whole = float(report["duration"]) + float(report["init"] or 0)
        # The figures in the line are rounded to hundredths, the billed one is made of the exact ones.
        assert math.ceil(whole - 0.011) <= int(report["billed"]) <= math.ceil(whole + 0.011)


def test_the_duration_is_the_handlers(mayfly):
    report = report_of(mayfly.invoke(PLAIN, {"do": "sleep", "seconds": 0.2}, tail=True))
    assert 200 <= float(report["duration"]) < 1200


def test_the_report_tells_the_memory_there_is_and_the_memory_used(mayfly):
    least = int(report_of(mayfly.invoke(PLAIN, {}, tail=True))["used"])
    report = report_of(mayfly.invoke(PLAIN, {"do": "allocate", "mb": 60}, tail=True))
    assert report["size"] == "128"
    assert 5 <= least < 60 <= int(report["used"]) <= 128


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        ({}, None),
        ({"do": "raise_error"}, "Status: error\tError Type: Runtime.Unknown"),
        ({"do": "exit", "status": 3}, "Status: error\tError Type: Runtime.ExitError"),
        ({"do": "oom"}, "Status: error\tError Type: Runtime.OutOfMemory"),
        (
            {"do": "response_of", "bytes": 6_291_557},
            "Status: error\tError Type: Function.ResponseSizeTooLarge",
        ),
    ],
    ids=["success", "raise", "exit", "out of memory", "too large"],
)
def test_the_report_tells_how_a_call_failed(mayfly, event, failure):
    assert report_of(mayfly.invoke(PLAIN, event, tail=True))["failure"] == failure


def test_an_init_that_failed_is_reported(mayfly):
    answer = mayfly.invoke(RAISING, {}, tail=True)
    assert report_of(answer)["failure"] == "Status: error\tError Type: Runtime.Unknown"
    line = (
        r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: error\tError Type: Runtime\.Unknown"
    )
    eventually(lambda: any(re.fullmatch(line, record["message"]) for record in mayfly.log(RAISING)))


def test_a_timeout_is_logged_between_start_and_end(mayfly):
    answer = mayfly.invoke(TIMING_OUT, {"do": "sleep", "seconds": 30}, tail=True)
    lines = answer.log.splitlines()
    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z {answer.request_id} Task timed out after 1\.00 seconds",
        lines[1],
    )
    report = report_of(answer)
    assert report["failure"] == "Status: timeout"
    assert report["duration"] == "1000.00"
    assert int(report["billed"]) >= 1000


@on_each_python
def test_the_lines_of_a_python_error_are_parted_by_newlines(mayfly, runtime):
    function = TOLD[runtime.key]
    answer = mayfly.invoke(function, {"do": "two_lines_and_error"}, tail=True)
    assert "\r" not in answer.log
    lines = answer.log.splitlines()
    first = lines.index("[ERROR] ValueError: first line of the error")
    assert lines[first + 1 : first + 3] == ["second line of the error", "Traceback (most recent call last):"]
    assert lines[first + 3].lstrip("\u00a0 ").startswith('File "/')
    (record,) = [each for each in records_of(mayfly, function, answer) if "[ERROR]" in each["message"]]
    assert "\r" not in record["message"]
    assert "\nTraceback (most recent call last):\n" in record["message"]


@on_each_node
def test_the_lines_of_a_node_error_are_parted_by_newlines(mayfly, runtime):
    function = TOLD[runtime.key]
    answer = mayfly.invoke(function, runtime.event("logError", message="no croissants left"), tail=True)
    assert "\r" not in answer.log
    assert re.search(r"\tERROR\tcaught OutOfStock: no croissants left\n +at ", answer.log)


@on_each_node
def test_a_console_line_of_node_has_its_time_request_and_level(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.event("print", lines=["one"]), tail=True)
    line = next(line for line in answer.log.splitlines() if line.endswith("\tone"))
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{answer.request_id}\tINFO\tone", line)


@on_each_python
def test_a_record_of_pythons_logging_has_its_level_time_and_request(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], {"do": "logs"}, tail=True)
    logged = [line for line in answer.log.splitlines() if "a record of level" in line]
    assert [line.split("\t")[0] for line in logged] == ["[DEBUG]", "[INFO]", "[WARNING]", "[ERROR]"]
    assert all(line.split("\t")[2] == answer.request_id for line in logged)
    assert "a plain line" in answer.log.splitlines()


def test_text_without_a_newline_is_logged_as_well(mayfly):
    answer = mayfly.invoke(PLAIN, {"do": "print_without_newline", "text": "no end"}, tail=True)
    assert "no end" in answer.log.splitlines()


def test_what_is_printed_at_import_is_logged_before_the_first_start(mayfly):
    answer = mayfly.invoke(SLOW, {})
    records_of(mayfly, SLOW, answer)
    messages = [record["message"] for record in mayfly.log(SLOW)]
    start = next(number for number, message in enumerate(messages) if message.startswith("START"))
    assert messages.index("importing slowly") < start


@on(*(runtime for runtime in ALL if runtime.key in IN_JSON))
def test_the_json_format_is_one_object_a_line(mayfly, runtime):
    function = IN_JSON[runtime.key]
    event = {"do": "logs"} if runtime.family == "python" else runtime.event("print", lines=["a record"])
    answer = mayfly.invoke(function, event, tail=True)
    lines = [json.loads(line) for line in answer.log.splitlines() if line.startswith("{")]
    platform = [line for line in lines if line.get("type", "").startswith("platform.")]
    assert [line["type"] for line in platform] == ["platform.start", "platform.report"]
    assert all(line["record"]["requestId"] == answer.request_id for line in platform)
    assert platform[0]["record"]["version"] == "$LATEST"
    report = platform[1]["record"]
    assert report["status"] == "success"
    assert set(report["metrics"]) >= {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB"}
    own = [line for line in lines if "level" in line]
    assert own
    for line in own:
        assert {"timestamp", "level", "message", "requestId"} <= set(line)
        assert line["requestId"] == answer.request_id
    # A print stays what it is.
    if runtime.family == "python":
        assert "a plain line" in answer.log.splitlines()
    first = json.loads(mayfly.log(function)[0]["message"])
    assert first["type"] == "platform.initStart"
    assert re.match(VERSIONS[runtime.family], first["record"]["runtimeVersion"])


@on_each_python
def test_the_json_formats_level_is_info_by_default(mayfly, runtime):
    answer = mayfly.invoke(AT_ALL_LEVELS[runtime.key], {"do": "log_at_all_levels"}, tail=True)
    levels = [line["level"] for line in map(json.loads, answer.log.splitlines()) if "level" in line]
    assert levels == ["INFO", "WARNING", "ERROR"]


@on(*(runtime for runtime in ALL if runtime.key in IN_JSON))
def test_an_error_in_the_json_format_is_one_object(mayfly, runtime):
    answer = mayfly.invoke(
        IN_JSON[runtime.key], runtime.event("error", message="no croissants left"), tail=True
    )
    lines = [json.loads(line) for line in answer.log.splitlines()]
    (error,) = [line for line in lines if line.get("level") == "ERROR"]
    assert "no croissants left" in json.dumps(error)
    report = lines[-1]["record"]
    assert (report["status"], report["errorType"]) == ("error", "Runtime.Unknown")


def test_a_timeout_in_the_json_format_is_in_the_report(mayfly):
    answer = mayfly.invoke(JSON_TIMING_OUT, {"do": "sleep", "seconds": 30}, tail=True)
    report = json.loads(answer.log.splitlines()[-1])
    assert (report["type"], report["record"]["status"]) == ("platform.report", "timeout")
