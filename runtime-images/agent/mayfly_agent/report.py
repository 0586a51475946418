"""The platform's own log lines: INIT_START, START, END, REPORT, in plain text or as JSON.

Formats: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
and, for JSON, https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
"""

from __future__ import annotations

import json
import math
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Measured:
    """What an invocation took: milliseconds, megabytes, and how it ended; `raised` is the handler's own error."""

    __slots__ = ("duration_ms", "error_type", "init_ms", "max_memory_mb", "raised", "status")

    def __init__(
        self,
        *,
        duration_ms: float,
        init_ms: float | None,
        max_memory_mb: int,
        status: str,
        error_type: str | None,
        raised: str | None = None,
    ) -> None:
        self.duration_ms = duration_ms
        self.init_ms = init_ms
        self.max_memory_mb = max_memory_mb
        self.status = status
        self.error_type = error_type
        self.raised = raised

    @property
    def billed_ms(self) -> int:
        """Duration and INIT, rounded up to 1 ms."""
        return math.ceil(self.duration_ms + (self.init_ms or 0.0))

    def trailer(self) -> bytes:
        """The figures as one line of JSON, for the gateway."""
        return json.dumps(
            {
                "durationMs": round(self.duration_ms, 2),
                "billedMs": self.billed_ms,
                "initMs": None if self.init_ms is None else round(self.init_ms, 2),
                "maxMemoryMb": self.max_memory_mb,
                "status": self.status,
                "errorType": self.error_type,
                "raised": self.raised,
            }
        ).encode("ascii")


class TextReporter:
    """The lines of the Text format. Every method returns the lines to write, most often one."""

    def __init__(self, *, version: str, memory_size: int, runtime_version: str) -> None:
        self._version = version
        self._memory_size = memory_size
        self._runtime_version = runtime_version

    def init_start(self, *, inside: bool) -> list[str]:  # noqa: ARG002 - for the other format
        """The runtime is being started."""
        return [f"INIT_START Runtime Version: {self._runtime_version}"]

    def init_report(self, milliseconds: float, *, inside: bool, status: str, error_type: str) -> list[str]:
        """INIT failed."""
        phase = "invoke" if inside else "init"
        line = f"INIT_REPORT Init Duration: {milliseconds:.2f} ms\tPhase: {phase}\tStatus: {status}"
        return [line if status == "timeout" else f"{line}\tError Type: {error_type}"]

    def start(self, request_id: str) -> list[str]:
        """The invocation's time has begun."""
        return [f"START RequestId: {request_id} Version: {self._version}"]

    def timed_out(self, request_id: str, seconds: int) -> list[str]:
        """The invocation's time is over."""
        return [f"{iso_time()} {request_id} Task timed out after {seconds:.2f} seconds"]

    def report(self, request_id: str, measured: Measured) -> list[str]:
        """The invocation is over: END and REPORT."""
        parts = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {measured.duration_ms:.2f} ms",
            f"Billed Duration: {measured.billed_ms} ms",
            f"Memory Size: {self._memory_size} MB",
            f"Max Memory Used: {measured.max_memory_mb} MB",
        ]
        if measured.init_ms is not None:
            parts.append(f"Init Duration: {measured.init_ms:.2f} ms")
        if measured.status == "timeout":
            parts.append("Status: timeout")
        elif measured.status == "error":
            parts += ["Status: error", f"Error Type: {measured.error_type}"]
        else:
            parts.append("")
        return [f"END RequestId: {request_id}", "\t".join(parts)]


class JsonReporter:
    """The same events in the JSON format, one object a line."""

    def __init__(self, *, version: str, memory_size: int, runtime_version: str) -> None:
        self._version = version
        self._memory_size = memory_size
        self._runtime_version = runtime_version

    def init_start(self, *, inside: bool) -> list[str]:
        """The runtime is being started."""
        record = {
            "initializationType": "on-demand",
            "phase": "invoke" if inside else "init",
            "runtimeVersion": self._runtime_version,
        }
        return [_event("platform.initStart", record)]

    def init_report(self, milliseconds: float, *, inside: bool, status: str, error_type: str) -> list[str]:
        """INIT failed."""
        record = {
            "initializationType": "on-demand",
            "phase": "invoke" if inside else "init",
            "status": status,
            "errorType": error_type,
            "metrics": {"durationMs": round(milliseconds, 2)},
        }
        return [_event("platform.initReport", record)]

    def start(self, request_id: str) -> list[str]:
        """The invocation's time has begun."""
        return [_event("platform.start", {"requestId": request_id, "version": self._version})]

    def timed_out(self, request_id: str, seconds: int) -> list[str]:  # noqa: ARG002 - the report says it
        """Nothing: in this format the report says it."""
        return []

    def report(self, request_id: str, measured: Measured) -> list[str]:
        """The invocation is over."""
        metrics: dict[str, Any] = {
            "durationMs": round(measured.duration_ms, 3),
            "billedDurationMs": measured.billed_ms,
            "memorySizeMB": self._memory_size,
            "maxMemoryUsedMB": measured.max_memory_mb,
        }
        if measured.init_ms is not None:
            metrics["initDurationMs"] = round(measured.init_ms, 3)
        record: dict[str, Any] = {"requestId": request_id, "metrics": metrics, "status": measured.status}
        if measured.error_type is not None and measured.status == "error":
            record["errorType"] = measured.error_type
        return [_event("platform.report", record)]


def iso_time() -> str:
    """Now, as AWS writes it: UTC with milliseconds and a Z."""
    now = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"


def _event(kind: str, record: dict[str, Any]) -> str:
    return json.dumps({"time": iso_time(), "type": kind, "record": record})
