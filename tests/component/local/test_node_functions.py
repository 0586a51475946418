"""Node.js functions run the same on AWS's client and on ours."""

import asyncio
import json
import re
import struct
import time

import pytest
from tests.component.local.functions import FUNCTIONS, running

from mayfly_gateway.backends.local.image_files import image_file
from mayfly_gateway.backends.local.interpreters import find_node
from mayfly_gateway.backends.local.node_client import own_client
from mayfly_gateway.backends.local.runtimes import prepare
from mayfly_model.runtimes import RUNTIMES

CODE = FUNCTIONS / "node"
NODES = [
    runtime.name for runtime in RUNTIMES.values() if runtime.family == "nodejs" and find_node(runtime.version)
]

pytestmark = [
    pytest.mark.skipif(not NODES, reason="no Node.js of a version that Lambda has is on this machine"),
    # AWS's client is built once on a machine.
    pytest.mark.timeout(600),
]


@pytest.fixture(
    scope="module", params=[(name, client) for name in NODES for client in ("own", "stock")], ids=str
)
def node(request):
    """How functions are started on one Node.js with one client."""
    name, client = request.param
    command = asyncio.run(prepare(name))
    is_own = str(own_client().script) in command.program
    if client == "stock":
        if is_own:
            pytest.skip("aws-lambda-ric does not build on this machine")
        return command
    arguments = (*command.program[:-1], str(own_client().script))
    return type(command)(
        name=command.name,
        version=command.version,
        program=arguments,
        memory_options=command.memory_options,
        folders=command.folders,
        directory=str(own_client().directory),
    )


def with_callbacks(node):
    return int(node.version.removeprefix("nodejs:").partition(".")[0]) < 24


@pytest.fixture
def needs_callbacks(node):
    if not with_callbacks(node):
        pytest.skip("from Node.js 24 on Lambda has no callbacks")


@pytest.mark.parametrize(
    ("handler", "answer"),
    [
        ("app.echo", {"name": "Ada"}),
        ("app.echoByPromise", {"name": "Ada"}),
        ("app.noReturn", None),
        ("app.inner.deep.handler", "found"),
        ("module.handler", {"value": "awaited", "event": {"name": "Ada"}}),
        ("package/app.handler", "app.js"),
        ("nested/deeper/app.handler", "nested/deeper/app.js"),
        ("common.handler", "cjs"),
    ],
)
def test_a_handler_is_found_and_answers(node, handler, answer):
    with running(node, handler, CODE) as function:
        for _ in range(2):
            posted = function.api.invoke({"name": "Ada"})
            assert (posted.kind, posted.value) == ("response", answer)


@pytest.mark.parametrize("handler", ["echoByCallback", "echoByDone", "echoBySucceed"])
@pytest.mark.usefixtures("needs_callbacks")
def test_a_handler_may_answer_in_older_ways(node, handler):
    with running(node, f"app.{handler}", CODE) as function:
        for event in ({"n": 1}, None, "grüezi"):
            assert function.api.invoke(event).value == event


def test_a_plain_return_value_counts_from_node_24_on(node):
    with running(node, "app.returnsPlainly", CODE) as function:
        plain = "nobody looks at this before Node.js 24"
        assert function.api.invoke({}).value == (None if with_callbacks(node) else plain)


@pytest.mark.usefixtures("needs_callbacks")
def test_an_answer_waits_for_the_event_loop_unless_told_otherwise(node):
    with running(node, "app.leavesTimer", CODE) as function:
        assert function.api.invoke({"waits": False, "milliseconds": 60_000}).value == "answered"
    with running(node, "app.leavesTimer", CODE) as function:
        assert function.api.invoke({"waits": True, "milliseconds": 50}).value == "answered"
        assert "the timer ran" in function.output()


@pytest.mark.usefixtures("needs_callbacks")
def test_the_first_answer_counts(node):
    with running(node, "app.answersTwice", CODE) as function:
        assert [function.api.invoke({}).value for _ in range(2)] == ["first", "first"]


