"""What objects look like in AWS's form, each answer held against AWS's own model."""

import json

import pytest
from tests.conformance.aws_model import problems

from mayfly_gateway.backends.kubernetes import stored
from mayfly_gateway.lambda_api import shapes, states
from mayfly_model.publishing import applied, latest_version, publication_as

ARN = "arn:aws:lambda:local:shop:function:hello"
REQUEST = {"x-amzn-RequestId": "3ec6e4c2-1c04-4837-ba52-e25636ecd185"}
SPEC = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "handler = print"}}}


def metadata(name, **more):
    return {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-of-{name}",
        "generation": 2,
        "resourceVersion": "7",
        "creationTimestamp": "2026-11-25T02:33:48Z",
        **more,
    }


def function(*, status=None, uid=None, **spec):
    more = {} if uid is None else {"uid": uid}
    item = {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Function",
        "metadata": metadata("hello", **more),
        "spec": {**SPEC, **spec},
        "status": {"observedGeneration": 2, **(status or {})},
    }
    return stored.function(item)


def version(of, number=None, *, status=None, **metadata_):
    latest = latest_version(of.item)
    spec = latest if number is None else publication_as(number, latest, 0, "sale").spec
    item = {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Version",
        "metadata": metadata(f"hello.{number or 'latest'}", **metadata_),
        "spec": applied(spec),
        "status": status or {},
    }
    return stored.version(item)


def alias(*, status=None, **spec):
    item = {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Alias",
        "metadata": metadata("hello.live"),
        "spec": {"functionName": "hello", "functionVersion": "1", **spec},
        "status": status or {},
    }
    return stored.alias(item)


def ready(reason, *, status="False", revision=None, message="why"):
    condition = {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-25T02:33:48Z",
    }
    return {"conditions": [condition if revision is None else {**condition, "revision": revision}]}


def as_modelled(operation, answer, status=200):
    """The answer, which has nothing that AWS's model does not know."""
    assert problems(operation, status, REQUEST, json.dumps(answer).encode()) == []
    return answer


def test_a_function_is_what_its_object_says():
    hello = function(
        memorySize=256,
        timeout=10,
        description="greets",
        serviceAccountName="greeter",
        environment={"variables": {"GREETING": "hi"}},
        reservedConcurrentExecutions=7,
    )
    configuration = shapes.latest_configuration(hello, version(hello), ARN)
    answer = as_modelled("GetFunction", shapes.function_answer(configuration, hello.item.spec, 7))
    assert answer["Concurrency"] == {"ReservedConcurrentExecutions": 7}
    assert answer["Configuration"] == {
        "FunctionName": "hello",
        "FunctionArn": ARN,
        "Runtime": "python3.13",
        "Role": "arn:aws:iam::shop:role/greeter",
        "Handler": "app.handler",
        "CodeSize": len('{"app.py":"handler = print"}'),
        "Description": "greets",
        "Timeout": 10,
        "MemorySize": 256,
        "LastModified": "2026-11-25T02:33:48.000+0000",
        "CodeSha256": latest_version(hello.item).code_sha256,
        "Version": "$LATEST",
        "Environment": {"Variables": {"GREETING": "hi"}},
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": shapes.revision_id(hello),
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/hello"},
    }


def test_a_function_without_a_reservation_says_nothing_of_concurrency():
    hello = function()
    configuration = shapes.latest_configuration(hello, version(hello), ARN)
    answer = as_modelled("GetFunction", shapes.function_answer(configuration, hello.item.spec, None))
    assert "Concurrency" not in answer
    assert "Environment" not in answer["Configuration"]


@pytest.mark.parametrize(
    ("code", "location"),
    [
        ({"url": "https://a/b.zip", "sha256": "0" * 64}, {"Location": "https://a/b.zip"}),
        ({"archive": "sha256:" + "0" * 64}, {}),
        ({"image": "registry/hello:1"}, {"RepositoryType": "ECR", "ImageUri": "registry/hello:1"}),
    ],
)
def test_code_is_where_the_object_says(code, location):
    image = {"packageType": "Image", "runtime": None, "handler": None} if "image" in code else {}
    hello = function(code=code, **image)
    configuration = shapes.latest_configuration(hello, version(hello), ARN)
    answer = as_modelled("GetFunction", shapes.function_answer(configuration, hello.item.spec, None))
    assert answer["Code"] == location


