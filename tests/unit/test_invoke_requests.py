"""What an Invoke request means, and what AWS says to one that means nothing."""

import base64
import json
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway import request
from mayfly_gateway.request import parse_call
from mayfly_model.errors import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    LambdaError,
    NotImplementedException,
    RequestTooLargeException,
    ValidationException,
)

NEW_TRACE = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0")
SIGNED = (
    b"AWS4-HMAC-SHA256 Credential=%b/20260101/local/lambda/aws4_request, SignedHeaders=host, Signature=00"
)


def call(name="hello", query="", **headers):
    return parse_call(
        name,
        query,
        {key.replace("_", "-").encode(): value for key, value in headers.items()},
        request_id="r",
        default_namespace="default",
        knows={"shop", "bank"}.__contains__,
    )


def encoded(text):
    return base64.b64encode(text.encode())


def test_a_bare_name_means_the_default_namespace_and_a_synchronous_call():
    it = call()
    assert (it.namespace, it.reference.name, it.reference.qualifier) == ("default", "hello", None)
    assert (it.dry_run, it.tail, it.client_context) == (False, False, None)


def test_names_are_percent_decoded():
    it = call("arn%3Aaws%3Alambda%3Alocal%3Ashop%3Afunction%3Ahello%3A%24LATEST")
    assert (it.namespace, it.reference.name, it.reference.qualifier) == ("shop", "hello", "$LATEST")
    assert call(query="a=b&Qualifier=%24LATEST").reference.qualifier == "$LATEST"


def test_the_namespace_is_the_arns_then_the_headers_then_the_access_keys_then_the_default():
    arn = "arn:aws:lambda:local:shop:function:hello"
    signed = SIGNED % b"bank"
    assert call(arn, x_mayfly_namespace=b"bank").namespace == "shop"
    assert call(x_mayfly_namespace=b"shop", authorization=signed).namespace == "shop"
    assert call(authorization=signed).namespace == "bank"
    assert call(authorization=SIGNED % b"AKIAIOSFODNN7EXAMPLE").namespace == "default"
    assert call(authorization=b"Bearer bank").namespace == "default"


@pytest.mark.parametrize("name", [b"", b"Shop", b"a b", b"x" * 64, b"\xff", b"-"])
def test_a_namespace_that_cannot_be_one_is_refused(name):
    with pytest.raises(InvalidParameterValueException, match="X-Mayfly-Namespace"):
        call(x_mayfly_namespace=name)


def test_an_event_is_never_accepted():
    with pytest.raises(NotImplementedException, match="nothing is accepted that could be lost"):
        call(x_amz_invocation_type=b"Event")


def test_dry_run_and_tail():
    assert call(x_amz_invocation_type=b"DryRun").dry_run
    assert call(x_amz_log_type=b"Tail").tail
    assert not call(x_amz_log_type=b"None").tail


def test_unknown_enum_values_are_named_as_aws_does():
    with pytest.raises(ValidationException) as error:
        call(x_amz_invocation_type=b"Soon")
    assert error.value.message == (
        "1 validation error detected: Value 'Soon' at 'invocationType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [RequestResponse, Event, DryRun]"
    )
    with pytest.raises(ValidationException, match=r"'logType' .* \[None, Tail\]"):
        call(x_amz_log_type=b"All")


def test_a_client_context_is_decoded():
    assert call(x_amz_client_context=encoded('{"custom": {"a": 1}}')).client_context == '{"custom": {"a": 1}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":\r\n"b"}', {"a": "b"}),
        ('{"a":"é"}', {"a": "é"}),
        ('{"a":\t1}', {"a": 1}),
        ('{"a":"\\r\\nX-Evil: 1"}', {"a": "\r\nX-Evil: 1"}),
    ],
)
def test_a_client_context_becomes_one_printable_line_of_the_same_meaning(text, expected):
    line = call(x_amz_client_context=encoded(text)).client_context
    assert line is not None
    assert json.loads(line) == expected
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"%%%", b"e30", b"\xff", encoded('{"a":1}') + b"\x00", base64.b64encode(b'{"a":"\xff"}')),
        *(encoded(text) for text in ("nope", "[1]", "NaN", '{"a":NaN}', "[" * 2600)),
    ],
)
def test_a_bad_client_context_is_refused(value):
    with pytest.raises(InvalidRequestContentException) as error:
        call(x_amz_client_context=value)
    assert error.value.message == "Client context must be a valid Base64-encoded JSON object."


