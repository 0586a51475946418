"""An error has the status, the fault and the spelling that AWS's clients expect of it."""

import json

import botocore.loaders
import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import RestJSONParser

from mayfly_model import errors
from mayfly_model.errors import LambdaError, TooManyRequestsException, function_not_found

SHAPES = botocore.loaders.Loader().load_service_model("lambda", "service-2")["shapes"]
CLASSES = [kind for kind in LambdaError.__subclasses__() if kind.__module__ == errors.__name__]
# AWS has these in common for all services, or not at all; the model of Lambda does not list them.
UNLISTED = {
    "NotImplementedException",
    "ServiceUnavailableException",
    "UnknownOperationException",
    "ValidationException",
}


def made(kind: type[LambdaError]) -> LambdaError:
    if kind is TooManyRequestsException:
        return TooManyRequestsException("ConcurrentInvocationLimitExceeded", "it broke")
    return kind("it broke")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_agrees_with_botocores_model(kind: type[LambdaError]):
    if kind.__name__ in UNLISTED:
        assert kind.__name__ not in SHAPES
        return
    shape = SHAPES[kind.__name__]
    body = json.loads(made(kind).body())
    assert kind.status == shape["error"]["httpStatusCode"]
    assert set(body) <= set(shape["members"])
    assert kind.message_key in shape["members"]
    assert (kind.type == "Service") == shape.get("fault", False)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_botocore_reads_code_and_message(kind: type[LambdaError]):
    error = made(kind)
    response = {"status_code": error.status, "headers": HeadersDict(error.headers()), "body": error.body()}
    parsed = RestJSONParser().parse(response, None)
    assert parsed["Error"] == {"Code": kind.__name__, "Message": "it broke"}


def test_an_unknown_function_is_named_by_its_arn_under_a_capital_message():
    error = function_not_found("arn:aws:lambda:local:default:function:nope:$LATEST")
    assert error.status == 404
    assert error.headers()["x-amzn-ErrorType"] == "ResourceNotFoundException"
    assert json.loads(error.body()) == {
        "Type": "User",
        "Message": "Function not found: arn:aws:lambda:local:default:function:nope:$LATEST",
    }


@pytest.mark.parametrize("reason", SHAPES["ThrottleReason"]["enum"])
def test_a_throttle_says_which_limit(reason):
    error = TooManyRequestsException(reason)
    assert error.status == 429
    assert json.loads(error.body()) == {"Reason": reason, "Type": "User", "message": "Rate Exceeded."}


def test_an_error_is_a_sentence_when_it_is_logged():
    assert str(errors.ValidationException("it broke")) == "it broke"


def test_a_body_is_ascii_whatever_the_message_holds():
    body = errors.ValidationException('é\udc80\n"').body()
    assert body.isascii()
    assert json.loads(body)["message"] == 'é\udc80\n"'
