"""Which function a call means: names, qualifiers, ARNs, and whose account it is."""

import pytest
from tests.conformance.calls import Sdk
from tests.conformance.functions import TOLD, declare
from tests.conformance.runtimes import PYTHON

HERE = declare("where-am-i", handler="app.context_members")
IN_SHOP = declare("where-am-i", namespace="shop", handler="app.context_members")
ONLY_IN_SHOP = declare("only-in-shop", namespace="shop", handler="app.context_members")
NUMBERED = declare("in-a-numbered-account", namespace="123456789012", handler="app.context_members")
CAPITALS = declare("My_Fn-1", handler="app.context_members")
NAME = HERE.name


@pytest.mark.parametrize(
    ("reference", "qualified"),
    [
        (NAME, False),
        (f"{NAME}:$LATEST", True),
        (f"default:function:{NAME}", False),
        (f"default:function:{NAME}:$LATEST", True),
        (f"function:{NAME}", False),
        (HERE.arn, False),
        (f"{HERE.arn}:$LATEST", True),
    ],
)
def test_every_way_to_name_a_function_reaches_it(mayfly, reference, qualified):
    for answer in (mayfly.invoke(reference, {}), mayfly.post(reference, b"{}")):
        assert answer.status == 200
        assert answer.json["function_name"] == NAME
        assert answer.json["invoked_function_arn"] == HERE.arn + (":$LATEST" if qualified else "")
        assert (answer.json["function_version"], answer.version) == ("$LATEST", "$LATEST")


def test_a_qualifier_beside_the_name_is_part_of_the_invoked_arn(mayfly):
    answer = mayfly.invoke(HERE, {}, Qualifier="$LATEST")
    assert answer.json["invoked_function_arn"] == f"{HERE.arn}:$LATEST"
    assert answer.version == "$LATEST"


def test_a_qualifier_said_twice_alike_is_right(mayfly):
    assert mayfly.invoke(f"{NAME}:$LATEST", {}, Qualifier="$LATEST").status == 200


@pytest.mark.parametrize("name", [f"{NAME}:$LATEST", f"{HERE.arn}:$LATEST", f"{NAME}:live"])
def test_a_name_and_a_qualifier_that_disagree_are_refused(mayfly, name):
    answer = mayfly.invoke(name, {}, Qualifier="7")
    assert (answer.status, answer.error_code) == (400, "InvalidParameterValueException")
    assert answer.json == {
        "Type": "User",
        "message": "The derived qualifier from the function name does not match the specified qualifier.",
    }


@pytest.mark.parametrize(
    ("name", "query", "member", "value"),
    [
        ("not a name", "", "functionName", "not a name"),
        ("grüezi", "", "functionName", "grüezi"),
        ("a/b", "", "functionName", "a/b"),
        (f"{NAME}:", "", "functionName", f"{NAME}:"),
        (f"{NAME}:a:b:c", "", "functionName", f"{NAME}:a:b:c"),
        (f"arn:aws:s3:::{NAME}", "", "functionName", f"arn:aws:s3:::{NAME}"),
        ("x" * 257, "", "functionName", "x" * 257),
        (NAME, "?Qualifier=not%20one", "qualifier", "not one"),
        (NAME, "?Qualifier=" + "x" * 129, "qualifier", "x" * 129),
    ],
)
def test_a_name_or_a_qualifier_that_breaks_its_pattern_is_refused(mayfly, name, query, member, value):
    answer = mayfly.post(name, b"{}", query=query)
    assert (answer.status, answer.error_code) == (400, "ValidationException")
    start = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must "
    assert answer.json["message"].startswith(start)


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("nobody-wrote-this", "default:function:nobody-wrote-this:$LATEST"),
        ("x" * 65, f"default:function:{'x' * 65}:$LATEST"),
        ("nobody-wrote-this:$LATEST", "default:function:nobody-wrote-this:$LATEST"),
        (f"{NAME}:7", f"default:function:{NAME}:7"),
        (f"{NAME}:live", f"default:function:{NAME}:live"),
        ("elsewhere:function:where-am-i", "elsewhere:function:where-am-i:$LATEST"),
        (f"{HERE.arn}:7", f"default:function:{NAME}:7"),
    ],
)
def test_an_unknown_function_is_a_404_that_names_its_arn(mayfly, name, arn):
    answer = mayfly.invoke(name, {})
    assert (answer.status, answer.error_code) == (404, "ResourceNotFoundException")
    assert answer.json == {"Type": "User", "Message": f"Function not found: arn:aws:lambda:local:{arn}"}


