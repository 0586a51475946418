"""What requests to the Lambda API ask for, and what they are told that ask for what cannot be."""

import pytest

from mayfly_gateway.lambda_api.members import parse_body
from mayfly_gateway.lambda_api.requests import (
    Weights,
    need_qualifier,
    not_qualified,
    parse_alias,
    parse_alias_name,
    parse_listing,
    parse_provision,
    parse_publish,
    parse_reservation,
    parse_subject,
)
from mayfly_model.errors import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    LambdaError,
    ResourceNotFoundException,
    ValidationException,
)

ALIAS = {"Name": "live", "FunctionVersion": "1"}


def subject(name, qualifier=None, **headers):
    return parse_subject(
        name,
        qualifier,
        {key.replace("_", "-").encode(): value.encode() for key, value in headers.items()},
        cluster="local",
        default_namespace="default",
        knows={"shop"}.__contains__,
    )


def told(error, run, *arguments):
    with pytest.raises(error) as caught:
        run(*arguments)
    return caught.value.message


def test_a_function_is_named_as_for_an_invocation():
    assert subject("hello").namespace == "default"
    assert subject("hello", x_mayfly_namespace="shop").namespace == "shop"
    assert subject("arn:aws:lambda:local:shop:function:hello:live").qualifier == "live"
    assert subject("shop:function:hello", "7").namespace == "shop"
    elsewhere = told(ResourceNotFoundException, subject, "arn:aws:lambda:moon:shop:function:hello")
    assert elsewhere == "Functions from 'moon' are not reachable in this region ('local')"


def test_a_version_or_an_alias_is_no_function():
    not_qualified(None)
    message = told(InvalidParameterValueException, not_qualified, "live")
    assert message.startswith("This operation is permitted on Lambda functions only.")


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(body):
    message = told(InvalidRequestContentException, parse_body, body)
    assert message.startswith("Could not parse request body into json: ")


def test_no_body_asks_for_nothing_special():
    wanted = parse_publish(parse_body(b""))
    assert (wanted.description, wanted.code_sha256, wanted.revision_id) == (None, None, None)


def test_members_that_nobody_knows_are_passed_over():
    assert parse_publish({"Description": "sale", "Colour": "red"}).description == "sale"


@pytest.mark.parametrize(
    "body", [{"Description": 7}, {"RevisionId": []}, {**ALIAS, "RoutingConfig": "1"}, {"Description": True}]
)
def test_a_member_of_another_type_is_refused(body):
    told(InvalidRequestContentException, parse_alias if "Name" in body else parse_publish, body)


def test_all_that_is_wrong_is_told_at_once():
    message = told(ValidationException, parse_alias, {"Name": "12", "Description": "x" * 257})
    assert message.startswith(
        "3 validation errors detected: Value '12' at 'name' failed to satisfy constraint: "
    )
    assert "Value null at 'functionVersion' failed to satisfy constraint: Member must not be null" in message
    assert "Member must have length less than or equal to 256" in message


@pytest.mark.parametrize("name", ["12", "a b", "a/b", "", "x" * 129, "a:b"])
def test_what_cannot_be_an_alias_is_refused(name):
    assert "at 'name' failed to satisfy constraint" in told(ValidationException, parse_alias_name, name)


@pytest.mark.parametrize("version", ["latest", "v1", "-1", "1.0"])
def test_what_cannot_be_a_version_is_refused(version):
    message = told(ValidationException, parse_alias, {**ALIAS, "FunctionVersion": version})
    assert r"(\$LATEST(\.PUBLISHED)?|[0-9]+)" in message


def test_an_update_leaves_out_what_stays():
    wanted = parse_alias({}, "live")
    assert (wanted.name, wanted.version, wanted.description, wanted.routing) == ("live", None, None, None)


@pytest.mark.parametrize("config", [{}, {"AdditionalVersionWeights": {}}, {"AdditionalVersionWeights": None}])
def test_no_weights_clear_the_routing(config):
    assert parse_alias({"RoutingConfig": config}, "live").routing == Weights()


@pytest.mark.parametrize("weight", [0, 0.05, 1])
def test_a_weight_is_a_share(weight):
    body = {**ALIAS, "RoutingConfig": {"AdditionalVersionWeights": {"2": weight}}}
    assert parse_alias(body).routing == Weights("2", weight)


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ({"2": 1.1}, ValidationException, "Value '{2=1.1}' at 'routingConfig.additionalVersionWeights'"),
        ({"2": -0.1}, ValidationException, "Member must have value greater than or equal to 0.0"),
        ({"live": 0.1}, ValidationException, "Map keys must satisfy constraint"),
        ({"2": 0.1, "3": 0.1}, InvalidParameterValueException, "cannot be greater than 1"),
        ({"2": "0.1"}, InvalidRequestContentException, "not a number"),
        ({"2": True}, InvalidRequestContentException, "not a number"),
    ],
)
def test_other_weights_are_refused(weights, error, words):
    body = {**ALIAS, "RoutingConfig": {"AdditionalVersionWeights": weights}}
    assert words in told(error, parse_alias, body)


def test_a_page_is_asked_for_by_marker_and_size():
    wanted = parse_listing({"Marker": "abc", "MaxItems": "3"})
    assert (wanted.marker, wanted.most) == ("abc", 3)
    assert parse_listing({}).most is None


@pytest.mark.parametrize("items", ["0", "10001", "-1", "many", "99999999999999"])
def test_a_page_of_another_size_is_refused(items):
    with pytest.raises(LambdaError):
        parse_listing({"MaxItems": items})


def test_a_reservation_is_a_number_and_may_be_none_at_all():
    assert parse_reservation({"ReservedConcurrentExecutions": 0}) == 0
    assert "Member must not be null" in told(ValidationException, parse_reservation, {})
    negative = told(ValidationException, parse_reservation, {"ReservedConcurrentExecutions": -1})
    assert negative.endswith("Member must have value greater than or equal to 0")


@pytest.mark.parametrize("number", ["many", 1.5, True, [], {}])
def test_a_reservation_of_another_type_is_refused(number):
    told(InvalidRequestContentException, parse_reservation, {"ReservedConcurrentExecutions": number})


def test_a_provision_needs_a_number_and_a_qualifier():
    assert parse_provision({"ProvisionedConcurrentExecutions": 5}, "live") == 5
    message = told(ValidationException, parse_provision, {"ProvisionedConcurrentExecutions": 0}, None)
    assert message.startswith("2 validation errors detected: ")
    assert "Value null at 'qualifier' failed to satisfy constraint: Member must not be null" in message
    need_qualifier("1")
    told(ValidationException, need_qualifier, None)
