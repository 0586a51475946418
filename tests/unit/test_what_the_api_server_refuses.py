"""What the Kubernetes API server refuses is told to AWS's clients in their terms."""

import pytest

from mayfly_gateway.backends.kubernetes.api import failure
from mayfly_gateway.backends.kubernetes.told import seen, told
from mayfly_model.conditions import Reason
from mayfly_model.errors import LambdaError
from mayfly_model.objects import RefusedError


def answer(error):
    """Status, code and message of what a caller is told."""
    with pytest.raises(LambdaError) as caught, told():
        raise error
    return caught.value.status, caught.value.code, caught.value.message


def refusal(status, message):
    return answer(failure(status, b'{"kind":"Status","code":%d,"message":"%s"}' % (status, message.encode())))


def test_a_rule_of_the_definition_is_a_wrong_value():
    message = "spec.routing: Invalid value: give another one"
    assert refusal(422, message) == (400, "InvalidParameterValueException", message)


def test_a_policy_of_the_cluster_denies_access():
    message = "aliases.mayfly.dev hello.live is forbidden: policy of the shop"
    assert refusal(403, message) == (403, "AccessDeniedException", message)


def test_a_namespace_that_is_nowhere_is_not_found():
    message = "namespaces shop not found"
    assert refusal(404, message) == (404, "ResourceNotFoundException", message)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_away_is_our_trouble(status):
    assert refusal(status, "later")[:2] == (500, "ServiceException")


def test_an_object_that_cannot_be_read_says_why():
    told_ = answer(RefusedError(Reason.INVALID_SPEC, "spec.runtime: missing"))
    assert told_ == (
        400,
        "InvalidParameterValueException",
        "The object cannot be read: spec.runtime: missing",
    )


def test_an_error_of_our_own_is_left_as_it_is():
    with pytest.raises(KeyError), told():
        raise KeyError("x")


async def test_what_was_written_is_waited_for_until_it_is_seen():
    looks = iter((False, False, True))
    await seen(lambda: next(looks))
    assert next(looks, None) is None
