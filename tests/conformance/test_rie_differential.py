"""Same function, same call: AWS's own emulator and we answer alike, but for its known defects.

Each defect is listed with its reason, and with what it answers, so that it is noticed when it is repaired.
"""

import asyncio
import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import rie
from tests.conformance.functions import SOURCES, declare, with_this_python
from tests.conformance.runtimes import PROVIDED, PYTHON
from tests.conformance.waiting import at_once

from mayfly_gateway.backends.local.runtimes import prepare

pytestmark = pytest.mark.skipif(rie.missing() is not None, reason=str(rie.missing()))

TIMEOUT = 3
CONTEXT = {"X-Amz-Client-Context": base64.b64encode(b'{"custom":{"table":"7"}}').decode()}
TIMED = declare("is-compared", timeout=TIMEOUT)
SCRIPTED = declare("is-compared-scripted", on=PROVIDED, timeout=3)
MODULES = ["missing_module", "raises_at_import", "syntax_error", "no_handler", "exits_at_import"]
IMPORTING = {
    module: declare(f"is-compared-{module.replace('_', '-')}", handler=f"{module}.handler")
    for module in MODULES
}

EQUAL: dict[str, Any] = {
    "an object": {"croissants": 3, "text": "grüezi 🦋", "nested": [None, True, 1.5]},
    "a text": "grüezi",
    "a number": 7,
    "null": None,
    "a list": [],
    "nothing returned": {"do": "no_return"},
    "an error": {"do": "raise_error", "message": "no croissants left"},
    "an error of an error": {"do": "nested_error"},
    "no JSON returned": {"do": "not_json"},
    "the event's kind": {"do": "kind"},
    "a response at its limit": {"do": "response_of", "bytes": 6_291_556},
    "an exit with status 0": {"do": "exit", "status": 0},
    "an exit with status 3": {"do": "exit", "status": 3},
    "a sys.exit": {"do": "system_exit", "status": 4},
    "a kill": {"do": "kill_self"},
    "an interrupt": {"do": "kill_self", "signal": "SIGINT"},
    "a response over its limit": {"do": "response_of", "bytes": 6_291_557},
    "after all that": {"fine": True},
}
BAD_GATEWAY = {
    *("an exit with status 0", "an exit with status 3", "a sys.exit", "a kill", "an interrupt"),
    "a response over its limit",
}
"""Where the emulator answers 502. It has no X-Amz-Function-Error: its status is the only sign of a failure."""

DEFECTS: dict[str, tuple[bytes, dict[str, str], int, str, int, str]] = {
    # what: event, headers; its status and the beginning of its body; our status and the beginning of our body
    "a timeout is plain text": (
        b'{"do": "sleep", "seconds": 30}', {}, 200, "Task timed out after 3.00 seconds",
        200, '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ',
    ),
    "an empty body reaches the runtime as it is": (b"", {}, 200, '{"errorMessage": "Unable to unmarshal', 200, "{}"),
    "a body that is no JSON reaches the runtime": (
        b"{", {}, 200, '{"errorMessage": "Unable to unmarshal', 400, '{"Type":"User","message":"Could not parse',
    ),
    "a dry run runs the function": (b'"ran"', {"X-Amz-Invocation-Type": "DryRun"}, 200, '"ran"', 204, ""),
    "an event is answered with the function's answer": (
        b'"ran"', {"X-Amz-Invocation-Type": "Event"}, 200, '"ran"', 501, '{"Type":"Service"',
    ),
    "an event over the limit is accepted": (
        json.dumps("x" * 6_291_456).encode(), {}, 200, '"xxx', 413, '{"Type":"User","message":"Request must be smaller',
    ),
}  # fmt: skip

SCRIPT: list[dict[str, Any]] = [
    {"do": "headers"},
    {"do": "next_twice"},
    {"do": "wrong_id"},
    {"do": "second_response"},
    {"do": "history"},
    {"do": "error_after_response"},
    {"do": "history"},
    {"do": "init_error_late"},
    {"do": "requests", "list": [["GET", "/restore/next", None], ["GET", "/nowhere", None]]},
    {"do": "requests", "list": [["POST", "/invocation/next", None], ["GET", "/init/error", None]]},
    {"do": "error", "error": {"errorType": "Mine", "errorMessage": "no"}, "errorType": "Runtime.Mine"},
    {"do": "error_text", "text": "no JSON at all"},
    {"do": "content", "text": "plain", "contentType": "text/plain"},
    {"do": "content", "text": ""},
    {"do": "chunked_response", "parts": ['{"a":', " 1}"]},
    {"do": "dribbled_response"},
    {"do": "big_response", "bytes": 6_291_557},
    {"do": "half_response", "then": "exit"},
    {"do": "exit_after_response", "status": 3},
    {"do": "silent_exit", "status": 0},
    {"do": "echo"},
]
UNSAID = {
    # Headers that HTTP servers add as they like, and those whose values name the platform itself.
    "date", "content-length", "x-content-type-options", "allow", "connection", "transfer-encoding",
    "lambda-runtime-aws-request-id", "lambda-runtime-deadline-ms", "lambda-runtime-invoked-function-arn",
    # Always sent by AWS and by us; by the emulator only if the caller sent one.
    "lambda-runtime-trace-id", "lambda-runtime-invocation-id",
}  # fmt: skip


@pytest.fixture(scope="module")
def python_code(tmp_path_factory):
    place = tmp_path_factory.mktemp("rie") / "python"
    for name in ("python", "python-more"):
        shutil.copytree(SOURCES / name, place, dirs_exist_ok=True)
    return place


