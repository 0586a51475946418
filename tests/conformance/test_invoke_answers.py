"""Invoke: what a call is answered with when all goes well, and when the request itself is wrong."""

import json
import re

import pytest
from tests.conformance.calls import raw
from tests.conformance.functions import TOLD, declare
from tests.conformance.runtimes import ALL, PYTHON, on, on_each

SILENT = declare("is-never-run", handler="more.touch_later")
THROTTLED = declare("is-always-throttled", handler="app.echo", reservedConcurrentExecutions=0)
COUNTER = declare("counts-its-calls", handler="app.counter")
TRACE_ID = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=[01]")


@on_each
def test_a_call_is_answered_200_with_the_payload_and_the_executed_version(mayfly, runtime):
    event = {"croissants": 3, "text": "grüezi 🦋", "nested": [None, True, 1.5, {"a": []}]}
    answer = mayfly.invoke(TOLD[runtime.key], runtime.echo(event))
    assert (answer.status, answer.json, answer.version, answer.error) == (200, event, "$LATEST", None)
    assert answer.headers["content-type"] == "application/json"


@on_each
@pytest.mark.parametrize("value", ["text", 7, -1.5, True, None, [], [1, [2]], {}], ids=repr)
def test_any_json_value_is_an_event_and_an_answer(mayfly, runtime, value):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.echo(value))
    assert (answer.json, answer.error) == (value, None)


@on(*(runtime for runtime in ALL if runtime.family != "provided"))
def test_a_handler_that_returns_nothing_is_answered_null(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.event("nothing"))
    assert (answer.status, answer.body, answer.error) == (200, b"null", None)


def test_request_response_is_the_default_invocation_type(mayfly):
    event = b'{"a": 1}'
    answers = [
        mayfly.post(TOLD[PYTHON.key].name, event),
        mayfly.post(TOLD[PYTHON.key].name, event, {"X-Amz-Invocation-Type": "RequestResponse"}),
    ]
    assert [(answer.status, answer.json) for answer in answers] == [(200, {"a": 1})] * 2


def test_an_unknown_invocation_type_is_refused(mayfly):
    answer = mayfly.post(TOLD[PYTHON.key].name, b"{}", {"X-Amz-Invocation-Type": "Eventually"})
    assert (answer.status, answer.error_code) == (400, "ValidationException")


def test_dry_run_is_answered_204_and_nothing_runs(mayfly, tmp_path):
    ran = tmp_path / "ran"
    event = {"path": str(ran), "seconds": 0}
    answer = mayfly.invoke(SILENT, event, InvocationType="DryRun")
    assert (answer.status, answer.body, answer.version) == (204, b"", None)
    assert mayfly.local().functions()[SILENT.name]["instances"] == 0
    assert not ran.exists()


def test_dry_run_of_what_cannot_be_called_is_refused(mayfly):
    refused = mayfly.invoke("nobody-wrote-this", {}, InvocationType="DryRun")
    assert (refused.status, refused.error_code) == (404, "ResourceNotFoundException")


def test_event_is_refused_501_and_nothing_runs(mayfly, tmp_path):
    ran = tmp_path / "ran"
    event = {"path": str(ran), "seconds": 0}
    answer = mayfly.invoke(SILENT, event, InvocationType="Event")
    assert (answer.status, answer.error_code) == (501, "NotImplementedException")
    assert "RequestResponse" in answer.json["message"]
    assert mayfly.local().functions()[SILENT.name]["instances"] == 0
    assert not ran.exists()


@pytest.mark.parametrize(
    ("name", "body", "headers", "status"),
    [
        pytest.param(TOLD[PYTHON.key].name, b"{}", {}, 200, id="success"),
        pytest.param(TOLD[PYTHON.key].name, b'{"do": "raise_error"}', {}, 200, id="function error"),
        pytest.param(TOLD[PYTHON.key].name, b"{}", {"X-Amz-Invocation-Type": "DryRun"}, 204, id="dry run"),
        pytest.param(TOLD[PYTHON.key].name, b"{", {}, 400, id="no JSON"),
        pytest.param("nobody-wrote-this", b"{}", {}, 404, id="unknown function"),
        pytest.param("!", b"{}", {}, 400, id="no name"),
    ],
)
def test_every_answer_has_a_request_id_of_its_own(mayfly, name, body, headers, status):
    answers = [mayfly.post(name, body, headers) for _ in range(2)]
    assert [answer.status for answer in answers] == [status] * 2
    assert answers[0].request_id != answers[1].request_id