def test_a_client_context_has_at_most_3583_bytes():
    longest = encoded('{"a":"' + "x" * 2673 + '"}  ')[:3580]
    assert call(x_amz_client_context=longest).client_context is not None
    with pytest.raises(InvalidRequestContentException, match="3583"):
        call(x_amz_client_context=encoded('{"a":"' + "x" * 2700 + '"}'))


@given(st.binary(max_size=60))
def test_no_client_context_breaks_out_of_its_header_line(value):
    try:
        line = request.client_context(base64.b64encode(value))
    except LambdaError:
        return
    assert line.isascii()
    assert line.isprintable()


def test_a_trace_header_is_passed_on_and_a_missing_or_harmful_one_made_anew():
    given_one = b"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    assert call(x_amzn_trace_id=given_one).trace_id == given_one.decode()
    for bad in ({}, {"x_amzn_trace_id": b""}, {"x_amzn_trace_id": b"x" * 257}, {"x_amzn_trace_id": b"a\x01"}):
        assert NEW_TRACE.fullmatch(call(**bad).trace_id)
    assert call().trace_id != call().trace_id


def test_request_ids_are_random_uuids():
    ids = [request.new_request_id() for _ in range(2000)]
    assert len(set(ids)) == len(ids)
    for text in ids:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, text)


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b' {"a": [1, 2.5e3, "\xc3\xa9", true]}\n',
        b'"\\ud83d\\ude00"',
        b'"\\ud800"',
        b'{"a":"\\uD800 x"}',
        b"0",
    ],
)
def test_json_passes_unchanged(body):
    assert request.payload(body) is body


def test_no_body_is_an_empty_object():
    assert request.payload(b"") == b"{}"


NOT_JSON = [
    b"nope",
    b"{",
    b" ",
    b"NaN",
    b'{"a":1} x',
    b'"\xff"',
    b"\xef\xbb\xbf{}",
    b"[" * 100_000,
    b"'a'",
    b"01",
]
NOT_JSON += [b'"\x00"', b'{"a":1,}', b'"\\ud800', b'["\\ud800", NaN]', b'["\\ud800",' + b"[" * 100_000]


@pytest.mark.parametrize("body", NOT_JSON, ids=[str(body[:20]) for body in NOT_JSON])
def test_what_is_not_json_is_refused(body):
    with pytest.raises(InvalidRequestContentException) as error:
        request.payload(body)
    assert error.value.message.startswith(
        "Could not parse request body into json: Could not parse payload into json: "
    )


def test_six_mebibytes_are_the_limit():
    assert request.payload(b'"' + b"x" * (6_291_456 - 2) + b'"')
    with pytest.raises(RequestTooLargeException) as error:
        request.payload(b'"' + b"x" * (6_291_456 - 1) + b'"')
    assert (
        error.value.message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    )


@given(
    st.binary(max_size=40)
    | st.text(max_size=40).map(str.encode)
    | st.text('[]{},:"0eE.-tfn\\u ').map(str.encode)
)
def test_a_body_is_accepted_if_and_only_if_it_is_json(body):
    try:
        json.loads(body.decode("utf-8"), parse_constant=lambda name: json.loads(""))
        valid = not body.startswith(b"\xef\xbb\xbf")
    except ValueError:
        valid = False
    try:
        request.payload(body)
        accepted = True
    except InvalidRequestContentException:
        accepted = False
    assert accepted == (valid or not body)
