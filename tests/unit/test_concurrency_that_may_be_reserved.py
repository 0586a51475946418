"""What a function may reserve and provision of what its namespace may run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_gateway.lambda_api.limits import Limits
from mayfly_model.errors import InvalidParameterValueException

LIMITS = Limits(account=1000, unreserved=100)
BELOW = "account's UnreservedConcurrentExecution below its minimum value of [100]."


def reserve(wanted, now=None, *, others=0, provisioned=0):
    """What is wrong with it; nothing if it may be."""
    try:
        LIMITS.check_reservation(wanted, now, others=others, provisioned=provisioned)
    except InvalidParameterValueException as error:
        return error.message
    return ""


def provision(wanted, now=None, *, reserved=None, reservations=0, provisioned=0):
    """What is wrong with it; nothing if it may be."""
    try:
        LIMITS.check_provision(
            wanted, now, reserved=reserved, reservations=reservations, provisioned=provisioned
        )
    except InvalidParameterValueException as error:
        return error.message
    return ""


def test_all_but_the_minimum_may_be_reserved():
    assert reserve(900) == reserve(400, others=500) == reserve(0, others=950) == ""
    assert reserve(901).endswith(BELOW)
    assert reserve(401, others=500).endswith(BELOW)


def test_what_a_function_has_may_be_lowered_whatever_others_reserved():
    assert reserve(50, 60, others=950) == reserve(60, 60, others=950) == ""
    assert reserve(61, 60, others=950).endswith(BELOW)


def test_no_less_is_reserved_than_is_provisioned():
    assert reserve(5, provisioned=5) == ""
    assert reserve(4, 10, provisioned=5) == (
        " ReservedConcurrentExecutions  4 should not be lower than function's total provisioned concurrency [5]."
    )


def test_no_more_is_provisioned_than_is_reserved():
    assert provision(3, reserved=7, provisioned=4) == ""
    assert provision(4, reserved=7, provisioned=4) == (
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    )


def test_without_a_reservation_all_but_the_minimum_may_be_provisioned():
    assert provision(900) == provision(300, reservations=500, provisioned=100) == ""
    assert provision(901).endswith(BELOW)
    assert provision(1001).endswith("is greater than account's unreserved concurrency [1000].")


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000))
def test_what_is_granted_leaves_the_minimum(wanted, now, others):
    if reserve(wanted, now, others=others) == "":
        assert wanted <= now or 1000 - others - wanted >= 100


@pytest.mark.parametrize("account", [1, 100])
def test_a_small_namespace_reserves_nothing(account):
    with pytest.raises(InvalidParameterValueException):
        Limits(account, 100).check_reservation(1, None, others=0, provisioned=0)
    Limits(account, 100).check_reservation(0, None, others=0, provisioned=0)
