"""What a function finds around it: variables, folders, dependencies, and nothing of the developer's."""

import base64
import re
from pathlib import Path

import pytest
from tests.conformance.functions import TOLD, declare, declare_object
from tests.conformance.holding import running
from tests.conformance.local_mode import DEVELOPER
from tests.conformance.runtimes import ALL, NODES, PROVIDED, PYTHON, PYTHONS, on, on_each_python, present

from mayfly_gateway.backends.local.node_client import own_client

LISTING = [*PYTHONS, *NODES]
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "oven-secrets"}}
declare_object(SECRET | {"data": {"OVEN_KEY": base64.b64encode(b"hot").decode(), "GREETING": "c2VjcmV0"}})
declare_object({
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "oven-settings"},
    "data": {"OVEN_HEAT": "220", "OVEN_KEY": "overridden"},
})  # fmt: skip
ENVIRONMENT = {
    "variables": {"GREETING": "grüezi", "EMPTY1": "", "TZ": "Europe/Zurich"},
    "secretRefs": ["oven-secrets"],
    "configMapRefs": ["oven-settings"],
}
WITH_VARIABLES = declare("has-variables", handler="app.env", environment=ENVIRONMENT, memorySize=256)
IN_JSON = declare(
    "logs-json", handler="app.env", loggingConfig={"logFormat": "JSON", "applicationLogLevel": "DEBUG"}
)
NOTING = declare("keeps-notes")
NOTING_TWICE = declare("keeps-notes-of-its-own", handler="more.note_and_hold")
NESTED = declare("is-nested", handler="nested/deeper/app.handler")
VENDORED = {
    "app.py": "import croissant, jmespath\n\n\ndef handler(event, context):\n"
    "    return {'croissant': croissant.BUTTER, 'jmespath': jmespath.__version__}\n",
    "croissant/__init__.py": "from croissant.dough import BUTTER\n",
    "croissant/dough.py": "BUTTER = 'much'\n",
    "jmespath/__init__.py": "__version__ = 'ours'\n",
}
SHADOWING = declare("brings-its-dependencies", handler="app.handler", code={"inline": VENDORED})
DATED = declare("keeps-its-time", handler="dated.handler", code={"inline": {
    "dated.py": "import time\n\n\ndef handler(event, context):\n    return time.strftime('%Z %z', time.localtime(0))\n"
}})  # fmt: skip


def env_of(mayfly, runtime):
    return mayfly.invoke(TOLD[runtime.key], {"do": "env"}).json


def expected(runtime, function):
    return {
        "_HANDLER": "told.handler",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime.identifier}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    }


