"""What callers get for each outcome, header by header."""

import json

import pytest

from mayfly_gateway.answers import Answer, dry_run_reply, error_reply, exit_error, head, reply, timed_out
from mayfly_model.errors import ServiceException, TooManyRequestsException, function_not_found


def test_a_payload_goes_out_as_it_came():
    it = reply(Answer(payload=b' {"a": 1}', version="$LATEST"), request_id="r", trace_id="t")
    assert (it.status, it.body) == (200, b' {"a": 1}')
    assert it.headers == {
        "Content-Type": "application/json",
        "X-Amz-Executed-Version": "$LATEST",
        "x-amzn-RequestId": "r",
        "X-Amzn-Trace-Id": "t",
    }


def test_a_failure_of_the_function_is_a_success_of_the_platform():
    it = reply(Answer(payload=b"{}", function_error=True, version="7"), request_id="r", trace_id="t")
    assert (it.status, it.headers["X-Amz-Function-Error"]) == (200, "Unhandled")
    assert it.headers["X-Amz-Executed-Version"] == "7"


def test_a_log_tail_goes_out_as_the_agent_encoded_it():
    it = reply(Answer(payload=b"{}", log_tail=b"aGk=", version="7"), request_id="r", trace_id="t")
    assert it.headers["X-Amz-Log-Result"] == "aGk="


def test_a_dry_run_has_no_body_and_no_length():
    it = dry_run_reply(request_id="r", trace_id="t")
    assert head(it, date="now", connection="") == (
        b"HTTP/1.1 204 No Content\r\nDate: now\r\nx-amzn-RequestId: r\r\nX-Amzn-Trace-Id: t\r\n\r\n"
    )


def test_errors_are_named_in_a_header_and_a_body():
    throttled = TooManyRequestsException("ConcurrentInvocationLimitExceeded")
    it = error_reply(throttled, request_id="r", trace_id="t")
    assert (it.status, it.headers["x-amzn-ErrorType"]) == (429, "TooManyRequestsException")
    assert json.loads(it.body) == {
        "Type": "User",
        "Reason": "ConcurrentInvocationLimitExceeded",
        "message": "Rate Exceeded.",
    }
    unknown = reply(function_not_found("arn:x"), request_id="r")
    assert (unknown.status, json.loads(unknown.body)["Message"]) == (404, "Function not found: arn:x")
    assert "X-Amzn-Trace-Id" not in unknown.headers


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_the_head_on_the_wire(connection):
    it = error_reply(ServiceException("Oh"), request_id="r")
    assert head(it, date="now", connection=connection).decode() == (
        "HTTP/1.1 500 Internal Server Error\r\nDate: now\r\nContent-Type: application/json\r\n"
        f"x-amzn-ErrorType: ServiceException\r\nx-amzn-RequestId: r\r\nContent-Length: {len(it.body)}\r\n"
        f"Connection: {connection}\r\n\r\n"
    )


def test_what_the_platform_says_for_a_function_that_cannot():
    assert json.loads(exit_error("1-2")) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: 1-2 Error: Runtime exited with error: signal: killed",
    }
    assert json.loads(timed_out("1-2", 1)) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: 1-2 Error: Task timed out after 1.00 seconds",
    }