@pytest.mark.usefixtures("needs_callbacks")
def test_a_promise_that_never_settles_ends_when_nothing_is_left_to_do(node):
    with running(node, "app.neverSettles", CODE) as function:
        assert function.api.invoke({}).value is None
        assert function.api.invoke({}).value is None


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("throws", "OutOfStock", "no croissants left"),
        ("throwsPlainly", "OutOfStock", "no croissants left"),
        ("throwsText", "string", "not even an error"),
    ],
)
def test_an_error_is_posted_and_logged_and_the_next_call_works(node, handler, error_type, message):
    with running(node, f"app.{handler}", CODE) as function:
        for _ in range(2):
            posted = function.api.invoke({})
            assert posted.kind == "error"
            assert posted.value.keys() == {"errorType", "errorMessage", "trace"}
            assert (posted.value["errorType"], posted.value["errorMessage"]) == (error_type, message)
            assert bool(posted.value["trace"]) == (error_type != "string")
        assert function.output().count("\tERROR\tInvoke Error \t{") == 2


@pytest.mark.usefixtures("needs_callbacks")
@pytest.mark.parametrize(
    ("handler", "event", "error_type"),
    [
        ("failsByCallback", {}, "OutOfStock"),
        ("failsByContext", {"message": "why"}, "string"),
        ("failsByContext", {}, "string"),
        ("unserialisable", {}, "Error"),
    ],
)
def test_older_ways_to_fail(node, handler, event, error_type):
    with running(node, f"app.{handler}", CODE) as function:
        posted = function.api.invoke(event)
        assert (posted.kind, posted.value["errorType"]) == ("error", error_type)
        assert function.api.invoke(event).kind == "error"


@pytest.mark.parametrize(
    ("handler", "error_type", "status"),
    [("losesPromise", "Runtime.UnhandledPromiseRejection", 128), ("throwsLater", "OutOfStock", 129)],
)
@pytest.mark.usefixtures("needs_callbacks")
def test_an_error_outside_the_handler_ends_the_process(node, handler, error_type, status):
    with running(node, f"app.{handler}", CODE) as function:
        assert function.api.invoke({}).value["errorType"] == error_type
        assert function.end()[0] == status


@pytest.mark.parametrize(
    ("handler", "error_type"),
    [
        ("missing_module.handler", "Runtime.ImportModuleError"),
        ("gone.handler", "Runtime.ImportModuleError"),
        ("raises_at_import.handler", "TypeError"),
        ("rejects_at_import.handler", "TypeError"),
        ("syntax_error.handler", "Runtime.UserCodeSyntaxError"),
        ("app.absent", "Runtime.HandlerNotFound"),
        ("app.notAFunction", "Runtime.HandlerNotFound"),
        ("nodot", "Runtime.MalformedHandlerName"),
        ("../node/app.echo", "Runtime.MalformedHandlerName"),
    ],
)
def test_an_init_that_fails_is_posted_with_its_type(node, handler, error_type):
    with running(node, handler, CODE) as function:
        posted = function.api.posted.get(timeout=20)
        assert (posted.kind, posted.value["errorType"]) == ("init/error", error_type)
        assert posted.headers["Lambda-Runtime-Function-Error-Type"] == error_type
        assert function.end()[0] == (129 if with_callbacks(node) else 1)


def test_a_handler_with_a_callback_is_refused_from_node_24_on(node):
    with running(node, "takes_callback.handler", CODE) as function:
        if with_callbacks(node):
            assert function.api.invoke({}).value == "called back"
        else:
            posted = function.api.posted.get(timeout=20)
            assert posted.value["errorType"] == "Runtime.CallbackHandlerDeprecated"