@on(*LISTING)
def test_the_environment_has_what_every_stock_runtime_needs(mayfly, runtime):
    env = env_of(mayfly, runtime)
    wanted = expected(runtime, TOLD[runtime.key])
    assert {name: env.get(name) for name in wanted} == wanted
    assert re.fullmatch(r"127\.0\.0\.1:\d+", env["AWS_LAMBDA_RUNTIME_API"])
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", env["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"]
    assert env["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert env["LAMBDA_TASK_ROOT"] == env["PWD"]
    for name in ("LAMBDA_RUNTIME_DIR", "PATH", "LD_LIBRARY_PATH", "AWS_XRAY_DAEMON_ADDRESS"):
        assert env[name]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert env[name]


@on(*LISTING)
def test_nothing_else_is_in_the_environment(mayfly, runtime):
    env = env_of(mayfly, runtime)
    known = set(expected(runtime, TOLD[runtime.key])) | {
        "AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_REGION", "AWS_DEFAULT_REGION", "_X_AMZN_TRACE_ID",
        "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "PATH", "LD_LIBRARY_PATH", "PWD", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_ADDRESS",
        "_AWS_XRAY_DAEMON_PORT", "PYTHONPATH", "NODE_PATH", "HOME", "TMPDIR", "PYTHONNOUSERSITE",
        "AWS_ENDPOINT_URL_LAMBDA", "NODE_EXTRA_CA_CERTS",
    }  # fmt: skip
    # Python notes that it was started in the C locale; the descriptor for framed logs is the client's own business.
    assert set(env) - known - {"LC_CTYPE", "_LAMBDA_TELEMETRY_LOG_FD"} == set()


@on(*LISTING)
def test_nothing_of_the_developers_reaches_a_function(mayfly, runtime):
    env = env_of(mayfly, runtime)
    leaked = {name for name, value in env.items() for own in DEVELOPER.values() if own in value}
    assert not leaked
    assert "DEVELOPER_TOKEN" not in env


def test_a_functions_credentials_are_of_its_namespace_and_no_secret(mayfly):
    env = env_of(mayfly, PYTHON)
    assert env["AWS_ACCESS_KEY_ID"] == "default"


def test_a_functions_own_variables_are_there_the_more_particular_winning(mayfly):
    env = mayfly.invoke(WITH_VARIABLES, {}).json
    names = ("GREETING", "EMPTY1", "OVEN_KEY", "OVEN_HEAT", "TZ", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    assert [env[name] for name in names] == ["grüezi", "", "hot", "220", "Europe/Zurich", "256"]


def test_the_json_log_format_is_told_to_the_runtime(mayfly):
    env = mayfly.invoke(IN_JSON, {}).json
    assert (env["AWS_LAMBDA_LOG_FORMAT"], env["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "DEBUG")
    assert "AWS_LAMBDA_LOG_FORMAT" not in env_of(mayfly, PYTHON)


@on(*(runtime for runtime in ALL if runtime is not PROVIDED))
def test_the_context_has_the_functions_name_version_memory_and_log(mayfly, runtime):
    answer = mayfly.invoke(TOLD[runtime.key], runtime.event("context"))
    seen = {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower(): value for name, value in answer.json.items()}
    function = TOLD[runtime.key]
    assert seen["function_name"] == function.name
    assert seen["function_version"] == "$LATEST"
    assert seen["invoked_function_arn"] == function.arn
    assert int(seen["memory_limit_in_mb"]) == 128
    assert seen["log_group_name"] == f"/aws/lambda/{function.name}"
    assert seen["log_stream_name"]
    assert seen["aws_request_id"] == answer.request_id
    assert 0 < seen["remaining_ms"] <= 10_000
    assert seen["trace_id"] == answer.headers["x-amzn-trace-id"]


@on(*LISTING)
def test_the_trace_id_is_each_invocations_own(mayfly, runtime):
    answers = [mayfly.invoke(TOLD[runtime.key], {"do": "env"}) for _ in range(2)]
    seen = [answer.json["_X_AMZN_TRACE_ID"] for answer in answers]
    assert seen == [answer.headers["x-amzn-trace-id"] for answer in answers]
    assert seen[0] != seen[1]


def test_the_time_zone_is_utc(mayfly):
    assert mayfly.invoke(DATED, {}).json == "UTC +0000"


@pytest.mark.parametrize(
    ("version", "raw"), [("3.11", False), ("3.12", True), ("3.13", True)], ids=["3.11", "3.12", "3.13"]
)
def test_from_python_3_12_on_an_answer_holds_utf_8_and_before_it_escapes(mayfly, version, raw):
    function = next(
        (TOLD[python.key] for python in present(PYTHONS) if python.key == f"python{version}"), None
    )
    if function is None:
        pytest.skip(f"Python {version} is not on this machine")
    answer = mayfly.invoke(function, "grüezi 🦋")
    assert answer.body == ('"grüezi 🦋"'.encode() if raw else rb'"gr\u00fcezi \ud83e\udd8b"')
    assert answer.json == "grüezi 🦋"


@on_each_python
def test_the_handler_gets_the_event_parsed(mayfly, runtime):
    kinds = [mayfly.invoke(TOLD[runtime.key], {"do": "kind", "a": 1}).json]
    sent = b'{"do": "kind"}'
    if runtime.client == "stock":
        types = ("application/json; charset=utf-8", "text/plain", "application/x-amz-json-1.1")
        kinds += [mayfly.post(TOLD[runtime.key].name, sent, {"Content-Type": each}).json for each in types]
        kinds.append(mayfly.post(TOLD[runtime.key].name, sent).json)
    assert set(kinds) == {"dict"}


@on_each_python
def test_the_code_directory_is_first_on_the_path_and_where_it_runs(mayfly, runtime):
    seen = mayfly.invoke(TOLD[runtime.key], {"do": "surroundings"}).json
    env = seen["env"]
    assert seen["cwd"] == env["LAMBDA_TASK_ROOT"]
    path = [place or seen["cwd"] for place in seen["sysPath"]]
    assert path[0] == env["LAMBDA_TASK_ROOT"]
    assert path[1] == env["PYTHONPATH"] == env["LAMBDA_RUNTIME_DIR"]
    assert seen["version"].startswith(runtime.identifier.removeprefix("python"))


def test_dependencies_lie_in_the_code_directory_and_win_over_the_platforms(mayfly):
    assert mayfly.invoke(SHADOWING, {}).json == {"croissant": "much", "jmespath": "ours"}


def test_a_handler_may_lie_in_folders(mayfly):
    answer = mayfly.invoke(NESTED, {})
    assert (answer.status, answer.error) == (200, None)


@on_each_python
def test_the_aws_sdk_lies_beside_every_python_function(mayfly, runtime):
    event = {
        "do": "invokes",
        "endpoint": mayfly.endpoint,
        "function": TOLD[runtime.key].name,
        "payload": {"a": 1},
    }
    assert mayfly.invoke(TOLD[runtime.key], event).json == {"a": 1}


def test_tmp_survives_between_invocations_of_an_instance(mayfly):
    first = mayfly.invoke(NOTING, {"do": "remembers_files", "name": "one"}).json
    second = mayfly.invoke(NOTING, {"do": "remembers_files", "name": "two"}).json
    assert (first["tmp"], second["tmp"]) == (["one"], ["one", "two"])
    assert second["code"] == ["one", "two"]


def test_tmp_and_the_code_directory_are_each_instances_own(mayfly, tmp_path):
    with running(mayfly.invoke, tmp_path, NOTING_TWICE, NOTING_TWICE) as answers:
        pass
    notes = [answer.result().json for answer in answers]
    assert [(len(each["tmp"]), len(each["code"])) for each in notes] == [(1, 1)] * 2
    assert notes[0]["tmp"] != notes[1]["tmp"]


@pytest.mark.skipif(NODES[0].missing is not None, reason=str(NODES[0].missing))
def test_node_functions_run_on_awss_client_and_on_ours(mayfly):
    stock, own = (env_of(mayfly, runtime)["LAMBDA_RUNTIME_DIR"] for runtime in NODES)
    assert own == str(own_client().directory)
    if stock == own:
        pytest.skip("aws-lambda-ric does not build on this machine")
    assert (Path(stock) / "node_modules/aws-lambda-ric").is_dir()
