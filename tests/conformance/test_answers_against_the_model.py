"""The check that every answer of this suite passes through would notice what is wrong."""

import json

import pytest
from tests.conformance.aws_model import problems

GOOD = {
    "Date": "Wed, 25 Nov 2026 02:33:48 GMT",
    "Content-Type": "application/json",
    "Content-Length": "2",
    "x-amzn-RequestId": "3ec6e4c2-1c04-4837-ba52-e25636ecd185",
}
OK = GOOD | {"X-Amz-Executed-Version": "$LATEST", "X-Amz-Log-Result": "U1RBUlQ="}
NOT_FOUND = GOOD | {"x-amzn-ErrorType": "ResourceNotFoundException"}
THROTTLED = GOOD | {"x-amzn-ErrorType": "TooManyRequestsException"}


def body(**members):
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (200, OK, b"{}"),
        (204, GOOD, b""),
        (404, NOT_FOUND, body(Type="User", Message="no")),
        (429, THROTTLED, body(Type="User", message="no", Reason="ConcurrentInvocationLimitExceeded")),
        (429, THROTTLED | {"Retry-After": "1"}, body(Type="User", message="no")),
    ],
)
def test_a_right_answer_has_no_problems(status, headers, content):
    assert problems("Invoke", status, headers, content) == []


@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (200, OK | {"x-amzn-RequestId": "7"}, b"{}"),
        (200, OK | {"X-Mayfly": "yes"}, b"{}"),
        (200, OK | {"X-Amz-Executed-Version": "latest"}, b"{}"),
        (200, OK | {"X-Amz-Log-Result": "***"}, b"{}"),
        (201, OK, b"{}"),
        (204, GOOD, b"{}"),
        (404, NOT_FOUND, body(Type="User", message="no")),
        (404, NOT_FOUND, body(Type="User", Message=7)),
        (404, NOT_FOUND, body(Type="User", Message="no", Why="unknown")),
        (404, NOT_FOUND | {"Content-Type": "text/html"}, body(Type="User", Message="no")),
        (404, NOT_FOUND, b"not found"),
        (400, NOT_FOUND, body(Type="User", Message="no")),
        (404, GOOD, body(Type="User", Message="no")),
        (404, GOOD | {"x-amzn-ErrorType": "ResourceMissingException"}, body(Type="User", Message="no")),
        (429, THROTTLED, body(Type="User", message="no", Reason="BecauseISaySo")),
    ],
)
def test_a_deviation_is_found(status, headers, content):
    assert problems("Invoke", status, headers, content)