def test_text_log_lines_bear_time_request_and_level(node):
    with running(node, "app.logs", CODE) as function:
        request_id = function.api.invoke({}).request_id
        lines = [line for line in function.output().split("\n") if line]
    levels = []
    for line in lines:
        time, request, level, _ = line.split("\t", 3)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
        assert request == request_id
        levels.append(level)
    assert levels == ["TRACE", "DEBUG", "INFO", "INFO", "WARN", "ERROR"]
    assert "two\rlines { and: 'an object' }" in lines[3]


def test_json_log_records_bear_the_error(node):
    with running(node, "app.logs", CODE, logging={"logFormat": "JSON"}) as function:
        request_id = function.api.invoke({}).request_id
        records = [json.loads(line.replace("\r", "\\n")) for line in function.output().splitlines()]
    assert [record["level"] for record in records] == ["INFO", "INFO", "WARN", "ERROR"]
    assert all(record["requestId"] == request_id for record in records)
    assert records[0]["message"] == "an info"
    assert records[3]["errorType"] == "OutOfStock"
    assert records[3]["stackTrace"][0] == "OutOfStock: no croissants left"


def test_the_context_tells_what_it_does_on_aws(node):
    with running(node, "app.context", CODE) as function:
        context = function.api.invoke(
            {}, Client_Context='{"custom":{"k":"v"}}', Cognito_Identity='{"cognitoIdentityId":"id"}'
        ).value
    assert context["functionName"] == "tested"
    assert context["functionVersion"] == "$LATEST"
    assert context["memoryLimitInMB"] == "128"
    assert context["logGroupName"] == "/aws/lambda/tested"
    assert context["clientContext"] == {"custom": {"k": "v"}}
    assert context["identity"] == {"cognitoIdentityId": "id"}
    assert 0 < context["remainingMs"] <= 30_000
    assert context["traceId"].startswith("Root=1-")
    assert context["cwd"] == str(CODE)
    older = {"callbackWaitsForEmptyEventLoop", "done", "fail", "succeed"}
    assert older & set(context["members"]) == (older if with_callbacks(node) else set())


@pytest.mark.parametrize("mixed", [False, True], ids=["console", "console and stdout"])
def test_a_flood_of_log_is_written_whole(node, mixed):
    with running(node, "app.floods", CODE, telemetry=True) as function:
        assert function.api.invoke({"kb": 4000, "mixed": mixed}).value == {"kb": 4000}
        while len(function.written) < 4000 * 1008:
            assert function.process.poll() is None
            time.sleep(0.001)


def test_log_frames_bear_their_kind_and_time(node):
    with running(node, "app.logs", CODE, telemetry=True) as function:
        function.api.invoke({})
        function.output()
        written = bytes(function.written)
    levels = []
    while written:
        kind, length, microseconds = struct.unpack(">IIQ", written[:16])
        line, written = written[16 : 16 + length], written[16 + length :]
        assert kind & 0xFFFF0003 == 0xA55A0003
        assert abs(microseconds / 1e6 - time.time()) < 60
        levels.append((line.decode().split("\t")[2], kind >> 2 & 0x3F))
    assert levels == [("TRACE", 1), ("DEBUG", 2), ("INFO", 3), ("INFO", 3), ("WARN", 4), ("ERROR", 5)]


@pytest.mark.skipif(not NODES, reason="no Node.js is here")
def test_our_client_runs_as_many_invocations_at_once_as_it_is_told():
    node = asyncio.run(prepare(NODES[0]))
    command = type(node)(
        name=node.name,
        version=node.version,
        program=(node.program[0], str(image_file("nodejs/bootstrap.mjs"))),
        directory=str(own_client().directory),
    )
    with running(command, "app.sleeps", CODE, AWS_LAMBDA_MAX_CONCURRENCY="4") as function:
        requests = {function.api.deliver({"seconds": 0.2}) for _ in range(4)}
        answered = [function.api.posted.get(timeout=20) for _ in range(4)]
        assert {posted.request_id for posted in answered} == requests
        assert function.api.asked.qsize() >= 4
