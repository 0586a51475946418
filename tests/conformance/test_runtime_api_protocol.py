"""The Runtime API to the letter, as a scripted runtime sees it that does what it is told, right or wrong."""

import json
import re
import time
import uuid

import pytest
from tests.conformance.functions import TOLD, declare
from tests.conformance.runtimes import ALL, GO, PROVIDED, PYTHON, on
from tests.conformance.waiting import at_once, eventually

SCRIPTED = TOLD[PROVIDED.key]
FOUR = declare("takes-four-at-once", on=PROVIDED, code={"directory": "../code/provided-more"}, environment={
    "variables": {"AWS_LAMBDA_MAX_CONCURRENCY": "4"}
})  # fmt: skip
WORKER = declare("works", on=PROVIDED, code={"directory": "../code/provided-more"})
LINGERING = declare("lingers", on=PROVIDED, code={"directory": "../code/provided-more"})
ACCEPTED = declare("answers-once", on=PROVIDED)
TWICE = {
    "second_response": declare("answers-twice", on=PROVIDED),
    "error_after_response": declare("fails-after-its-answer", on=PROVIDED),
}
TOO_LARGE = declare("answers-too-much", on=PROVIDED)
INIT_ERROR = '{"errorType":"Oven.Cold","errorMessage":"the oven is cold" }'
TYPES = {
    "Runtime.OvenCold": "Runtime.OvenCold",
    "Function.NoFlour": "Function.NoFlour",
    "Function.no-flour": "Function.Unknown",
    "ZeroDivisionError": "Runtime.Unknown",
    "Runtime.oven": "Runtime.Unknown",
    None: "Runtime.Unknown",
}


def at_start(name, **variables):
    return declare(name, on=PROVIDED, environment={"variables": variables})


FAILING = at_start("posts-an-init-error", INIT_ERROR=INIT_ERROR)
TYPED = {
    given: at_start(
        f"posts-an-init-error-{number}",
        INIT_ERROR=INIT_ERROR,
        **({"INIT_ERROR_TYPE": given} if given else {}),
    )
    for number, given in enumerate(TYPES)
}


@pytest.fixture
def tell(mayfly):
    """Makes the scripted runtime do something; its answer."""

    def tell(do, **parameters):
        return mayfly.invoke(SCRIPTED, {"do": do, **parameters})

    return tell


def kept(mayfly, function):
    """What the Runtime API answered to the behaviour before, which may still be at it on another instance."""

    def ask():
        return mayfly.invoke(function, {"do": "history"}).json

    history = eventually(lambda: [answer for answers in at_once([ask, ask]) for answer in answers])
    return [(answer["status"], answer["body"]) for answer in history]


def error_type(body):
    return json.loads(body)["errorType"]


def test_next_is_answered_with_the_invocations_headers(mayfly):
    before = time.time() * 1000
    answer = mayfly.invoke(
        SCRIPTED, {"do": "headers"}, client_context={"custom": {"a": "b"}}, Qualifier="$LATEST"
    )
    headers = answer.json
    assert headers["lambda-runtime-aws-request-id"] == answer.request_id
    assert str(uuid.UUID(headers["lambda-runtime-aws-request-id"])) == answer.request_id
    assert headers["lambda-runtime-invoked-function-arn"] == f"{SCRIPTED.arn}:$LATEST"
    assert headers["lambda-runtime-trace-id"] == answer.headers["x-amzn-trace-id"]
    assert json.loads(headers["lambda-runtime-client-context"]) == {"custom": {"a": "b"}}
    assert before + 9_000 < int(headers["lambda-runtime-deadline-ms"]) <= (time.time() + 10) * 1000


def test_the_content_type_of_an_invocation_is_exactly_json(tell):
    assert tell("headers").json["content-type"] == "application/json"


def test_headers_without_a_value_are_left_out(tell):
    headers = tell("headers").json
    assert {name for name in headers if name.startswith("lambda-runtime-")} <= {
        "lambda-runtime-aws-request-id",
        "lambda-runtime-deadline-ms",
        "lambda-runtime-invoked-function-arn",
        "lambda-runtime-trace-id",
        "lambda-runtime-invocation-id",
    }
    assert all(headers.values())


