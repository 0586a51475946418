"""What $LATEST is made of: everything written out, and a revision that counts what instances depend on."""

import base64
import hashlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_model.function import Function, FunctionSpec
from mayfly_model.function_code import Code
from mayfly_model.objects import RefusedError, read_function, read_version
from mayfly_model.publishing import applied, code_digest, latest_version, packed
from mayfly_model.runtimes import RUNTIMES

SPEC = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "x = 1\n"}}}


def function(name="hello", **fields):
    return Function.model_validate({"metadata": {"name": name}, "spec": SPEC | fields})


def test_a_snapshot_says_everything_that_was_left_to_defaults():
    spec = applied(latest_version(function()))
    assert spec["functionName"] == "hello"
    assert spec["functionVersion"] == "$LATEST"
    assert spec["configuration"]["functionName"] == "hello"
    assert spec["configuration"]["memorySize"] == 128
    assert spec["configuration"]["ephemeralStorage"] == {"size": 512}
    assert "instances" not in spec


def test_a_snapshot_reads_back_as_it_was_written():
    written = latest_version(function(functionName="My_Fn"))
    stored = {"metadata": {"name": "hello.latest", "uid": "a"}, "spec": applied(written) | {"instances": 3}}
    version = read_version(stored)
    assert version.spec == written.model_copy(update={"instances": 3})
    assert version.is_latest


@pytest.mark.parametrize(
    "fields",
    [
        {"code": {"inline": {"app.py": "x = 2\n"}}},
        {"code": {"inline": {"app2.py": "x = 1\n"}}},
        {"handler": "app.other"},
        {"runtime": "python3.11"},
        {"functionName": "My_Fn"},
        {"memorySize": 256},
        {"timeout": 4},
        {"ephemeralStorage": {"size": 513}},
        {"serviceAccountName": "role"},
        {"environment": {"variables": {"MODE": "x"}}},
        {"environment": {"secretRefs": ["keys"]}},
        {"environment": {"configMapRefs": ["keys"]}},
        {"loggingConfig": {"logFormat": "JSON"}},
    ],
)
def test_what_instances_are_started_with_makes_another_revision(fields):
    assert latest_version(function(**fields)).revision != latest_version(function()).revision


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "new"},
        {"keepAlive": 1},
        {"reservedConcurrentExecutions": 7},
        {"publish": "OnChange"},
        {"eventInvokeConfig": {"maximumRetryAttempts": 0}},
        {"deadLetterConfig": {"sqs": {"queueUrl": "http://sqs/q"}}},
        {"recursiveLoop": "Allow"},
        {"memorySize": 128, "environment": {"variables": {}}},
    ],
)
def test_what_instances_do_not_see_leaves_them_running(fields):
    assert latest_version(function(**fields)).revision == latest_version(function()).revision


def test_every_field_is_counted_or_passed_over_on_purpose():
    passed_over = {
        "description",
        "reserved_concurrent_executions",
        "keep_alive",
        "event_invoke_config",
        "dead_letter_config",
        "recursive_loop",
        "publish",
    }
    counted = {
        *("function_name", "package_type", "runtime", "handler", "code", "memory_size", "timeout"),
        *("ephemeral_storage", "service_account_name", "environment", "logging_config"),
    }
    assert passed_over | counted == set(FunctionSpec.model_fields)


def test_an_archives_digest_is_the_one_that_aws_gives():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "x = 1\n")
    digest = hashlib.sha256(buffer.getvalue())
    for code in (
        {"archive": f"sha256:{digest.hexdigest()}"},
        {"url": "https://x/fn.zip", "sha256": digest.hexdigest()},
    ):
        assert latest_version(function(code=code)).code_sha256 == base64.b64encode(digest.digest()).decode()


def test_an_image_is_named_by_its_own_digest():
    assert code_digest(Code(image="registry/x@sha256:" + "0a" * 32)) == "0a" * 32
    assert code_digest(Code(image="registry/x:1")) != code_digest(Code(image="registry/x:2"))


def test_a_config_maps_files_are_copied():
    declared = function(code={"configMap": {"name": "code"}})
    copied = latest_version(declared, {"app.py": b"x = 1\n"})
    assert copied.configuration.code == Code(inline={"app.py": "x = 1\n"})
    assert copied.revision == latest_version(function()).revision


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "ConfigMap code: inline: found a mapping of 0"),
        ({"app.py": b"\xff"}, "ConfigMap code holds a file that is not text"),
        ({"app.py": b"x" * 900_001}, "ConfigMap code: inline: found 900001 bytes in all"),
    ],
)
def test_a_config_map_without_code_is_said(values, message):
    with pytest.raises(RefusedError) as caught:
        latest_version(function(code={"configMap": {"name": "code"}}), values)
    assert caught.value.reason == "CodeInvalid"
    assert caught.value.message.startswith(message)


@given(st.dictionaries(st.text(), st.text(), max_size=5))
def test_files_are_packed_alike_in_any_order(files):
    assert packed(files) == packed(dict(reversed(files.items())))


@given(st.dictionaries(st.text(), st.text(), max_size=3), st.dictionaries(st.text(), st.text(), max_size=3))
def test_other_files_are_packed_otherwise(one, other):
    assert (packed(one) == packed(other)) == (one == other)


def stored(**spec):
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Function",
        "metadata": {"name": "hello", "uid": "u", "managedFields": [{}], "generateName": "x"},
        "spec": SPEC | spec,
        "status": {"conditions": [], "aFieldOfLater": 1},
    }


def test_what_a_later_release_stored_is_read():
    read = read_function(stored(aFieldOfLater=1), runtimes=RUNTIMES)
    assert read.spec == function().spec


def test_a_runtime_is_looked_for_in_the_installations_list():
    with pytest.raises(RefusedError, match=r"^RuntimeNotFound: spec\.runtime: .*allowed: python3\.11$"):
        read_function(stored(), runtimes={"python3.11": RUNTIMES["python3.11"]})
    with pytest.raises(RefusedError, match=r"^InvalidSpec: spec\.memorySize: found 1;"):
        read_function(stored(memorySize=1, runtime="none"), runtimes=RUNTIMES)


def test_a_version_is_read_when_its_runtime_is_gone():
    spec = applied(latest_version(function()))
    spec["configuration"]["runtime"] = "python2.7"
    assert read_version({"metadata": {"name": "hello.latest"}, "spec": spec}).spec.configuration is not None


def test_a_revision_is_the_same_in_every_release():
    """Published versions keep theirs: a release that counts otherwise would refuse them all."""
    everything = function(
        description="any",
        memorySize=512,
        timeout=9,
        serviceAccountName="role",
        environment={"variables": {"MODE": "x"}, "secretRefs": ["keys"]},
        loggingConfig={"logFormat": "JSON"},
    )
    assert (
        latest_version(function()).revision
        == "14d35736c9c614887de1fe2af1d20a8b60e8120c0a26d386292326ec18e4b5d9"
    )
    assert (
        latest_version(everything).revision
        == "887220aa9710b21b931ffbc8371a77a544a53987b6524a2012e14a8ddc9ed7d4"
    )
