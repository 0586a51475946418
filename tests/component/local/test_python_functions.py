"""Python functions run on the stock client of every interpreter that is here, and see nothing else of the machine."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.component.local.functions import FUNCTIONS, prepared, running

from mayfly_gateway.backends.local.image_files import image_file
from mayfly_gateway.backends.local.interpreters import find_python
from mayfly_model.runtimes import RUNTIMES

CODE = FUNCTIONS / "python"
PYTHONS = [
    runtime.name
    for runtime in RUNTIMES.values()
    if runtime.family == "python" and find_python(runtime.version)
]
ANY = PYTHONS[0]

each_python = pytest.mark.parametrize("runtime", PYTHONS)


@each_python
def test_a_function_answers(runtime):
    with running(runtime, "app.echo", CODE) as function:
        assert function.api.invoke({"name": "Ada"}).value == {"name": "Ada"}
        assert function.api.invoke("grüezi").payload == (
            b'"gr\\u00fcezi"' if runtime == "python3.11" else '"grüezi"'.encode()
        )


@each_python
def test_its_interpreter_is_the_version_that_was_asked_for(runtime):
    command = prepared(runtime)
    assert command.version.startswith(f"python:{runtime.removeprefix('python')}.")
    with running(command, "app.places", CODE) as function:
        assert f"python:{function.api.invoke({}).value['version'].split()[0]}" == command.version


@each_python
def test_it_sees_its_code_first_and_none_of_the_machines_packages(runtime):
    command = prepared(runtime)
    with running(command, "app.places", CODE) as function:
        places = function.api.invoke({}).value
    assert places["cwd"] == places["sysPath"][0] == str(CODE)
    with_packages = [path for path in places["sysPath"] if "site-packages" in path or "dist-packages" in path]
    assert with_packages == [command.directory]


@each_python
def test_what_aws_puts_beside_a_function_is_there(runtime):
    command = prepared(runtime)
    imported = subprocess.run(
        [command.program[0], "-I", "-c", "import awslambdaric, boto3, runtime_client; print(boto3.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert imported.stdout.startswith(str(command.directory))


def test_a_python_path_of_the_functions_own_does_not_hide_the_client(tmp_path):
    (tmp_path / "extra.py").write_text("def handler(event, context):\n    return 'from the extra path'\n")
    with running(ANY, "extra.handler", CODE, PYTHONPATH=str(tmp_path)) as function:
        assert function.api.invoke({}).value == "from the extra path"


def test_its_own_copy_of_a_library_wins_over_the_one_beside_it(tmp_path):
    (tmp_path / "boto3").mkdir()
    (tmp_path / "boto3/__init__.py").write_text("__version__ = 'of the function'\n")
    (tmp_path / "app.py").write_text(
        "import boto3\n\n\ndef handler(event, context):\n    return boto3.__version__\n"
    )
    with running(ANY, "app.handler", tmp_path) as function:
        assert function.api.invoke({}).value == "of the function"


def test_an_instances_environment_is_all_there_is():
    with running(ANY, "app.env", CODE, GREETING="hi", TZ="Europe/Zurich") as function:
        variables = function.api.invoke({}).value
        # What the client itself sets, and what stands for the agent here.
        for name in ("_X_AMZN_TRACE_ID", "AWS_LAMBDA_RUNTIME_API"):
            variables.pop(name)
    assert variables["GREETING"] == "hi"
    assert variables["TZ"] == "Europe/Zurich"
    known = {
        "GREETING",
        "TZ",
        "PATH",
        "HOME",
        "LANG",
        "LC_CTYPE",
        "LD_LIBRARY_PATH",
        "PWD",
        "TMPDIR",
        "_HANDLER",
    }
    others = variables.keys() - known
    assert {name for name in others if not name.startswith(("AWS_", "_AWS_", "LAMBDA_", "PYTHON"))} == set()


@pytest.mark.parametrize("logging", [{}, {"logFormat": "JSON"}], ids=["text", "json"])
def test_its_log_level_records_are_written(logging):
    with running(ANY, "app.logs", CODE, logging=logging) as function:
        function.api.invoke({})
        lines = function.output().splitlines()
    assert "a plain line" in lines
    error = next(line for line in lines if "a record of level error" in line)
    assert error.startswith("[ERROR]\t") if not logging else json.loads(error)["level"] == "ERROR"


def test_a_wrapper_script_starts_the_runtime(tmp_path):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexport WRAPPED="$#"\nexec "$@"\n')
    wrapper.chmod(0o755)
    with running(ANY, "app.env", CODE, AWS_LAMBDA_EXEC_WRAPPER=str(wrapper)) as function:
        assert function.api.invoke({}).value["WRAPPED"] == "4"


def test_where_aws_builds_no_native_half_ours_takes_its_place(tmp_path):
    """As on macOS: the stand-in comes first on the path, so that it is imported here as well."""
    stand_in = tmp_path / "stand-in"
    stand_in.mkdir()
    (stand_in / "runtime_client.py").write_bytes(image_file("python/runtime_client.py").read_bytes())
    with running(ANY, "app.context_members", CODE, PYTHONPATH=str(stand_in)) as function:
        members = function.api.invoke({}, Client_Context='{"custom": {"k": "v"}}').value
        assert members["client_context"]["custom"] == {"k": "v"}
        assert 0 < members["remaining_ms"] <= 30_000
        assert members["cognito_identity_id"] is None
        assert function.api.invoke({}).value["client_context"] is None
    with running(ANY, "app.raise_error", CODE, PYTHONPATH=str(stand_in)) as function:
        posted = function.api.invoke({"message": "grüezi"})
        assert (posted.kind, posted.value["errorType"]) == ("error", "OutOfStock")
        function.api.events.put(("", b"", {}))
        status, _ = function.end()
        assert status != 0


@pytest.mark.parametrize(
    ("handler", "kind", "error_type"),
    [
        ("missing_module.handler", "init/error", "Runtime.ImportModuleError"),
        ("raises_at_import.handler", "init/error", "ZeroDivisionError"),
        ("syntax_error.handler", "init/error", "Runtime.UserCodeSyntaxError"),
        ("no_handler.handler", "init/error", "Runtime.HandlerNotFound"),
        ("nodot", "init/error", "Runtime.MalformedHandlerName"),
    ],
)
def test_an_init_that_fails_is_posted(handler, kind, error_type):
    with running(ANY, handler, CODE) as function:
        posted = function.api.posted.get(timeout=20)
        assert (posted.kind, posted.value["errorType"]) == (kind, error_type)
        assert function.end()[0] == 1


def test_a_handler_in_a_folder_is_found():
    with running(ANY, "nested/deeper/app.handler", CODE) as function:
        assert function.api.invoke({}).value == "nested.deeper.app"


def test_the_bootstrap_of_the_image_starts_the_same_client():
    command = prepared(ANY)
    python, bootstrap = Path(command.program[0]), image_file("python/bootstrap")
    by_image = type(command)(
        name=command.name,
        version=command.version,
        program=(str(bootstrap),),
        folders=command.folders,
        directory=command.directory,
        environment={**command.environment, "MAYFLY_PYTHON": str(python)},
    )
    with running(by_image, "app.places", CODE) as function:
        places = function.api.invoke({}).value
    assert places["executable"] == str(python)
    assert places["sysPath"][0] == str(CODE)
