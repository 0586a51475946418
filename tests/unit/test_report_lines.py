"""START, END, REPORT and their kin read as AWS Lambda writes them, in the Text and in the JSON format."""

import json
import re

import pytest

from mayfly_agent.report import JsonReporter, Measured, TextReporter, iso_time

REQUEST = "8f507cfc-a1b2-4c3d-9e8f-0123456789ab"
ABOUT = {"version": "$LATEST", "memory_size": 128, "runtime_version": "python:3.13"}
TEXT = TextReporter(**ABOUT)
JSON = JsonReporter(**ABOUT)
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def measured(**changes):
    return Measured(
        **{
            "duration_ms": 1.234,
            "init_ms": None,
            "max_memory_mb": 37,
            "status": "success",
            "error_type": None,
        }
        | changes
    )


def event(lines):
    (line,) = lines
    content = json.loads(line)
    assert ISO_TIME.fullmatch(content.pop("time"))
    return content


@pytest.mark.parametrize(
    ("duration", "init", "billed"),
    [(0.01, None, 1), (1.0, None, 1), (1.001, None, 2), (999.2, None, 1000), (1.2, 51.3, 53), (0.5, 0.5, 1)],
)
def test_billed_is_duration_and_init_rounded_up_to_a_millisecond(duration, init, billed):
    assert measured(duration_ms=duration, init_ms=init).billed_ms == billed


def test_the_gateway_gets_the_figures_as_one_line_of_ascii():
    trailer = measured(init_ms=50.129, status="error", error_type="Runtime.Unknown").trailer()
    assert b"\n" not in trailer
    assert json.loads(trailer) == {
        "durationMs": 1.23,
        "billedMs": 52,
        "initMs": 50.13,
        "maxMemoryMb": 37,
        "status": "error",
        "errorType": "Runtime.Unknown",
        "raised": None,
    }


def test_time_is_utc_with_milliseconds():
    assert ISO_TIME.fullmatch(iso_time())


class TestText:
    def test_init_start(self):
        for inside in (False, True):
            assert TEXT.init_start(inside=inside) == ["INIT_START Runtime Version: python:3.13"]

    def test_start(self):
        assert TEXT.start(REQUEST) == [f"START RequestId: {REQUEST} Version: $LATEST"]

    def test_end_and_report_of_a_warm_success(self):
        assert TEXT.report(REQUEST, measured()) == [
            f"END RequestId: {REQUEST}",
            f"REPORT RequestId: {REQUEST}\tDuration: 1.23 ms\tBilled Duration: 2 ms\t"
            "Memory Size: 128 MB\tMax Memory Used: 37 MB\t",
        ]

    def test_report_of_a_cold_success(self):
        _, report = TEXT.report(REQUEST, measured(init_ms=50.0))
        assert report.endswith(
            "\tBilled Duration: 52 ms\tMemory Size: 128 MB\tMax Memory Used: 37 MB\tInit Duration: 50.00 ms\t"
        )

    def test_report_of_a_failure_ends_with_its_type(self):
        _, report = TEXT.report(REQUEST, measured(status="error", error_type="Runtime.ExitError"))
        assert report.endswith("\tMax Memory Used: 37 MB\tStatus: error\tError Type: Runtime.ExitError")

    def test_report_of_a_timeout_ends_with_its_status(self):
        _, report = TEXT.report(
            REQUEST, measured(duration_ms=3000.0, status="timeout", error_type="Sandbox.Timedout")
        )
        assert "\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\t" in report
        assert report.endswith("\tMax Memory Used: 37 MB\tStatus: timeout")

    def test_the_line_that_says_that_time_is_over(self):
        (line,) = TEXT.timed_out(REQUEST, 3)
        time, _, rest = line.partition(" ")
        assert ISO_TIME.fullmatch(time)
        assert rest == f"{REQUEST} Task timed out after 3.00 seconds"

    @pytest.mark.parametrize(("inside", "phase"), [(False, "init"), (True, "invoke")])
    def test_init_report(self, inside, phase):
        failed = TEXT.init_report(7.0, inside=inside, status="error", error_type="Runtime.ImportModuleError")
        assert failed == [
            f"INIT_REPORT Init Duration: 7.00 ms\tPhase: {phase}\tStatus: error\tError Type: Runtime.ImportModuleError"
        ]
        late = TEXT.init_report(10_000.4, inside=inside, status="timeout", error_type="Sandbox.Timedout")
        assert late == [f"INIT_REPORT Init Duration: 10000.40 ms\tPhase: {phase}\tStatus: timeout"]


class TestJson:
    @pytest.mark.parametrize(("inside", "phase"), [(False, "init"), (True, "invoke")])
    def test_init_start(self, inside, phase):
        assert event(JSON.init_start(inside=inside)) == {
            "type": "platform.initStart",
            "record": {
                "initializationType": "on-demand",
                "phase": phase,
                "runtimeVersion": "python:3.13",
            },
        }

    def test_start(self):
        assert event(JSON.start(REQUEST)) == {
            "type": "platform.start",
            "record": {"requestId": REQUEST, "version": "$LATEST"},
        }

    def test_report_of_a_cold_success(self):
        assert event(JSON.report(REQUEST, measured(init_ms=50.1239))) == {
            "type": "platform.report",
            "record": {
                "requestId": REQUEST,
                "metrics": {
                    "durationMs": 1.234,
                    "billedDurationMs": 52,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 37,
                    "initDurationMs": 50.124,
                },
                "status": "success",
            },
        }

    def test_report_of_a_failure_and_of_a_timeout(self):
        failed = event(JSON.report(REQUEST, measured(status="error", error_type="Runtime.ExitError")))
        assert (failed["record"]["status"], failed["record"]["errorType"]) == ("error", "Runtime.ExitError")
        late = event(JSON.report(REQUEST, measured(status="timeout", error_type="Sandbox.Timedout")))
        assert late["record"]["status"] == "timeout"
        assert "errorType" not in late["record"]

    def test_a_timeout_has_no_line_beside_its_report(self):
        assert JSON.timed_out(REQUEST, 3) == []

    def test_init_report(self):
        content = event(
            JSON.init_report(7.0, inside=True, status="error", error_type="Runtime.ImportModuleError")
        )
        assert content == {
            "type": "platform.initReport",
            "record": {
                "initializationType": "on-demand",
                "phase": "invoke",
                "status": "error",
                "errorType": "Runtime.ImportModuleError",
                "metrics": {"durationMs": 7.0},
            },
        }
