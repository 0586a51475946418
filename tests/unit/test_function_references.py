"""A function is found by every form of its name that AWS's clients send, and by no other text."""

import re
import string

import botocore.loaders
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mayfly_model import names
from mayfly_model.errors import InvalidParameterValueException, LambdaError, ValidationException
from mayfly_model.names import FunctionReference, function_arn, parse_function_reference

MODEL = botocore.loaders.Loader().load_service_model("lambda", "service-2")
WORD = string.ascii_letters + string.digits + "-_"
AWS_REGION = re.compile(r"(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d")

function_names = st.text(WORD, min_size=1, max_size=64)
labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
clusters = labels | st.sampled_from(["local", "eu-west-1", "us-gov-east-1"])
namespaces = labels | st.sampled_from(["default", "function", "123456789012"])
qualifiers = st.just("$LATEST") | st.text(WORD, min_size=1, max_size=40)


def invoke_member(name: str) -> dict:
    return MODEL["shapes"][MODEL["shapes"]["InvocationRequest"]["members"][name]["shape"]]


def test_the_quoted_patterns_and_lengths_are_the_models():
    function_name, qualifier = invoke_member("FunctionName"), invoke_member("Qualifier")
    assert function_name["pattern"] == names.AWS_FUNCTION_REFERENCE
    assert function_name["max"] == names.FUNCTION_REFERENCE_LENGTH
    assert qualifier["pattern"] == names.AWS_QUALIFIER
    assert qualifier["max"] == names.QUALIFIER_LENGTH


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", FunctionReference("hello")),
        ("My_Fn", FunctionReference("My_Fn")),
        ("hello:live", FunctionReference("hello", qualifier="live")),
        ("hello:7", FunctionReference("hello", qualifier="7")),
        ("hello:$LATEST", FunctionReference("hello", qualifier="$LATEST")),
        ("shop:function:hello", FunctionReference("hello", "shop")),
        ("shop:function:hello:live", FunctionReference("hello", "shop", qualifier="live")),
        ("123456789012:function:hello", FunctionReference("hello", "123456789012")),
        ("123456789012:hello", FunctionReference("hello", "123456789012")),
        ("function:hello", FunctionReference("hello")),
        ("arn:aws:lambda:local:shop:function:hello", FunctionReference("hello", "shop", "local")),
        ("arn:aws:lambda:local:shop:function:hello:7", FunctionReference("hello", "shop", "local", "7")),
        (
            "arn:aws-us-gov:lambda:us-gov-east-1:123456789012:function:hello:$LATEST",
            FunctionReference("hello", "123456789012", "us-gov-east-1", "$LATEST"),
        ),
        (
            "arn:aws:lambda:function:function:function:function:function",
            FunctionReference("function", "function", "function", "function"),
        ),
    ],
)
def test_every_form_that_aws_documents(text: str, expected: FunctionReference):
    assert parse_function_reference(text) == expected


def test_a_name_of_65_characters_is_well_formed_and_left_to_the_lookup():
    assert parse_function_reference("x" * 65).name == "x" * 65


@pytest.mark.parametrize(
    "text",
    [
        "hel lo",
        "hello!",
        "hello\n",
        "hello:",
        ":live",
        "hello:li ve",
        "hello:$latest",
        "a:b:c",
        "Shop:function:hello",
        "-shop:function:hello",
        "arn:aws:s3:local:shop:function:hello",
        "arn:aws:lambda:local:shop:layer:hello",
        "arn:aws:lambda:local:shop:function:hello:7:8",
        "hellö",
        "١٢",
    ],
)
def test_a_broken_name_gets_awss_sentence(text: str):
    with pytest.raises(ValidationException) as caught:
        parse_function_reference(text)
    assert caught.value.message == (
        f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {names.AWS_FUNCTION_REFERENCE}"
    )