def test_a_version_is_its_snapshot():
    hello = function(memorySize=256)
    first = version(hello, 1)
    answer = shapes.version_configuration(function(memorySize=512), first, f"{ARN}:1")
    as_modelled("GetFunctionConfiguration", answer)
    assert (answer["MemorySize"], answer["Version"], answer["FunctionArn"]) == (256, "1", f"{ARN}:1")
    assert (answer["Description"], answer["CodeSha256"]) == ("sale", first.item.spec.code_sha256)
    assert answer["RevisionId"] != shapes.revision_id(hello)


def test_lists_say_nothing_of_states():
    hello = function(status=ready("RuntimeNotFound"))
    answer = shapes.listed(shapes.latest_configuration(hello, None, f"{ARN}:$LATEST"))
    as_modelled("ListVersionsByFunction", {"Versions": [answer]})
    assert not [name for name in answer if "State" in name or "Update" in name]


def test_json_logs_have_levels():
    hello = function(loggingConfig={"logFormat": "JSON", "systemLogLevel": "WARN"})
    answer = as_modelled("GetFunctionConfiguration", shapes.latest_configuration(hello, version(hello), ARN))
    assert answer["LoggingConfig"] == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "WARN",
        "LogGroup": "/aws/lambda/hello",
    }


def test_an_alias_is_what_its_object_says():
    routed = alias(description="stable", routing={"additionalVersion": "2", "weight": 0.1})
    answer = as_modelled("GetAlias", shapes.alias_configuration(routed, f"{ARN}:live"))
    revision = answer.pop("RevisionId")
    assert answer == {
        "AliasArn": f"{ARN}:live",
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "stable",
        "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}},
    }
    plain = as_modelled("GetAlias", shapes.alias_configuration(alias(), f"{ARN}:live"))
    assert plain["RevisionId"] == revision
    assert "RoutingConfig" not in plain


def test_a_function_was_modified_when_its_spec_was():
    hello = function()
    fields = [
        {"time": "2026-11-26T00:00:00Z", "manager": "kubectl"},
        {"time": "2026-11-27T00:00:00Z", "manager": "mayfly-operator", "subresource": "status"},
    ]
    item = {"metadata": metadata("hello", managedFields=fields), "spec": SPEC, "kind": "Function"}
    assert shapes.timestamp(stored.function(item).changed) == "2026-11-26T00:00:00.000+0000"
    assert shapes.timestamp(hello.changed) == "2026-11-25T02:33:48.000+0000"


def outcome(hello, latest):
    answer = shapes.latest_configuration(hello, latest, ARN)
    as_modelled("GetFunctionConfiguration", answer)
    return answer.get("State"), answer.get("StateReasonCode"), answer.get("LastUpdateStatus")


def test_a_function_is_pending_until_it_has_a_latest():
    hello = function(status={"observedGeneration": None})
    assert outcome(hello, None) == ("Pending", "Creating", "InProgress")


def test_a_change_is_in_progress_until_it_is_observed():
    hello = function(status={"observedGeneration": 1})
    assert outcome(hello, version(hello)) == ("Active", None, "InProgress")


def test_what_cannot_be_created_has_failed():
    hello = function(status=ready("ConfigMapNotFound"), code={"configMap": {"name": "code"}})
    assert outcome(hello, None) == ("Failed", "InvalidConfiguration", "Failed")


def test_a_change_that_failed_leaves_the_function_active():
    hello = function(status=ready("InvalidSpec"))
    latest = version(hello)
    assert outcome(hello, latest) == ("Active", None, "Failed")
    answer = shapes.latest_configuration(hello, latest, ARN)
    assert answer["LastUpdateStatusReason"] == "InvalidSpec: why"