def test_next_twice_without_a_response_is_the_same_invocation(tell):
    assert tell("next_twice").json == {"status": 200, "sameId": True, "sameEvent": True}


def test_several_polls_at_once_get_an_invocation_each(mayfly, tmp_path):
    events = [{"do": "hold", "folder": str(tmp_path), "count": 4, "number": number} for number in range(4)]
    answers = at_once([lambda event=event: mayfly.invoke(FOUR, event) for event in events])
    assert [answer.json["number"] for answer in answers] == [0, 1, 2, 3]
    assert len({answer.json["pid"] for answer in answers}) == 1
    assert mayfly.local().functions()[FOUR.name]["instances"] == 1


def test_an_instance_is_busy_until_the_next_poll_and_not_until_the_response(mayfly, tmp_path):
    done = tmp_path / "done"
    first = mayfly.invoke(LINGERING, {"do": "linger", "until": str(done)})
    # It has answered, and asks for nothing yet: the second call cannot have the same runtime.
    second = mayfly.invoke(LINGERING, {"do": "pid"})
    assert second.json != first.json
    assert mayfly.local().functions()[LINGERING.name]["instances"] == 2
    done.touch()


def test_a_response_and_an_error_are_accepted_with_202(mayfly):
    assert mayfly.invoke(ACCEPTED, {"do": "chunked_response", "parts": ["1"]}).body == b"1"
    assert kept(mayfly, ACCEPTED) == [(202, '{"status":"OK"}')]
    assert mayfly.invoke(WORKER, {"do": "fail", "error": {"errorType": "Mine"}}).error == "Unhandled"
    assert eventually(lambda: mayfly.invoke(WORKER, {"do": "tell"}).json) == [202]


def test_a_wrong_id_is_an_invalid_request_id(tell):
    answers = tell("wrong_id").json
    assert [(answer["status"], error_type(answer["body"])) for answer in answers] == [
        (400, "InvalidRequestID")
    ] * 2


def test_the_id_of_an_invocation_that_is_over_is_an_invalid_request_id(tell):
    over = tell("echo").request_id
    answers = tell("wrong_id", id=over).json
    assert [(answer["status"], error_type(answer["body"])) for answer in answers] == [
        (400, "InvalidRequestID")
    ] * 2


@pytest.mark.parametrize("do", TWICE)
def test_a_second_answer_is_an_invalid_state_transition(mayfly, do):
    answer = mayfly.invoke(TWICE[do], {"do": do})
    assert (answer.body, answer.error) == (b'"first"', None)
    (first, _), (second, body) = kept(mayfly, TWICE[do])
    assert (first, second, error_type(body)) == (202, 403, "InvalidStateTransition")


def test_an_init_error_before_the_first_poll_is_accepted_and_is_the_answer(mayfly):
    answer = mayfly.invoke(FAILING, {}, tail=True)
    assert (answer.status, answer.error, answer.body) == (200, "Unhandled", INIT_ERROR.encode())
    eventually(
        lambda: "init/error answered 202" in [record["message"] for record in mayfly.log(FAILING)], within=3
    )


def test_an_init_error_after_the_first_poll_is_refused(tell):
    late = tell("init_error_late").json
    assert (late["status"], error_type(late["body"])) == (403, "InvalidStateTransition")


def test_a_response_that_is_too_large_is_answered_413(mayfly):
    answer = mayfly.invoke(TOO_LARGE, {"do": "big_response", "bytes": 6_291_557})
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    ((status, body),) = kept(mayfly, TOO_LARGE)
    assert (status, error_type(body)) == (413, "RequestEntityTooLarge")


@on(*(runtime for runtime in ALL if runtime.family in ("python", "nodejs")))
def test_a_client_that_dies_of_a_413_leaves_the_right_answer_and_the_next_call_works(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.event("big", bytes=6_291_557))
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    assert mayfly.invoke(TOLD[runtime.key], runtime.echo("next")).json == "next"


