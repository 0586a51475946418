"""What the platform answers in a function's place has AWS Lambda's own words."""

import json
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_agent import failures
from mayfly_agent.failures import Failure, raised_type, reported_type

REQUEST = "8f507cfc-a1b2-4c3d-9e8f-0123456789ab"


def said(failure):
    return json.loads(failure.payload_for(REQUEST))


def by_id(error_type, message):
    return {"errorType": error_type, "errorMessage": f"RequestId: {REQUEST} Error: {message}"}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (0, "Runtime exited without providing a reason"),
        (1 << 8, "Runtime exited with error: exit status 1"),
        (3 << 8, "Runtime exited with error: exit status 3"),
        (255 << 8, "Runtime exited with error: exit status 255"),
        (signal.SIGKILL, "Runtime exited with error: signal: killed"),
        (signal.SIGINT, "Runtime exited with error: signal: interrupt"),
        (signal.SIGTERM, "Runtime exited with error: signal: terminated"),
        (signal.SIGSEGV, "Runtime exited with error: signal: segmentation fault"),
        (signal.SIGSEGV | 0x80, "Runtime exited with error: signal: segmentation fault"),
        (signal.SIGABRT, "Runtime exited with error: signal: aborted"),
        (signal.SIGXCPU, f"Runtime exited with error: signal: signal {int(signal.SIGXCPU)}"),
    ],
)
def test_an_exit_is_told_in_the_words_of_go(status, message):
    assert said(failures.exit_error(status)) == by_id("Runtime.ExitError", message)


def test_a_timeout_names_the_limit_with_two_decimals():
    assert said(failures.timeout(1)) == by_id("Sandbox.Timedout", "Task timed out after 1.00 seconds")
    assert said(failures.timeout(900)) == by_id("Sandbox.Timedout", "Task timed out after 900.00 seconds")


def test_too_much_memory_is_a_kill_of_another_type():
    message = "Runtime exited with error: signal: killed"
    assert said(failures.out_of_memory()) == by_id("Runtime.OutOfMemory", message)
    assert said(failures.killed()) == by_id("Runtime.ExitError", message)


def test_a_response_that_is_too_large_is_told_without_the_request_id():
    expected = {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    failure = failures.response_too_large()
    assert said(failure) == json.loads(failure.payload) == expected


def test_a_program_that_cannot_be_run_is_named():
    problem = "fork/exec /var/task/bootstrap: permission denied"
    assert said(failures.invalid_entrypoint(problem)) == by_id("Runtime.InvalidEntrypoint", problem)


def test_the_runtimes_own_payload_is_relayed_byte_for_byte():
    payload = b'{"errorMessage": "b\xc3\xb6\xff"}'
    assert Failure("Runtime.Unknown", payload).payload_for(REQUEST) is payload


def test_a_message_of_any_characters_stays_json():
    problem = 'a "quoted" \\ path\n\u2028 \U0001f98b'
    assert said(failures.invalid_entrypoint(problem))["errorMessage"].endswith(problem)


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b"Runtime.ImportModuleError", "Runtime.ImportModuleError"),
        (b"Function.Whatever", "Function.Whatever"),
        (b"Function.lower", "Function.Unknown"),
        (b"Function.", "Function.Unknown"),
        (b"Runtime.With2", "Runtime.Unknown"),
        (b"Runtime.Two.Parts", "Runtime.Unknown"),
        (b"ValueError", "Runtime.Unknown"),
        (b"", "Runtime.Unknown"),
        (None, "Runtime.Unknown"),
    ],
)
def test_an_error_type_is_kept_if_it_looks_like_one_of_lambdas(header, kept):
    assert reported_type(header) == kept


@given(st.binary())
def test_any_error_type_is_reported_as_one_word(header):
    assert reported_type(header).split() == [reported_type(header)]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (failures.invalid_entrypoint("no such file"), "no such file"),
        (Failure("Runtime.Unknown", b'{"errorMessage": "No module named x"}'), "No module named x"),
        (Failure("Runtime.Unknown", b'{"errorMessage": "%b"}' % (b"x" * 5000)), "x" * failures.TOLD),
        (Failure("Runtime.Unknown", b'{"errorMessage": 7}'), ""),
        (Failure("Runtime.Unknown", b"[]"), ""),
        (Failure("Runtime.Unknown", b"\xff"), ""),
        (Failure("Runtime.Unknown", b"[" * 100_000), ""),
    ],
)
def test_a_failure_is_told_in_a_bounded_number_of_words(failure, words):
    assert failure.told() == words


@pytest.mark.parametrize(
    ("payload", "raised"),
    [
        (b'{"errorType": "KeyError", "errorMessage": "\'x\'"}', "KeyError"),
        (b'{"errorType": ""}', None),
        (b'{"errorType": 7}', None),
        (b'"KeyError"', None),
        (b"", None),
        (b"[" * 60_000, None),
        (b'{"errorType": "KeyError"}' + b" " * 70_000, None),
    ],
)
def test_what_a_handler_raised_is_read_from_its_payload(payload, raised):
    assert raised_type(payload) == raised
