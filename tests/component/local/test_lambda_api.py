"""The real boto3 asks the local mode for versions and aliases; every answer is held against AWS's model."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from tests.component.local.served import alias, function, refused, version

ARN = "arn:aws:lambda:local:default:function:hello"


@pytest.fixture
def local(local):
    local.save(function("one"))
    return local


def versions(hello):
    return [each["Version"] for each in hello.list_versions_by_function()["Versions"]]


def test_a_session_of_publishing_moving_rolling_back_and_deleting(local, hello):
    assert hello.publish_version(Description="the first")["Version"] == "1"
    assert hello.publish_version(Description="said otherwise")["Description"] == "the first"
    local.save(function("two", memorySize=256))
    second = hello.publish_version()
    assert (second["Version"], second["MemorySize"], second["FunctionArn"]) == ("2", 256, f"{ARN}:2")
    assert versions(hello) == ["$LATEST", "1", "2"]

    live = hello.create_alias(Name="live", FunctionVersion="1", Description="stable")
    assert live["AliasArn"] == f"{ARN}:live"
    assert local.call("live") == ("one", "1")
    moved = hello.update_alias(Name="live", FunctionVersion="2", RevisionId=live["RevisionId"])
    assert (moved["Description"], local.call("live")) == ("stable", ("two", "2"))
    code, _ = refused(hello.update_alias, Name="live", FunctionVersion="1", RevisionId=live["RevisionId"])
    assert code == "PreconditionFailedException"
    hello.update_alias(Name="live", FunctionVersion="1", RevisionId=moved["RevisionId"])
    assert local.call("live") == ("one", "1")

    assert refused(hello.delete_function, Qualifier="1") == (
        "ResourceConflictException",
        "Unable to delete version because the following aliases reference it: [live]",
    )
    hello.delete_alias(Name="live")
    hello.delete_alias(Name="live")
    assert "hello:live" in local.missing("live")
    hello.delete_function(Qualifier="1")
    hello.delete_function(Qualifier="1")
    assert versions(hello) == ["$LATEST", "2"]
    local.save(function("three"))
    assert hello.publish_version()["Version"] == "3"


def test_an_alias_with_a_weight_shares_its_calls(local, hello):
    hello.publish_version()
    local.save(function("two"))
    hello.publish_version()
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    assert (
        hello.create_alias(Name="live", FunctionVersion="1", RoutingConfig=weights)["RoutingConfig"]
        == weights
    )
    called = [local.call("live") for _ in range(60)]
    # Each of the two comes more seldom than that once in ten million runs.
    assert called.count(("one", "1")) > 10 < called.count(("two", "2"))
    cleared = hello.update_alias(Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert "RoutingConfig" not in cleared
    assert {local.call("live") for _ in range(20)} == {("one", "1")}


def test_manifests_and_calls_see_the_same(local, hello):
    local.save(function("one"), version(4, description="by hand"), alias("4", description="said"))
    assert versions(hello) == ["$LATEST", "4"]
    assert hello.get_function_configuration(Qualifier="4")["Description"] == "by hand"
    assert hello.get_alias(Name="live")["Description"] == "said"
    assert hello.get_function(Qualifier="live")["Configuration"]["FunctionArn"] == f"{ARN}:live"
    hello.create_alias(Name="beta", FunctionVersion="$LATEST")
    assert [each["Name"] for each in hello.list_aliases()["Aliases"]] == ["beta", "live"]
    assert [each["Name"] for each in hello.list_aliases(FunctionVersion="4")["Aliases"]] == ["live"]
    local.save(function("one", timeout=9), version(4), alias("4"))
    assert hello.get_function_configuration(Qualifier="beta")["Timeout"] == 9
    assert hello.get_function_configuration(Qualifier="live")["Timeout"] == 3


def test_what_is_saved_and_published_in_one_breath_is_what_is_published(local, hello):
    file = local.folder / "manifests" / "all.yaml"
    for number in range(1, 6):
        file.write_text(function(f"word{number}"))
        assert hello.publish_version()["Version"] == str(number)
        assert local.call(str(number)) == (f"word{number}", str(number))


def test_revision_ids_change_with_what_they_name(local, hello):
    first = hello.get_function_configuration()["RevisionId"]
    assert hello.get_function_configuration()["RevisionId"] == first
    published = hello.publish_version(RevisionId=first)
    second = hello.get_function_configuration()["RevisionId"]
    assert len({first, second, published["RevisionId"]}) == 3
    assert refused(hello.publish_version, RevisionId=first)[0] == "PreconditionFailedException"
    local.save(function("two"))
    assert hello.get_function_configuration()["RevisionId"] not in (first, second)
    assert hello.get_function_configuration(Qualifier="1")["RevisionId"] == published["RevisionId"]


def test_a_publication_of_other_code_than_expected_is_refused(local, hello):
    code = hello.get_function_configuration()["CodeSha256"]
    other = "A" * 43 + "="
    assert refused(hello.publish_version, CodeSha256=other) == (
        "InvalidParameterValueException",
        f"CodeSHA256 ({other}) is different from current CodeSHA256 in $LATEST ({code}). "
        "Please try again with the CodeSHA256 in $LATEST.",
    )
    assert hello.publish_version(CodeSha256=code)["CodeSha256"] == code


def test_lists_come_in_pages(local, hello):
    for number in range(1, 13):
        local.save(function(f"word{number}"))
        hello.publish_version()
        hello.create_alias(Name=f"alias{number:02}", FunctionVersion=str(number))
    listing = local.client.get_paginator("list_versions_by_function")
    pages = [
        [each["Version"] for each in page["Versions"]]
        for page in listing.paginate(FunctionName="hello", PaginationConfig={"PageSize": 5})
    ]
    assert pages == [["$LATEST", "1", "2", "3", "4"], ["5", "6", "7", "8", "9"], ["10", "11", "12"]]
    listing = local.client.get_paginator("list_aliases")
    pages = [
        len(page["Aliases"])
        for page in listing.paginate(FunctionName="hello", PaginationConfig={"PageSize": 7})
    ]
    assert pages == [7, 5]
    assert refused(hello.list_aliases, Marker="nothing")[0] == "InvalidParameterValueException"
    assert refused(hello.list_aliases, MaxItems=0)[0] == "ValidationException"


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "message"),
    [
        ("get_function", {"FunctionName": "no"}, "NotFound", "Function not found: …:no"),
        ("get_function", {"Qualifier": "7"}, "NotFound", "Function not found: …:hello:7"),
        ("get_function", {"Qualifier": "live"}, "NotFound", "Function not found: …:hello:live"),
        ("get_function_configuration", {"FunctionName": "no"}, "NotFound", "Function not found: …:no"),
        ("publish_version", {"FunctionName": "no"}, "NotFound", "Function not found: …:no"),
        ("list_versions_by_function", {"FunctionName": "no"}, "NotFound", "Function not found: …:no"),
        ("list_aliases", {"FunctionName": "no"}, "NotFound", "Function not found: …:no"),
        ("delete_function", {"FunctionName": "no", "Qualifier": "1"}, "NotFound", "Function not found: …:no"),
        ("get_alias", {"Name": "live"}, "NotFound", "Cannot find alias arn: …:hello:live"),
        ("update_alias", {"Name": "live"}, "NotFound", "Alias not found: …:hello:live"),
        ("delete_alias", {"FunctionName": "no", "Name": "a"}, "NotFound", "Function not found: …:no"),
        (
            "create_alias",
            {"Name": "live", "FunctionVersion": "7"},
            "NotFound",
            "Function not found: …:hello:7",
        ),
        (
            "create_alias",
            {"Name": "beta", "FunctionVersion": "1"},
            "ResourceConflictException",
            "Alias already exists: …:hello:beta",
        ),
        (
            "create_alias",
            {
                "Name": "live",
                "FunctionVersion": "$LATEST",
                "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}},
            },
            "InvalidParameterValueException",
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ),
        (
            "update_alias",
            {"Name": "beta", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
            "InvalidParameterValueException",
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
        (
            "delete_function",
            {"Qualifier": "$LATEST"},
            "InvalidParameterValueException",
            "$LATEST version cannot be deleted without deleting the function.",
        ),
        (
            "delete_function",
            {"Qualifier": "beta"},
            "InvalidParameterValueException",
            "Deletion of aliases is not currently supported.",
        ),
        (
            "publish_version",
            {"FunctionName": "hello:1"},
            "InvalidParameterValueException",
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
            "operation. Please specify either a function name or an unqualified function ARN.",
        ),
        (
            "get_function",
            {"FunctionName": "arn:aws:lambda:moon:default:function:hello"},
            "NotFound",
            "Functions from 'moon' are not reachable in this region ('local')",
        ),
    ],
)
def test_errors_are_worded_as_on_aws(local, hello, operation, parameters, code, message):
    hello.publish_version()
    hello.create_alias(Name="beta", FunctionVersion="1")
    expected = code.replace("NotFound", "ResourceNotFoundException"), message.replace("…:hello", ARN)
    expected = expected[0], expected[1].replace("…", ARN.removesuffix(":hello"))
    assert refused(getattr(hello, operation), **parameters) == expected


@pytest.mark.parametrize("name", ["LIVE", "my_alias", "-a", "latest", "x" * 64])
def test_an_alias_that_cannot_be_an_object_is_told_so(hello, name):
    code, message = refused(hello.create_alias, Name=name, FunctionVersion="$LATEST")
    assert (code, message.partition(":")[0]) == (
        "InvalidParameterValueException",
        f"The alias {name} cannot be the name of an object",
    )


def test_a_whole_function_is_deleted_by_its_manifest(local):
    status, headers, content = raw(local, "DELETE", "/2015-03-31/functions/hello")
    assert (status, headers["x-amzn-errortype"]) == (501, "NotImplementedException")
    assert "kubectl delete function" in content["message"]


def test_a_request_with_too_much_is_refused_unread(local):
    path = "/2015-03-31/functions/hello/versions"
    status, headers, _ = raw(local, "POST", path, json.dumps({"Description": "x" * 70_000}))
    assert (status, headers["x-amzn-errortype"]) == (413, "RequestTooLargeException")
    status, headers, _ = raw(local, "POST", path, "{")
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")
    assert raw(local, "POST", path, json.dumps({"Colour": "red"}))[0] == 201


def raw(local, method, path, body=None):
    """Status, headers by their names in lower case, and content of the answer to a request of one's own."""
    connection = http.client.HTTPConnection(urlsplit(local.gateway.url).netloc, timeout=30)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(answer.read())
    finally:
        connection.close()


def test_a_call_makes_no_alias_that_a_manifest_could_not(local, hello):
    rollout = {"type": "Canary", "percentage": 10, "intervalMinutes": 1}
    local.save(function("one"), version(1), alias("1", rollout=rollout))
    weights = {"AdditionalVersionWeights": {"1": 0.5}}
    local.save(function("two"), version(1), version(2), alias("1", rollout=rollout))
    code, message = refused(hello.update_alias, Name="live", FunctionVersion="2", RoutingConfig=weights)
    assert (code, message) == (
        "InvalidParameterValueException",
        "The alias cannot be so: rollout: not allowed with routing: a rollout shifts the calls by itself",
    )