@pytest.mark.parametrize(
    ("reason", "code"),
    [("RuntimeNotFound", "InvalidRuntime"), ("CodeNotFound", "InvalidZipFileException"), ("Unheard", None)],
)
def test_a_function_fails_by_what_stays_so(reason, code):
    hello = function()
    revision = latest_version(hello.item).revision
    hello, latest = (
        function(status=ready(reason, revision=revision)),
        version(hello, status=ready(reason, revision=revision)),
    )
    assert outcome(hello, latest)[:2] == (("Failed", code) if code else ("Active", None))


@pytest.mark.parametrize("reason", ["InitFailed", "QuotaExceeded", "Unschedulable", "InstancesCrashing"])
def test_what_may_pass_is_no_state(reason):
    hello = function()
    latest = version(hello, status=ready(reason, revision=latest_version(hello.item).revision))
    assert outcome(hello, latest) == ("Active", None, "Successful")


def test_a_version_has_a_state_of_its_own():
    hello = function()
    bad = version(hello, 1, status=ready("ImagePullFailed"))
    assert states.state(bad).members("State") == {
        "State": "Failed",
        "StateReason": "ImagePullFailed: why",
        "StateReasonCode": "InvalidImage",
    }


def test_a_patch_says_what_differs_and_no_more():
    before = {
        "functionVersion": "1",
        "description": "a",
        "routing": {"additionalVersion": "2", "weight": 0.1},
    }
    assert stored.differences(before, before) == {}
    assert stored.differences(before, {**before, "functionVersion": "3"}) == {"functionVersion": "3"}
    assert stored.differences(before, {"functionVersion": "1", "description": "a"}) == {"routing": None}
    assert stored.differences({"functionVersion": "1"}, before) == {
        "description": "a",
        "routing": before["routing"],
    }


def provisioned(number=5, *, routing=None, told=None, serves="1"):
    status = {"functionVersion": serves, **({"provisionedConcurrency": told} if told else {})}
    more = {"routing": routing} if routing else {}
    item = alias(status=status, provisionedConcurrentExecutions=number, **more)
    answer = as_modelled("GetProvisionedConcurrencyConfig", shapes.provisioned(item))
    assert answer.pop("LastModified") == "2026-11-25T02:33:48.000+0000"
    return tuple(answer.values())


READY = {"requested": 5, "allocated": 5, "available": 5, "status": "READY"}


def test_provisioned_concurrency_is_in_progress_until_the_status_says_otherwise():
    assert provisioned() == (5, 0, 0, "IN_PROGRESS")
    assert provisioned(told={**READY, "available": 3, "status": "IN_PROGRESS"}) == (5, 5, 3, "IN_PROGRESS")
    assert provisioned(told=READY) == (5, 5, 5, "READY")


def test_provisioned_concurrency_of_another_number_is_in_progress():
    assert provisioned(7, told=READY) == (7, 5, 5, "IN_PROGRESS")


def test_provisioned_concurrency_is_in_progress_while_its_alias_moves():
    assert provisioned(told=READY, serves="2") == (5, 5, 5, "IN_PROGRESS")
    assert provisioned(told=READY, routing={"additionalVersion": "2", "weight": 0.1})[3] == "IN_PROGRESS"


def test_provisioned_concurrency_that_failed_says_why():
    reason = "FUNCTION_ERROR_INIT_FAILURE"
    failed = {"requested": 5, "status": "FAILED", "statusReason": reason}
    assert provisioned(told=failed) == (5, 0, 0, "FAILED", reason)


def test_what_is_asked_for_of_a_version_is_its_own():
    hello = function()
    item = {
        "metadata": metadata("hello.1"),
        "spec": {**applied(version(hello, 1).item.spec), "provisionedConcurrentExecutions": 3},
        "status": {"provisionedConcurrency": {**READY, "requested": 3}},
    }
    asked = stored.version(item)
    answer = as_modelled("GetProvisionedConcurrencyConfig", shapes.provisioned(asked))
    assert (answer["RequestedProvisionedConcurrentExecutions"], answer["Status"]) == (3, "READY")
    begun = as_modelled("PutProvisionedConcurrencyConfig", shapes.provision_begun(asked, 3), 202)
    assert begun["Status"] == "IN_PROGRESS"
