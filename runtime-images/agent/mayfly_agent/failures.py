"""What the platform says in the function's place: error types and payloads.

Texts as recorded from AWS Lambda; see also https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-execution.html
"""

from __future__ import annotations

import json
import os
import re
import signal
from json.encoder import encode_basestring_ascii as quote

RESPONSE_LIMIT = 6 * 1024 * 1024 + 100
"""Bytes of a response: 6 MiB and a little, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_KNOWN_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")


TIMEOUT = "Sandbox.Timedout"
TOLD = 1024
"""Characters of a failure that are told to others than its caller."""
UNKNOWN = "Runtime.Unknown"
"""The type, for reports, of what a handler raised."""
_READ = 64 * 1024
"""Bytes of a payload beyond which nobody looks into it."""


class Failure:
    """A failed invocation or INIT: the type for reports, and either the runtime's own payload or a message of ours."""

    __slots__ = ("error_type", "message", "payload", "with_request_id")

    def __init__(
        self, error_type: str, payload: bytes = b"", *, message: str = "", with_request_id: bool = True
    ) -> None:
        self.error_type = error_type
        self.payload = payload
        self.message = message
        self.with_request_id = with_request_id

    def payload_for(self, request_id: str) -> bytes:
        """The JSON that the caller gets."""
        if not self.message:
            return self.payload
        prefix = f"RequestId: {request_id} Error: " if self.with_request_id else ""
        text = f'{{"errorType":{quote(self.error_type)},"errorMessage":{quote(prefix + self.message)}}}'
        return text.encode("ascii")

    def told(self) -> str:
        """What went wrong, in words for people: ours, or those that the runtime sent, which may be anything."""
        if self.message:
            return self.message
        return _member(self.payload, "errorMessage")


def raised_type(payload: bytes) -> str | None:
    """What a handler raised, by the payload that its runtime sent, which may be anything."""
    return (_member(payload, "errorType") or None) if len(payload) <= _READ else None


def _member(payload: bytes, name: str) -> str:
    try:
        sent = json.loads(payload)
    except (ValueError, RecursionError):
        return ""
    found = sent.get(name) if isinstance(sent, dict) else None
    return found[:TOLD] if isinstance(found, str) else ""


def exit_error(status: int) -> Failure:
    """The runtime process ended: `status` as `os.waitpid` gives it."""
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return Failure("Runtime.ExitError", message="Runtime exited without providing a reason")
    how = f"signal: {_signal_name(-code)}" if code < 0 else f"exit status {code}"
    return Failure("Runtime.ExitError", message=f"Runtime exited with error: {how}")


def killed() -> Failure:
    """The runtime was killed for a reason that lies outside of this invocation."""
    return exit_error(signal.SIGKILL)


def out_of_memory() -> Failure:
    """More memory than the function has."""
    return Failure("Runtime.OutOfMemory", message="Runtime exited with error: signal: killed")


def timeout(seconds: int) -> Failure:
    """The function's timeout, in seconds, has passed."""
    return Failure(TIMEOUT, message=f"Task timed out after {seconds:.2f} seconds")


def init_timeout() -> Failure:
    """INIT outside of an invocation took too long."""
    return Failure(TIMEOUT, message="INIT timed out")


def invalid_entrypoint(problem: str) -> Failure:
    """The runtime could not be started at all."""
    return Failure("Runtime.InvalidEntrypoint", message=problem)


def response_too_large() -> Failure:
    """The response passed `RESPONSE_LIMIT`."""
    message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
    failure = Failure("Function.ResponseSizeTooLarge", message=message, with_request_id=False)
    failure.payload = failure.payload_for("")
    return failure


def reported_type(header: bytes | None) -> str:
    """The error type for reports, from the runtime's `Lambda-Runtime-Function-Error-Type`."""
    text = (header or b"").decode("latin-1")
    if _KNOWN_TYPE.fullmatch(text):
        return text
    return "Function.Unknown" if text.startswith("Function.") else UNKNOWN


def _signal_name(number: int) -> str:
    """Go's words for a signal, which AWS uses."""
    words: dict[int, str] = {
        signal.SIGHUP: "hangup",
        signal.SIGINT: "interrupt",
        signal.SIGQUIT: "quit",
        signal.SIGILL: "illegal instruction",
        signal.SIGTRAP: "trace/breakpoint trap",
        signal.SIGABRT: "aborted",
        signal.SIGBUS: "bus error",
        signal.SIGFPE: "floating point exception",
        signal.SIGKILL: "killed",
        signal.SIGUSR1: "user defined signal 1",
        signal.SIGSEGV: "segmentation fault",
        signal.SIGUSR2: "user defined signal 2",
        signal.SIGPIPE: "broken pipe",
        signal.SIGALRM: "alarm clock",
        signal.SIGTERM: "terminated",
    }
    return words.get(number, f"signal {number}")
