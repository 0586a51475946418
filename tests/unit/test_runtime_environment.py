"""A runtime's environment is AWS's and the function's, and nothing of the developer's."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mayfly_gateway.backends.environment import InstancePaths, environment, log_stream
from mayfly_gateway.backends.local.errors import MissingReferenceError
from mayfly_gateway.backends.local.runtimes import RuntimeCommand
from mayfly_gateway.backends.local.variables import function_variables
from mayfly_gateway.catalogue import target_of
from mayfly_model.environment import RESERVED_VARIABLES, Environment
from mayfly_model.function import FunctionSpec

PATHS = InstancePaths(task_root=Path("/instance/task"), tmp=Path("/instance/tmp"))
PYTHON = RuntimeCommand(
    name="python3.13",
    version="python:3.13.0",
    program=("/runtime/bin/python", "-m", "awslambdaric"),
    folders=("/runtime/bin",),
    directory="/runtime/packages",
    environment={"PYTHONPATH": "/runtime/packages", "PYTHONNOUSERSITE": "1"},
)


def built(variables=None, **spec):
    whole = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": ""}}, **spec}
    target = target_of(
        FunctionSpec.model_validate(whole), cluster="local", namespace="shop", name="hello", digest="d"
    )
    return environment(target, PYTHON, PATHS, variables or {})


def test_the_variables_of_a_text_logging_function():
    variables = built(memorySize=256)
    stream = variables.pop("AWS_LAMBDA_LOG_STREAM_NAME")
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
    assert variables == {
        "_HANDLER": "app.handler",
        "LAMBDA_TASK_ROOT": "/instance/task",
        "LAMBDA_RUNTIME_DIR": "/runtime/packages",
        "PWD": "/instance/task",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": "hello",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "shop",
        "AWS_SECRET_ACCESS_KEY": "mayfly-local",
        "AWS_SESSION_TOKEN": "mayfly-local",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "PATH": "/runtime/bin:/usr/local/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": "/runtime/packages:/runtime/packages/lib:/instance/task:/instance/task/lib",
        "PYTHONPATH": "/runtime/packages",
        "PYTHONNOUSERSITE": "1",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": "/instance/tmp",
        "TMPDIR": "/instance/tmp",
    }


def test_nothing_is_inherited(monkeypatch):
    monkeypatch.setenv("MY_SECRET", "of the developer")
    monkeypatch.setenv("AWS_PROFILE", "production")
    assert not {"MY_SECRET", "AWS_PROFILE"} & built().keys()


def test_json_logs_are_asked_for_with_their_level():
    assert built(loggingConfig={"logFormat": "JSON"})["AWS_LAMBDA_LOG_LEVEL"] == "INFO"
    debug = built(loggingConfig={"logFormat": "JSON", "applicationLogLevel": "DEBUG"})
    assert (debug["AWS_LAMBDA_LOG_FORMAT"], debug["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "DEBUG")


def test_the_functions_own_variables_override_defaults_and_never_what_lambda_reserves():
    assert built({"TZ": "Europe/Zurich"})["TZ"] == "Europe/Zurich"
    untouched = built()
    changed = built(dict.fromkeys(RESERVED_VARIABLES, "mine"))
    set_here = (set(RESERVED_VARIABLES) & untouched.keys()) - {"AWS_LAMBDA_LOG_STREAM_NAME"}
    assert {name: changed[name] for name in set_here} == {name: untouched[name] for name in set_here}
    assert changed["AWS_LAMBDA_LOG_STREAM_NAME"] != "mine"


def test_an_sdk_in_the_function_is_led_to_the_gateway_unless_the_function_says_where():
    target = target_of(
        FunctionSpec.model_validate(
            {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": ""}}}
        ),
        cluster="local",
        namespace="default",
        name="hello",
        digest="d",
    )
    led = environment(target, PYTHON, PATHS, {}, endpoint="http://127.0.0.1:9000")
    assert led["AWS_ENDPOINT_URL_LAMBDA"] == "http://127.0.0.1:9000"
    own = environment(
        target,
        PYTHON,
        PATHS,
        {"AWS_ENDPOINT_URL_LAMBDA": "http://elsewhere"},
        endpoint="http://127.0.0.1:9000",
    )
    assert own["AWS_ENDPOINT_URL_LAMBDA"] == "http://elsewhere"


def test_a_provided_function_has_no_runtime_directory_but_its_own():
    provided = RuntimeCommand(name="provided.al2023", version="provided:al2023")
    spec = FunctionSpec.model_validate(
        {"runtime": "provided.al2023", "code": {"inline": {"bootstrap": "#!/bin/sh"}}}
    )
    target = target_of(spec, cluster="local", namespace="default", name="shell", digest="d")
    variables = environment(target, provided, PATHS, {})
    assert variables["LAMBDA_RUNTIME_DIR"] == "/instance/task"
    assert variables["_HANDLER"] == "bootstrap"
    assert variables["LD_LIBRARY_PATH"] == "/instance/task:/instance/task/lib"


def test_a_log_streams_name_holds_the_day_the_version_and_chance():
    day = datetime(2026, 11, 25, tzinfo=UTC)
    first, second = log_stream("7", day), log_stream("7", day)
    assert re.fullmatch(r"2026/11/25/\[7\][0-9a-f]{32}", first)
    assert first != second


def test_the_more_particular_variable_wins():
    declared = Environment(
        variables={"own": "variable"}, secret_refs=("secrets", "more"), config_map_refs=("settings",)
    )
    variables = function_variables(
        declared,
        {"settings": {"own": "configmap", "shared": "configmap", "plain": "configmap"}},
        {"secrets": {"own": "secret", "shared": "secret"}, "more": {"shared": "later secret"}},
    )
    assert variables == {"own": "variable", "shared": "later secret", "plain": "configmap"}


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        (Environment(secret_refs=("gone",)), "Secret gone"),
        (Environment(config_map_refs=("gone",)), "ConfigMap gone"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(declared, named):
    with pytest.raises(MissingReferenceError, match=f"{named} is in none of the manifests"):
        function_variables(declared, {}, {})