@pytest.mark.parametrize(
    ("text", "qualifier", "sentence"),
    [
        (
            "x" * 257,
            None,
            f"1 validation error detected: Value '{'x' * 257}' at 'functionName' failed to satisfy constraint: "
            "Member must have length less than or equal to 256",
        ),
        (
            "hello",
            "q" * 129,
            f"1 validation error detected: Value '{'q' * 129}' at 'qualifier' failed to satisfy constraint: "
            "Member must have length less than or equal to 128",
        ),
        (
            "hello",
            "a b",
            "1 validation error detected: Value 'a b' at 'qualifier' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {names.AWS_QUALIFIER}",
        ),
        (
            "x" * 257,
            "q" * 129,
            f"2 validation errors detected: Value '{'x' * 257}' at 'functionName' failed to satisfy constraint: "
            "Member must have length less than or equal to 256; "
            f"Value '{'q' * 129}' at 'qualifier' failed to satisfy constraint: "
            "Member must have length less than or equal to 128",
        ),
    ],
)
def test_lengths_and_qualifiers_get_awss_sentence(text: str, qualifier: str | None, sentence: str):
    with pytest.raises(ValidationException) as caught:
        parse_function_reference(text, qualifier)
    assert caught.value.message == sentence


def test_an_empty_name_breaks_both_its_rules():
    with pytest.raises(ValidationException, match=r"^2 validation errors .*greater than or equal to 1$"):
        parse_function_reference("")


def test_the_qualifier_may_stand_in_either_place_or_in_both():
    expected = FunctionReference("hello", qualifier="live")
    assert parse_function_reference("hello", "live") == expected
    assert parse_function_reference("hello:live", "live") == expected


def test_two_different_qualifiers_are_refused():
    with pytest.raises(InvalidParameterValueException) as caught:
        parse_function_reference("hello:live", "7")
    assert caught.value.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


@given(clusters, namespaces, function_names, st.none() | qualifiers)
def test_an_arn_reads_back_as_what_it_was_made_of(cluster, namespace, name, qualifier):
    arn = function_arn(cluster, namespace, name, qualifier)
    assume(len(arn) <= 256)
    assert parse_function_reference(arn) == FunctionReference(name, namespace, cluster, qualifier)


@given(namespaces, function_names, st.none() | qualifiers)
def test_a_partial_arn_reads_back_as_what_it_was_made_of(namespace, name, qualifier):
    text = ":".join(filter(None, (namespace, "function", name, qualifier)))
    assert parse_function_reference(text) == FunctionReference(name, namespace, None, qualifier)


@given(function_names, st.none() | qualifiers, st.booleans())
def test_a_name_reads_back_with_its_qualifier(name, qualifier, apart):
    # Before a colon these mean something else to AWS as well.
    assume(name != "function" and not re.fullmatch(r"\d{12}", name) and not AWS_REGION.fullmatch(name))
    assume(apart or qualifier is None or not qualifier.startswith("function"))
    own = name if apart or qualifier is None else f"{name}:{qualifier}"
    read = parse_function_reference(own, qualifier if apart else None)
    assert read == FunctionReference(name, qualifier=qualifier)


@settings(max_examples=300)
@given(
    st.text(max_size=300) | st.text(WORD + ":$.", max_size=300) | st.from_regex(names.AWS_FUNCTION_REFERENCE),
    st.none() | st.text(max_size=140) | st.text(WORD + "$.", max_size=140),
)
@example("arn:aws:lambda:" + "a-" * 120 + ":x", None)
@example("\udc80", "\udc80")
def test_any_text_is_read_or_refused_with_a_lambda_error(text, qualifier):
    try:
        reference = parse_function_reference(text, qualifier)
    except LambdaError as error:
        assert error.status == 400
        assert error.body()
    else:
        assert re.fullmatch(r"[a-zA-Z0-9_.-]+", reference.name)
        assert reference.qualifier is None or re.fullmatch(r"[a-zA-Z0-9_.$-]+", reference.qualifier)


@given(st.from_regex(re.compile(names.AWS_FUNCTION_REFERENCE, re.ASCII), fullmatch=True))
def test_whatever_awss_own_pattern_allows_is_understood(text):
    assume(len(text) <= 256)
    parts = re.compile(names.AWS_FUNCTION_REFERENCE, re.ASCII).fullmatch(text)
    assert parts is not None
    reference = parse_function_reference(text)
    if parts[9] is None and "function" not in (parts[11], parts[13]):
        assert (reference.name, reference.qualifier) == (parts[11], parts[13])