def python_emulator(code: Path, handler: str, timeout: int):
    runtime = asyncio.run(prepare(PYTHON.identifier))
    environment = {"TMPDIR": str(code), "_HANDLER": handler}
    command = (*runtime.program, handler)
    return rie.emulator(command, code, runtime=runtime, timeout=timeout, environment=environment)


@pytest.fixture(scope="module")
def emulator(python_code):
    with python_emulator(python_code, "told.handler", TIMEOUT) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def scripted_emulator(tmp_path_factory):
    place = tmp_path_factory.mktemp("rie") / "provided"
    shutil.copytree(SOURCES / "provided", place)
    with_this_python(place / "bootstrap")
    runtime = asyncio.run(prepare(PROVIDED.identifier))
    with rie.emulator((place / "bootstrap",), place, runtime=runtime, timeout=3, environment={}) as emulator:
        yield emulator


def alike(body: bytes) -> str:
    """A body without what is each call's or each place's own."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", body.decode())
    return re.sub(r'File \\"[^"]*/', r"File \\\"<folder>/", text)


@pytest.mark.parametrize("what", EQUAL)
def test_a_python_function_is_answered_alike(mayfly, emulator, what):
    payload = json.dumps(EQUAL[what], ensure_ascii=False).encode()
    status, body = emulator.invoke(payload, {})
    answer = mayfly.invoke(TIMED, payload=payload)
    assert alike(answer.body) == alike(body)
    assert (answer.status, status) == (200, 502 if what in BAD_GATEWAY else 200)


def test_a_python_functions_context_is_alike(mayfly, emulator):
    payload = b'{"do": "context_members"}'
    _, body = emulator.invoke(payload, CONTEXT)
    ours = mayfly.post(TIMED.name, payload, CONTEXT).json
    theirs = json.loads(body)
    assert set(ours) == set(theirs)
    assert ours.pop("client_context") == theirs.pop("client_context")
    for name in ("function_version", "memory_limit_in_mb", "cognito_identity_id"):
        assert ours[name] == theirs[name]
    assert (ours["invoked_function_arn"], theirs["invoked_function_arn"]) == (TIMED.arn, rie.ARN)
    assert ours["log_group_name"].removesuffix(TIMED.name) == "/aws/lambda/"
    for each in (ours, theirs):
        assert 0 < each["remaining_ms"] <= TIMEOUT * 1000


def test_whatever_variable_the_emulator_gives_we_give_as_well(mayfly, emulator):
    payload = b'{"do": "env"}'
    theirs = json.loads(
        emulator.invoke(payload, {"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793"})[1]
    )
    ours = mayfly.invoke(TIMED, payload=payload).json
    # Its own setting, which it hands on, and a service for the zone that a function runs in, which is not here.
    own = {"AWS_LAMBDA_FUNCTION_TIMEOUT", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN"}
    assert set(theirs) - set(ours) - own - {"LC_CTYPE"} == set()
    for name in ("AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE"):
        if name in theirs:
            assert ours[name] == theirs[name]


@pytest.mark.parametrize("module", MODULES)
def test_an_import_that_fails_is_answered_alike(mayfly, python_code, module):
    with python_emulator(python_code, f"{module}.handler", 3) as emulator:
        status, body = emulator.invoke(b"{}", {})
    answer = mayfly.invoke(IMPORTING[module], {})
    assert (answer.status, status) == (200, 502)
    if module == "exits_at_import":
        # A defect: the emulator has no body for an exit at import.
        assert (body, answer.json["errorType"]) == (b"", "Runtime.ExitError")
    else:
        assert alike(answer.body) == alike(body)


@pytest.mark.parametrize("what", DEFECTS)
def test_a_known_defect_is_the_emulators_and_not_ours(mayfly, emulator, what):
    payload, headers, their_status, their_body, our_status, our_body = DEFECTS[what]
    (status, body), answer = at_once([
        lambda: emulator.invoke(payload, headers), lambda: mayfly.post(TIMED.name, payload, headers)
    ])  # fmt: skip
    assert (status, body.decode()[: len(their_body)]) == (their_status, their_body)
    assert (answer.status, answer.body.decode()[: len(our_body)]) == (our_status, our_body)


def test_a_qualifier_is_ignored_by_the_emulator_and_not_by_us(mayfly, emulator):
    assert emulator.invoke(b"1", {}, "?Qualifier=7") == (200, b"1")
    assert mayfly.post(TIMED.name, b"1", query="?Qualifier=7").status == 404


def essence(body: bytes) -> object:
    """What a scripted runtime was told, without what servers may say as they like."""
    try:
        content = json.loads(body)
    except ValueError:
        return alike(body)
    return told(content)


def told(content: Any) -> object:
    if isinstance(content, list):
        return [told(each) for each in content]
    if not isinstance(content, dict):
        return content
    if "lambda-runtime-aws-request-id" in content:
        return {name: value for name, value in content.items() if name not in UNSAID}
    if set(content) == {"status", "headers", "body"}:
        try:
            return content["status"], json.loads(content["body"]).get("errorType")
        except ValueError:
            return content["status"], None
    return alike(json.dumps(content).encode())


def test_a_scripted_runtime_is_told_alike(mayfly, scripted_emulator):
    for event in SCRIPT:
        payload = json.dumps(event).encode()
        theirs = essence(scripted_emulator.invoke(payload, CONTEXT)[1])
        ours = essence(mayfly.post(SCRIPTED.name, payload, CONTEXT).body)
        assert same(ours, theirs), (event, ours, theirs)


def same(ours: object, theirs: object) -> bool:
    """Alike, or the emulator's plain 404 and 405 beside ours, which name a type."""
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, tuple) and isinstance(theirs, tuple) and theirs[1] is None:
        return ours[0] == theirs[0]
    return ours == theirs