def test_the_function_sees_the_request_id_of_the_answer(mayfly):
    answer = mayfly.invoke(TOLD[PYTHON.key], {"do": "context_members"})
    assert answer.json["aws_request_id"] == answer.request_id


def test_an_answer_carries_a_trace_id_which_the_function_sees(mayfly):
    answer = mayfly.invoke(TOLD[PYTHON.key], {"do": "context_members"})
    assert TRACE_ID.fullmatch(answer.headers["x-amzn-trace-id"])
    assert answer.json["trace_id"] == answer.headers["x-amzn-trace-id"]


def test_the_callers_trace_id_is_kept(mayfly):
    given = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    answer = mayfly.post(TOLD[PYTHON.key].name, b'{"do": "context_members"}', {"X-Amzn-Trace-Id": given})
    assert answer.headers["x-amzn-trace-id"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793;")
    assert answer.json["trace_id"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793;")
    assert answer.json["trace_id"].endswith(";Sampled=1")


@on_each
def test_an_empty_body_reaches_the_function_as_an_empty_object(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], payload=b"")
    # Go's echoes a member of the event; with no event at all its client would fail.
    assert (answer.status, answer.json, answer.error) == (200, None if runtime.family == "go" else {}, None)


@pytest.mark.parametrize(
    "body",
    [b"{", b"{'a': 1}", b"hello", b"{}{}", b'{"a": NaN}', b'"\xff"', b"\x00", b" ", b"[" * 100_000],
    ids=["half", "single quotes", "bare", "two", "NaN", "UTF-8", "NUL", "blank", "deep"],
)
def test_a_body_that_is_not_json_is_refused(mayfly, body):
    answer = mayfly.invoke(TOLD[PYTHON.key], payload=body)
    assert (answer.status, answer.error_code) == (400, "InvalidRequestContentException")
    assert answer.json["Type"] == "User"
    start = "Could not parse request body into json: Could not parse payload into json: "
    assert answer.json["message"].startswith(start)
    assert len(answer.json["message"]) > len(start)


def test_a_call_that_is_refused_runs_nothing(mayfly):
    before = mayfly.invoke(COUNTER, {}).json["calls"]
    mayfly.post(COUNTER.name, b"{")
    mayfly.post(f"{COUNTER.name}:7", b"{}")
    mayfly.post(COUNTER.name, b"{}", {"X-Amz-Invocation-Type": "Event"})
    assert mayfly.invoke(COUNTER, {}).json["calls"] == before + 1


def test_a_streamed_response_cannot_be_asked_for_yet_and_nothing_runs(mayfly, tmp_path):
    ran = tmp_path / "ran"
    body = json.dumps({"path": str(ran), "seconds": 0}).encode()
    path = f"/2021-11-15/functions/{SILENT.name}/response-streaming-invocations"
    answer = raw(mayfly.endpoint, path, body, operation="InvokeWithResponseStream")
    assert answer.status in (404, 501)
    assert answer.json["message"]
    assert not ran.exists()


def test_every_errors_body_and_header_name_it_as_the_model_does(mayfly):
    """Each call of this suite is held against the model; here the answers side by side."""
    told = TOLD[PYTHON.key].name
    answers = {
        "ResourceNotFoundException": mayfly.post("nobody-wrote-this", b"{}"),
        "InvalidRequestContentException": mayfly.post(told, b"{"),
        "InvalidParameterValueException": mayfly.post(f"{told}:a", b"{}", query="?Qualifier=b"),
        "RequestTooLargeException": mayfly.post(told, b" " * 6_291_457),
        "TooManyRequestsException": mayfly.post(THROTTLED.name, b"{}"),
        "ValidationException": mayfly.post("!", b"{}"),
    }
    assert {code: answer.error_code for code, answer in answers.items()} == {code: code for code in answers}
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/json"}
    assert {answer.json["Type"] for answer in answers.values()} == {"User"}
    capital = {code for code, answer in answers.items() if "Message" in answer.json}
    assert capital == {"ResourceNotFoundException"}
    assert all("message" in answer.json for code, answer in answers.items() if code not in capital)
