"""What callers are told: the outcome of an invocation or an error, as status, headers and body. Pure.

Both fronts send exactly these replies. A function's failure is an outcome like any other: a 200 whose body is
the runtime's own words, or the platform's where the runtime can say nothing. What is made for each request is a
msgspec structure, which costs a fifth of a frozen dataclass.
"""

import json
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from mayfly_model.errors import LambdaError

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an invocation. `log_tail` is base64, as the agent sent it; None if it was not asked for."""

    payload: bytes
    function_error: bool = False
    log_tail: bytes | None = None
    version: str


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer. The server adds Content-Length and Connection."""

    status: int
    headers: dict[str, str]
    body: bytes


OnAnswer = Callable[[Answer | LambdaError | Reply], None]
"""Told the outcome of an invocation, once; a reply where another gateway has run it."""


def head(reply: Reply, *, date: str, connection: str) -> bytes:
    """The reply's head in HTTP/1.1; `connection` is the value of that header, empty to leave it out."""
    lines = [_STATUS_LINES[reply.status], "Date: ", date, "\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in reply.headers.items()]
    if reply.status != HTTPStatus.NO_CONTENT:
        lines.append(f"Content-Length: {len(reply.body)}\r\n")
    lines.append(f"Connection: {connection}\r\n\r\n" if connection else "\r\n")
    return "".join(lines).encode("latin-1")


def reply(outcome: Answer | LambdaError | Reply, *, request_id: str, trace_id: str | None = None) -> Reply:
    """The reply to an Invoke request; one that another gateway has made is whole already."""
    if isinstance(outcome, Reply):
        return outcome
    if isinstance(outcome, LambdaError):
        return error_reply(outcome, request_id=request_id, trace_id=trace_id)
    headers = {
        "Content-Type": "application/json",
        "X-Amz-Executed-Version": outcome.version,
        "x-amzn-RequestId": request_id,
    }
    if trace_id is not None:
        headers["X-Amzn-Trace-Id"] = trace_id
    if outcome.function_error:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if outcome.log_tail is not None:
        headers["X-Amz-Log-Result"] = outcome.log_tail.decode("ascii", "ignore")
    return Reply(200, headers, outcome.payload)


def dry_run_reply(*, request_id: str, trace_id: str) -> Reply:
    """The reply to a DryRun that would have been accepted."""
    return Reply(204, {"x-amzn-RequestId": request_id, "X-Amzn-Trace-Id": trace_id}, b"")


def error_reply(error: LambdaError, *, request_id: str, trace_id: str | None = None) -> Reply:
    """The reply that names an error in AWS's form."""
    headers = {**error.headers(), "x-amzn-RequestId": request_id}
    if trace_id is not None:
        headers["X-Amzn-Trace-Id"] = trace_id
    return Reply(error.status, headers, error.body())


def exit_error(request_id: str) -> bytes:
    """The payload where an instance was killed whole, agent included, so that none is left to say why."""
    return _failure("Runtime.ExitError", request_id, "Runtime exited with error: signal: killed")


def out_of_memory(request_id: str) -> bytes:
    """The payload where an instance, agent included, was killed for using more memory than it has."""
    return _failure("Runtime.OutOfMemory", request_id, "Runtime exited with error: signal: killed")


def timed_out(request_id: str, timeout: float) -> bytes:
    """The payload where an instance did not even answer that its function timed out."""
    return _failure("Sandbox.Timedout", request_id, f"Task timed out after {timeout:.2f} seconds")


def _failure(error_type: str, request_id: str, message: str) -> bytes:
    content = {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return json.dumps(content, separators=(",", ":")).encode()
