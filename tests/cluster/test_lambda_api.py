"""Versions and aliases by the AWS SDK and by kubectl: both see the same at every step, and calls follow."""

import concurrent.futures

import pytest
from tests.cluster.accounts import function, until
from tests.cluster.shop import CODE, Shop


@pytest.fixture
def shop(account):
    account.deploy(function("hello", CODE.format(answer='"zero"')))
    return Shop(account)


def test_a_release_from_the_first_version_to_the_deletion_of_it(shop):
    arn = f"arn:aws:lambda:cluster:{shop.account.name}:function:hello"
    shop.deploy("one")
    first = shop.publish_version(Description="the first")
    assert (first["Version"], first["FunctionArn"]) == ("1", f"{arn}:1")
    assert shop.publish_version()["Version"] == "1"
    shop.deploy("two", memorySize=256)
    second = shop.publish_version()
    assert (second["Version"], second["MemorySize"]) == ("2", 256)
    assert shop.aws_versions() == ["$LATEST", "1", "2"]
    assert shop.kubectl_versions() == ["1", "2", "latest"]
    assert shop.get_function_configuration(Qualifier="1")["Description"] == "the first"
    assert shop.account.get("version.mayfly.dev", "hello.1")["spec"]["description"] == "the first"

    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    alias = shop.create_alias(Name="live", FunctionVersion="1", RoutingConfig=weights)
    assert alias["AliasArn"] == f"{arn}:live"
    spec = shop.account.get("alias.mayfly.dev", "hello.live")["spec"]
    assert (spec["functionVersion"], spec["routing"]) == ("1", {"additionalVersion": "2", "weight": 0.5})
    shop.calls_lead_to("live", "1", "2")

    moved = shop.update_alias(
        Name="live",
        FunctionVersion="2",
        RoutingConfig={"AdditionalVersionWeights": {}},
        RevisionId=alias["RevisionId"],
    )
    assert "RoutingConfig" not in moved
    assert "routing" not in shop.account.get("alias.mayfly.dev", "hello.live")["spec"]
    shop.calls_lead_to("live", "2")
    assert shop.call("live") == ("2", "two")
    stale = shop.refused(
        "PreconditionFailedException",
        "update_alias",
        Name="live",
        FunctionVersion="1",
        RevisionId=alias["RevisionId"],
    )
    assert stale.startswith("The Revision Id provided does not match the latest Revision Id.")

    shop.update_alias(Name="live", FunctionVersion="1", RevisionId=moved["RevisionId"])
    shop.calls_lead_to("live", "1")
    assert shop.call("live") == ("1", "one")

    sentence = "Unable to delete version because the following aliases reference it: [live]"
    assert shop.refused("ResourceConflictException", "delete_function", Qualifier="1") == sentence
    until(
        lambda: shop.account.get("version.mayfly.dev", "hello.1")["status"].get("aliases") == ["live"],
        "the version says who refers to it",
    )
    assert sentence in shop.account.kubectl("delete", "version.mayfly.dev", "hello.1", fails=True)
    shop.delete_alias(Name="live")
    assert shop.account.kubectl("get", "aliases.mayfly.dev", "--output=name") == ""
    shop.delete_function(Qualifier="1")
    assert shop.aws_versions() == ["$LATEST", "2"]
    assert shop.kubectl_versions() == ["2", "latest"]
    shop.deploy("three")
    assert shop.publish_version()["Version"] == "3"


def test_what_kubectl_applies_is_what_the_sdk_sees(shop):
    version = {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Version",
        "metadata": {"name": "hello.4"},
        "spec": {"functionName": "hello", "description": "by hand"},
    }
    alias = {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Alias",
        "metadata": {"name": "hello.beta"},
        "spec": {"functionName": "hello", "functionVersion": "4"},
    }
    shop.account.apply(version, alias)
    until(lambda: shop.aws_versions() == ["$LATEST", "4"], "the SDK sees the version")
    assert shop.get_alias(Name="beta")["FunctionVersion"] == "4"
    assert shop.get_function(Qualifier="beta")["Configuration"]["Description"] == "by hand"
    shop.account.kubectl(
        "patch",
        "alias.mayfly.dev",
        "hello.beta",
        "--type=merge",
        '--patch={"spec":{"functionVersion":"$LATEST"}}',
    )
    assert shop.get_alias(Name="beta")["FunctionVersion"] == "$LATEST"
    assert [each["Name"] for each in shop.list_aliases(FunctionVersion="$LATEST")["Aliases"]] == ["beta"]
    shop.account.kubectl("delete", "alias.mayfly.dev", "hello.beta")
    assert shop.list_aliases()["Aliases"] == []


def test_many_who_publish_at_once_get_the_same_version(shop):
    for round_ in range(1, 6):
        shop.deploy(f"round {round_}")
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            calls = [pool.submit(shop.publish_version) for _ in range(20)]
            numbers = {call.result()["Version"] for call in calls}
        assert numbers == {str(round_)}
    assert shop.aws_versions() == ["$LATEST", "1", "2", "3", "4", "5"]


def test_many_who_move_an_alias_by_the_same_revision_are_one_too_many(shop):
    shop.publish_version()
    for _ in range(5):
        revision = (
            shop.create_alias(Name="live", FunctionVersion="1")["RevisionId"]
            if not shop.list_aliases()["Aliases"]
            else shop.get_alias(Name="live")["RevisionId"]
        )

        def move(number, revision=revision):
            try:
                shop.update_alias(Name="live", Description=f"{revision} {number}", RevisionId=revision)
            except shop.aws.exceptions.PreconditionFailedException:
                return False
            return True

        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(move, range(10))) == 1


def test_a_publication_right_after_a_change_publishes_the_change(shop):
    for number in range(1, 6):
        shop.account.apply(function("hello", CODE.format(answer=number)))
        assert shop.publish_version()["Version"] == str(number)
    shop.calls_lead_to("5", "5")
    assert [shop.call(str(number)) for number in range(1, 6)] == [(str(n), n) for n in range(1, 6)]


def test_what_is_not_there_is_told_as_on_aws(shop):
    arn = f"arn:aws:lambda:cluster:{shop.account.name}:function:hello"
    unknown = "ResourceNotFoundException"
    assert shop.refused(unknown, "get_function", Qualifier="7") == f"Function not found: {arn}:7"
    assert shop.refused(unknown, "get_alias", Name="live") == f"Cannot find alias arn: {arn}:live"
    assert shop.refused(unknown, "update_alias", Name="live") == f"Alias not found: {arn}:live"
    assert (
        shop.refused(unknown, "create_alias", Name="live", FunctionVersion="7")
        == f"Function not found: {arn}:7"
    )
    shop.delete_alias(Name="live")
    shop.delete_function(Qualifier="7")
    shop.refused("InvalidParameterValueException", "delete_function", Qualifier="$LATEST")
