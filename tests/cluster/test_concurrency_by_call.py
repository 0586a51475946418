"""Reserved and provisioned concurrency by the AWS SDK and by kubectl: both see the same, and calls follow."""

import json

import pytest
from tests.cluster.accounts import function, until
from tests.cluster.shop import CODE, Shop


@pytest.fixture
def shop(account):
    account.deploy(function("hello", CODE.format(answer=0)))
    return Shop(account)


def spec(shop, kind, name):
    return shop.account.get(f"{kind}.mayfly.dev", name)["spec"]


def throttled(shop):
    """Whether calls are refused, each of some on whichever gateway it lands; None while they disagree."""
    found = set()
    for _ in range(8):
        try:
            shop.aws.invoke(FunctionName="hello")
            found.add(False)
        except shop.aws.exceptions.TooManyRequestsException as error:
            assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
            found.add(True)
    return found.pop() if len(found) == 1 else None


def test_what_is_reserved_is_in_the_function_and_holds(shop):
    shop.put_function_concurrency(ReservedConcurrentExecutions=0)
    assert spec(shop, "function", "hello")["reservedConcurrentExecutions"] == 0
    until(lambda: throttled(shop) is True, "nothing is admitted any more")
    shop.account.kubectl(
        "patch",
        "function.mayfly.dev",
        "hello",
        "--type=merge",
        '--patch={"spec":{"reservedConcurrentExecutions":5}}',
    )
    assert shop.get_function_concurrency()["ReservedConcurrentExecutions"] == 5
    assert shop.get_function()["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    until(lambda: throttled(shop) is False, "calls are admitted again")
    shop.delete_function_concurrency()
    assert "reservedConcurrentExecutions" not in spec(shop, "function", "hello")
    assert "Concurrency" not in shop.get_function()


def test_enough_stays_unreserved(shop):
    shop.put_function_concurrency(ReservedConcurrentExecutions=900)
    message = shop.refused(
        "InvalidParameterValueException", "put_function_concurrency", ReservedConcurrentExecutions=901
    )
    assert message.endswith("UnreservedConcurrentExecution below its minimum value of [100].")


def test_what_is_provisioned_is_in_the_alias_or_the_version(shop):
    shop.publish_version()
    shop.create_alias(Name="live", FunctionVersion="1")
    put = shop.put_provisioned_concurrency_config(Qualifier="live", ProvisionedConcurrentExecutions=2)
    assert put["Status"] == "IN_PROGRESS"
    assert spec(shop, "alias", "hello.live")["provisionedConcurrentExecutions"] == 2
    shop.refused(
        "ResourceConflictException",
        "put_provisioned_concurrency_config",
        Qualifier="1",
        ProvisionedConcurrentExecutions=1,
    )
    shop.delete_provisioned_concurrency_config(Qualifier="live")
    assert "provisionedConcurrentExecutions" not in spec(shop, "alias", "hello.live")
    before = spec(shop, "version", "hello.1")["configuration"]
    shop.put_provisioned_concurrency_config(Qualifier="1", ProvisionedConcurrentExecutions=3)
    after = spec(shop, "version", "hello.1")
    assert (after["provisionedConcurrentExecutions"], after["configuration"]) == (3, before)
    listed = until(
        lambda: shop.list_provisioned_concurrency_configs()["ProvisionedConcurrencyConfigs"],
        "every gateway lists it",
    )
    assert [each["FunctionArn"].rpartition(":")[2] for each in listed] == ["1"]
    told = shop.get_provisioned_concurrency_config(Qualifier="1")
    assert told["RequestedProvisionedConcurrentExecutions"] == 3
    shop.account.kubectl(
        "patch",
        "version.mayfly.dev",
        "hello.1",
        "--type=json",
        '--patch=[{"op":"remove","path":"/spec/provisionedConcurrentExecutions"}]',
    )
    shop.refused(
        "ProvisionedConcurrencyConfigNotFoundException", "get_provisioned_concurrency_config", Qualifier="1"
    )


def test_latest_is_not_provisioned(shop):
    patch = json.dumps({"spec": {"provisionedConcurrentExecutions": 1}})
    refusal = shop.account.kubectl(
        "patch", "version.mayfly.dev", "hello.latest", "--type=merge", f"--patch={patch}", fails=True
    )
    assert "not allowed with $LATEST" in refusal


def test_a_gateway_changes_nothing_else_of_functions_and_versions(shop):
    shop.publish_version()
    refusal = "a gateway changes what is reserved and provisioned, and nothing else"
    for kind, name, change in (
        ("function", "hello", {"memorySize": 512}),
        ("function", "hello", {"serviceAccountName": "admin", "reservedConcurrentExecutions": 1}),
        ("version", "hello.latest", {"description": "another"}),
        ("version", "hello.1", {"instances": 3}),
    ):
        assert refusal in as_gateway(shop, kind, name, change, fails=True)
    as_gateway(shop, "function", "hello", {"reservedConcurrentExecutions": 7})
    as_gateway(shop, "version", "hello.1", {"provisionedConcurrentExecutions": 7})


def as_gateway(shop, kind, name, change, *, fails=False):
    return shop.account.kubectl(
        "patch",
        f"{kind}.mayfly.dev",
        name,
        "--type=merge",
        f"--patch={json.dumps({'spec': change})}",
        "--as=system:serviceaccount:mayfly-system:mayfly-gateway",
        fails=fails,
    )
