"""How large an event and an answer may be, to the byte."""

import http.client
import json

import pytest
from tests.conformance.calls import begun
from tests.conformance.functions import TOLD
from tests.conformance.runtimes import ALL, GO, PROVIDED, PYTHON, on, on_each

REQUEST = 6_291_456
RESPONSE = 6_291_556
TOO_LARGE = {
    "errorType": "Function.ResponseSizeTooLarge",
    "errorMessage": f"Response payload size exceeded maximum allowed payload size ({RESPONSE} bytes).",
}


def event_of(size, **members):
    """An event of exactly so many bytes, most of them a text."""
    around = len(json.dumps(members | {"text": ""}))
    return json.dumps(members | {"text": "x" * (size - around)}).encode()


@on(*(runtime for runtime in ALL if runtime.family in ("python", "nodejs")))
def test_an_event_of_six_mebibytes_reaches_the_function(mayfly, runtime):
    payload = event_of(REQUEST, do="size")
    assert len(payload) == REQUEST
    answer = mayfly.invoke(TOLD[runtime.key], payload=payload)
    assert (answer.status, answer.json) == (200, len(json.loads(payload)["text"]))


@pytest.mark.parametrize("size", [REQUEST + 1, 2 * REQUEST])
def test_a_larger_event_is_refused_and_the_next_call_works(mayfly, size):
    told = TOLD[PYTHON.key]
    answer = mayfly.invoke(told, payload=event_of(size))
    assert (answer.status, answer.error_code) == (413, "RequestTooLargeException")
    assert answer.json == {
        "Type": "User",
        "message": f"Request must be smaller than {REQUEST} bytes for the InvokeFunction operation",
    }
    assert mayfly.invoke(told, "next").json == "next"


def test_the_limit_is_the_bodys_alone(mayfly):
    answer = mayfly.invoke(
        TOLD[PYTHON.key], payload=event_of(REQUEST, do="size"), client_context={"custom": {"a": "x" * 2000}}
    )
    assert answer.status == 200


def big(mayfly, runtime, size):
    do = "big_response" if runtime is PROVIDED else "big"
    # Go's encoder writes each of its NUL characters as six.
    size = (size - 2) // 6 if runtime is GO else size
    return mayfly.invoke(TOLD[runtime.key], runtime.event(do, bytes=size))


@on(*(runtime for runtime in ALL if runtime is not GO))
def test_a_response_may_have_six_mebibytes_and_a_hundred_bytes(mayfly, runtime):
    answer = big(mayfly, runtime, RESPONSE)
    assert (answer.status, answer.error, len(answer.body)) == (200, None, RESPONSE)
    assert answer.body.count(b"x") >= RESPONSE - 2


@on_each
def test_a_larger_response_is_a_function_error_and_the_next_call_works(mayfly, runtime):
    answer = big(mayfly, runtime, RESPONSE + (6 if runtime is GO else 1))
    assert (answer.status, answer.error, answer.json) == (200, "Unhandled", TOO_LARGE)
    assert mayfly.invoke(TOLD[runtime.key], runtime.echo("next")).json == "next"


def test_a_response_of_twice_the_size_is_no_different(mayfly):
    answer = big(mayfly, PYTHON, 2 * RESPONSE)
    assert (answer.error, answer.json) == ("Unhandled", TOO_LARGE)
    assert mayfly.invoke(TOLD[PYTHON.key], "next").json == "next"


def test_a_client_that_waits_to_be_told_to_send_its_body_is_told(mayfly):
    payload = event_of(2_000_000, do="size")
    with begun(
        mayfly.endpoint, TOLD[PYTHON.key].name, payload, sent=0, headers="Expect: 100-continue\r\n"
    ) as connection:
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        connection.sendall(payload)
        assert connection.recv(1024).startswith(b"HTTP/1.1 200 ")


def test_an_event_may_come_in_chunks(mayfly):
    head = "Transfer-Encoding: chunked\r\n"
    with begun(mayfly.endpoint, TOLD[PYTHON.key].name, None, headers=head) as connection:
        connection.sendall(b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n')
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.read()) == (200, b'{"a": 1}')