def test_a_function_of_another_region_is_not_found(mayfly):
    answer = mayfly.invoke(f"arn:aws:lambda:eu-west-1:123456789012:function:{NAME}", {})
    assert (answer.status, answer.error_code) == (404, "ResourceNotFoundException")


def test_a_lambda_name_may_be_what_no_object_may_be_called(mayfly):
    assert mayfly.invoke(CAPITALS, {}).json["function_name"] == "My_Fn-1"
    assert mayfly.invoke("my-fn-1", {}).status == 404


def test_case_matters_in_a_name(mayfly):
    assert mayfly.invoke(NAME.upper(), {}).status == 404


@pytest.mark.parametrize("function", [IN_SHOP, NUMBERED], ids=lambda function: function.namespace)
def test_the_arns_account_is_the_namespace(mayfly, function):
    partial = f"{function.namespace}:function:{function.name}"
    answers = [mayfly.invoke(function.arn, {}), mayfly.invoke(partial, {})]
    assert [answer.json["invoked_function_arn"] for answer in answers] == [function.arn] * 2


def test_a_header_names_the_namespace(mayfly):
    answer = mayfly.post(NAME, b"{}", {"X-Mayfly-Namespace": "shop"})
    assert answer.json["invoked_function_arn"] == IN_SHOP.arn


def test_the_arn_wins_over_the_header(mayfly):
    answer = mayfly.post(HERE.arn, b"{}", {"X-Mayfly-Namespace": "shop"})
    assert answer.json["invoked_function_arn"] == HERE.arn


@pytest.mark.parametrize("namespace", ["Shop", "a b", "", "x" * 64, "-shop", "shop/../default"])
def test_a_header_that_is_no_namespace_is_refused(mayfly, namespace):
    answer = mayfly.post(NAME, b"{}", {"X-Mayfly-Namespace": namespace})
    assert (answer.status, answer.error_code) == (400, "InvalidParameterValueException")


@pytest.fixture
def shops_sdk(mayfly):
    sdk = Sdk(mayfly.endpoint, access_key="shop")
    yield sdk
    sdk.close()


def test_an_access_key_that_is_a_namespace_names_it(shops_sdk):
    answer = shops_sdk.invoke(ONLY_IN_SHOP.name, b"{}")
    assert answer.json["invoked_function_arn"] == ONLY_IN_SHOP.arn


def test_the_header_wins_over_the_access_key(mayfly):
    signed = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=shop/20260101/us-east-1/lambda/aws4_request, Signature=0"
    }
    by_key = mayfly.post(NAME, b"{}", signed)
    by_header = mayfly.post(NAME, b"{}", signed | {"X-Mayfly-Namespace": "default"})
    assert by_key.json["invoked_function_arn"] == IN_SHOP.arn
    assert by_header.json["invoked_function_arn"] == HERE.arn


def test_any_other_access_key_means_the_default_namespace(mayfly):
    assert mayfly.invoke(HERE.name, {}).json["invoked_function_arn"] == HERE.arn
    assert mayfly.invoke(ONLY_IN_SHOP.name, {}).status == 404


def test_a_call_without_a_signature_means_the_default_namespace(mayfly):
    assert mayfly.post(TOLD[PYTHON.key].name, b"{}").status == 200


def test_the_functions_own_credentials_mean_its_namespace(mayfly):
    event = {"do": "invokes", "endpoint": mayfly.endpoint, "function": ONLY_IN_SHOP.name, "payload": {}}
    answer = mayfly.invoke(CALLER, event)
    assert answer.json["invoked_function_arn"] == ONLY_IN_SHOP.arn


CALLER = declare("calls-its-neighbour", namespace="shop")