def test_a_client_that_dies_of_a_403_leaves_the_right_answer_and_the_next_call_works(mayfly):
    """The handler answers behind its client's back, whose own answer then comes too late."""
    request = (
        "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: runtime\r\n"
        'Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"sneaked"'
    )
    answer = mayfly.invoke(TOLD[PYTHON.key], {"do": "runtime_api", "request": request})
    assert (answer.body, answer.error) == (b'"sneaked"', None)
    assert mayfly.invoke(TOLD[PYTHON.key], "next").json == "next"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/restore/next", 404),
        ("POST", "/restore/error", 404),
        ("GET", "/invocation", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/invocation/next", 405),
        ("GET", "/invocation/x/response", 405),
        ("PUT", "/invocation/x/error", 405),
        ("GET", "/init/error", 405),
    ],
)
def test_an_unknown_path_or_a_wrong_verb_is_refused(tell, method, path, status):
    (answer,) = tell("requests", list=[[method, path, None]]).json
    assert answer["status"] == status
    assert json.loads(answer["body"])["errorType"]


NOT_SERVED = (
    "/2020-01-01/extension/register",
    "/2022-07-01/telemetry",
    "/2018-06-02/runtime/invocation/next",
    "/",
)


@pytest.mark.parametrize("path", NOT_SERVED)
def test_what_is_not_served_yet_is_not_found(tell, path):
    request = f"POST {path} HTTP/1.1\r\nHost: runtime\r\nContent-Length: 2\r\n\r\n{{}}"
    (answer,) = tell("raw_requests", list=[request]).json
    assert answer.startswith("HTTP/1.1 404 ")


@pytest.mark.parametrize("given", TYPES, ids=str)
def test_the_error_type_of_an_init_error_is_kept_if_it_is_one(mayfly, given):
    function = TYPED[given]
    answer = mayfly.invoke(function, {}, tail=True)
    assert answer.body == INIT_ERROR.encode()
    assert answer.log.splitlines()[-1].endswith(f"\tStatus: error\tError Type: {TYPES[given]}")


@pytest.mark.parametrize("given", TYPES, ids=str)
def test_the_error_type_of_an_invocations_error_is_kept_if_it_is_one(mayfly, given):
    event = {"do": "error", "error": {"errorType": "Mine"}, "errorType": given}
    answer = mayfly.invoke(SCRIPTED, event, tail=True)
    assert answer.json == {"errorType": "Mine"}
    assert answer.log.splitlines()[-1].endswith(f"\tStatus: error\tError Type: {TYPES[given]}")


@pytest.mark.parametrize(
    ("text", "content_type"),
    [("grüezi", "text/plain"), ("{", "application/json"), ("", None), ("<p>", "text/html; charset=utf-8")],
)
def test_a_response_is_relayed_whatever_it_is(tell, text, content_type):
    answer = tell("content", text=text, contentType=content_type)
    assert (answer.status, answer.error, answer.body) == (200, None, text.encode())


def test_a_response_may_come_in_chunks_or_byte_by_byte(tell):
    assert tell("chunked_response", parts=['{"a":', " 1", "}"]).body == b'{"a": 1}'
    assert tell("dribbled_response").body == b'"dribbled"'


def test_a_runtime_that_ends_after_its_response_has_answered(mayfly, tell):
    answer = tell("exit_after_response", status=3)
    assert (answer.body, answer.error) == (b'"the last word"', None)
    assert tell("echo", text="again").json["text"] == "again"


def test_half_a_response_is_none(tell):
    answer = tell("half_response", then="exit")
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert tell("half_response", then="answer").body == b'"in full"'


def test_a_response_that_is_streamed_arrives_whole(mayfly):
    answer = mayfly.invoke(WORKER, {"do": "stream", "parts": ["one ", "two ", "three"]})
    assert (answer.status, answer.body) == (200, b"one two three")


def test_the_invocation_id_comes_back_if_it_was_sent(tell):
    headers = tell("headers").json
    assert re.fullmatch(r"\S*", headers.get("lambda-runtime-invocation-id", ""))


@on(GO)
def test_a_client_that_nobody_here_wrote_speaks_with_it(mayfly, runtime):
    answers = at_once([lambda n=n: mayfly.invoke(TOLD[runtime.key], runtime.echo(n)) for n in range(8)])
    assert [answer.json for answer in answers] == list(range(8))
