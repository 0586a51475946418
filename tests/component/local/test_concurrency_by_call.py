"""The real boto3 reserves and provisions concurrency in the local mode; every answer is held against AWS's model."""

import pytest
from botocore.exceptions import ClientError
from tests.component.local.served import alias, function, refused, version

ARN = "arn:aws:lambda:local:default:function:hello"
UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
NO_VERSION = "The function resource provided must be an alias or a published version."


@pytest.fixture
def local(local):
    local.save(function("one"), version(1), alias("1"))
    return local


def reserved(hello):
    told = hello.get_function_concurrency().get("ReservedConcurrentExecutions")
    assert hello.get_function().get("Concurrency", {}).get("ReservedConcurrentExecutions") == told
    return told


def test_what_is_reserved_holds_until_it_is_given_back(local, hello):
    assert reserved(hello) is None
    hello.put_function_concurrency(ReservedConcurrentExecutions=0)
    assert reserved(hello) == 0
    with pytest.raises(local.client.exceptions.TooManyRequestsException) as caught:
        local.call()
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    hello.put_function_concurrency(ReservedConcurrentExecutions=3)
    assert (reserved(hello), local.call()) == (3, ("one", "$LATEST"))
    hello.delete_function_concurrency()
    hello.delete_function_concurrency()
    assert reserved(hello) is None


def test_what_is_reserved_by_call_stays_until_the_manifest_says_another_number(local, hello):
    hello.put_function_concurrency(ReservedConcurrentExecutions=3)
    local.save(function("two"), version(1), alias("1"))
    assert (reserved(hello), local.call()) == (3, ("two", "$LATEST"))
    local.save(function("two", reservedConcurrentExecutions=5), version(1), alias("1"))
    assert reserved(hello) == 5


def test_a_reservation_makes_no_version(local, hello):
    hello.put_function_concurrency(ReservedConcurrentExecutions=3)
    assert hello.publish_version()["Version"] == "1"


def test_enough_stays_unreserved(local, hello):
    local.save(function("one"), function("two", name="other", reservedConcurrentExecutions=800))
    hello.put_function_concurrency(ReservedConcurrentExecutions=100)
    assert refused(hello.put_function_concurrency, ReservedConcurrentExecutions=101) == (
        "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
        "below its minimum value of [100].",
    )
    assert reserved(hello) == 100


def test_only_functions_reserve(hello):
    code, message = refused(
        hello.put_function_concurrency, FunctionName="hello:1", ReservedConcurrentExecutions=1
    )
    assert (code, message.partition(".")[0]) == (
        "InvalidParameterValueException",
        "This operation is permitted on Lambda functions only",
    )
    unknown = {"FunctionName": "no", "ReservedConcurrentExecutions": 1}
    assert refused(hello.put_function_concurrency, **unknown) == (
        "ResourceNotFoundException",
        f"Function not found: {ARN.removesuffix('hello')}no:$LATEST",
    )


def test_versions_and_aliases_are_provisioned(local, hello):
    put = hello.put_provisioned_concurrency_config(Qualifier="live", ProvisionedConcurrentExecutions=2)
    assert (put["RequestedProvisionedConcurrentExecutions"], put["Status"]) == (2, "IN_PROGRESS")
    got = hello.get_provisioned_concurrency_config(Qualifier="live")
    assert got["RequestedProvisionedConcurrentExecutions"] == 2
    hello.delete_provisioned_concurrency_config(Qualifier="live")
    hello.delete_provisioned_concurrency_config(Qualifier="live")
    hello.put_provisioned_concurrency_config(Qualifier="1", ProvisionedConcurrentExecutions=3)
    (config,) = hello.list_provisioned_concurrency_configs()["ProvisionedConcurrencyConfigs"]
    assert (config["FunctionArn"], config["RequestedProvisionedConcurrentExecutions"]) == (f"{ARN}:1", 3)
    assert local.call("live") == ("one", "1")


def test_a_version_is_provisioned_by_itself_or_by_an_alias(local, hello):
    hello.put_provisioned_concurrency_config(Qualifier="1", ProvisionedConcurrentExecutions=1)
    assert refused(
        hello.put_provisioned_concurrency_config, Qualifier="live", ProvisionedConcurrentExecutions=1
    ) == (
        "ResourceConflictException",
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    )
    hello.delete_provisioned_concurrency_config(Qualifier="1")
    hello.put_provisioned_concurrency_config(Qualifier="live", ProvisionedConcurrentExecutions=1)
    assert refused(
        hello.put_provisioned_concurrency_config, Qualifier="1", ProvisionedConcurrentExecutions=1
    ) == ("ResourceConflictException", "Version is pointed by a Provisioned Concurrency alias")


def test_an_alias_takes_its_provisioned_concurrency_along(local, hello):
    hello.put_provisioned_concurrency_config(Qualifier="live", ProvisionedConcurrentExecutions=1)
    local.save(function("two"), version(1), version(2), alias("1"))
    assert refused(hello.update_alias, Name="live", FunctionVersion="$LATEST")[1] == UNPUBLISHED
    hello.put_provisioned_concurrency_config(Qualifier="2", ProvisionedConcurrentExecutions=1)
    assert refused(hello.update_alias, Name="live", FunctionVersion="2")[0] == "ResourceConflictException"
    hello.delete_provisioned_concurrency_config(Qualifier="2")
    hello.update_alias(Name="live", FunctionVersion="2")
    told = hello.get_provisioned_concurrency_config(Qualifier="live")
    assert told["RequestedProvisionedConcurrentExecutions"] == 1


def test_reserved_and_provisioned_concurrency_fit(hello):
    hello.put_function_concurrency(ReservedConcurrentExecutions=5)
    over = {"Qualifier": "live", "ProvisionedConcurrentExecutions": 6}
    assert refused(hello.put_provisioned_concurrency_config, **over)[1] == (
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
    )
    hello.put_provisioned_concurrency_config(Qualifier="live", ProvisionedConcurrentExecutions=4)
    assert refused(hello.put_function_concurrency, ReservedConcurrentExecutions=3)[1] == (
        " ReservedConcurrentExecutions  3 should not be lower than function's total provisioned concurrency [4]."
    )


@pytest.mark.parametrize(
    ("operation", "qualifier", "code", "message"),
    [
        ("put", "$LATEST", "InvalidParameterValueException", UNPUBLISHED),
        ("get", "$LATEST", "InvalidParameterValueException", NO_VERSION),
        ("delete", "$LATEST", "InvalidParameterValueException", NO_VERSION),
        ("put", "7", "ResourceNotFoundException", f"Function not found: {ARN}:7"),
        ("get", "no", "ResourceNotFoundException", f"Cannot find alias arn: {ARN}:no"),
        (
            "get",
            "1",
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
        ),
    ],
)
def test_errors_are_worded_as_on_aws(hello, operation, qualifier, code, message):
    number = {"ProvisionedConcurrentExecutions": 1} if operation == "put" else {}
    call = getattr(hello, f"{operation}_provisioned_concurrency_config")
    assert refused(call, Qualifier=qualifier, **number) == (code, message)


def test_a_qualifier_must_be_given(hello):
    for operation in ("get", "delete"):
        with pytest.raises(ClientError) as caught:
            getattr(hello, f"{operation}_provisioned_concurrency_config")()
        assert caught.value.response["Error"]["Code"] == "ValidationException"
