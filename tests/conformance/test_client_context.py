"""`X-Amz-Client-Context`: base64 on the way in, decoded JSON when the function sees it."""

import base64
import json

import pytest
from tests.conformance.functions import TOLD
from tests.conformance.runtimes import ALL, GO, PROVIDED, PYTHON, on, on_each_python

LIMIT = 3583
CONTEXT = {"custom": {"table": "7"}, "env": {"locale": "de_CH"}, "client": {"app_title": "till"}}


def encoded(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def of_length(size):
    """A client context whose base64 has so many bytes."""
    around = len(json.dumps({"custom": {"a": ""}}))
    return encoded(json.dumps({"custom": {"a": "x" * (size // 4 * 3 - around)}}))


@on_each_python
def test_a_python_function_sees_the_client_context_decoded(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.event("context"), client_context=CONTEXT)
    seen = answer.json["client_context"]
    assert (seen["custom"], seen["env"]) == (CONTEXT["custom"], CONTEXT["env"])


@on(*(runtime for runtime in ALL if runtime.family in ("nodejs", "go")))
def test_other_functions_see_the_client_context_decoded(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.event("context"), client_context=CONTEXT)
    seen = answer.json["clientContext" if runtime is GO else "client_context"]
    assert (seen["custom"], seen["env"]) == (CONTEXT["custom"], CONTEXT["env"])


def test_the_runtime_is_handed_json_and_not_base64(mayfly):
    answer = mayfly.invoke(TOLD[PROVIDED.key], {"do": "headers"}, client_context=CONTEXT)
    assert json.loads(answer.json["lambda-runtime-client-context"]) == CONTEXT


@on(*(runtime for runtime in ALL if runtime.family in ("python", "nodejs")))
def test_without_a_client_context_there_is_none(mayfly, runtime):
    assert not mayfly.invoke(TOLD[runtime.key], runtime.event("context")).json["client_context"]


def test_without_a_client_context_the_runtime_is_handed_none(mayfly):
    assert "lambda-runtime-client-context" not in mayfly.invoke(TOLD[PROVIDED.key], {"do": "headers"}).json


def test_a_client_context_of_one_call_is_not_the_next_ones(mayfly):
    told = TOLD[PYTHON.key]
    assert mayfly.invoke(told, {"do": "context_members"}, client_context=CONTEXT).json["client_context"]
    assert mayfly.invoke(told, {"do": "context_members"}).json["client_context"] is None


def test_a_client_context_may_hold_any_character(mayfly):
    context = {"custom": {"text": 'grüezi 🦋 "quoted"\nline\\'}}
    raw = encoded(json.dumps(context, ensure_ascii=False, indent=2))
    answer = mayfly.post(TOLD[PYTHON.key].name, b'{"do": "context_members"}', {"X-Amz-Client-Context": raw})
    assert answer.json["client_context"]["custom"] == context["custom"]


@pytest.mark.parametrize(("size", "status"), [(3580, 200), (3584, 400)])
def test_a_client_context_has_at_most_3583_bytes(mayfly, size, status):
    assert (size <= LIMIT) == (status == 200)
    context = of_length(size)
    assert len(context) == size
    answer = mayfly.post(TOLD[PYTHON.key].name, b"{}", {"X-Amz-Client-Context": context})
    assert answer.status == status
    if status == 400:
        assert answer.error_code == "InvalidRequestContentException"
        assert str(LIMIT) in answer.json["message"]


@pytest.mark.parametrize(
    "context",
    ["{}", "***", encoded("{"), encoded("[1]"), encoded('"text"'), encoded(b"\xff"), "e30", ""],
    ids=["JSON", "signs", "half", "list", "string", "UTF-8", "unpadded", "empty"],
)
def test_a_client_context_that_is_no_object_in_base64_is_refused(mayfly, context):
    answer = mayfly.post(TOLD[PYTHON.key].name, b"{}", {"X-Amz-Client-Context": context})
    assert (answer.status, answer.error_code) == (400, "InvalidRequestContentException")
