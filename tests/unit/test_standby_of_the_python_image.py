"""The Python images' standby is started as the gateway has functions started: else no function would ever get it."""

from pathlib import Path
from typing import Any

import pytest

from mayfly_agent.spawning import Spawn
from mayfly_agent.standby import Description, fits
from mayfly_gateway.backends.kubernetes.runtimes import words
from mayfly_gateway.catalogue import target_of
from mayfly_model.function import FunctionSpec
from mayfly_model.runtime_list import RuntimeImage

IMAGE = Path(__file__).resolve().parents[2] / "runtime-images/python"
STANDBY = Description((IMAGE / "standby.json").read_text())
RUNTIME = RuntimeImage(
    name="python3.13", family="python", version="3.13", image="i", bootstrap="/var/runtime/bootstrap"
)


def started(**spec: Any) -> Spawn:
    """How an agent would start this function."""
    whole = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": ""}}} | spec
    target = target_of(
        FunctionSpec.model_validate(whole), cluster="c", namespace="default", name="f", digest="d"
    )
    said: Any = words(target, RUNTIME, token="t", code=("files", "0" * 64), endpoint="http://gateway")
    environment = said["defaultEnvironment"] | said["environment"]
    return Spawn(said["command"], directory=said["directory"], environment=environment)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"environment": {"variables": {"TZ": "Asia/Tokyo", "DATABASE_URL": "x", "AWS_LAMBDA_LOG_X": "1"}}},
        {"loggingConfig": {"logFormat": "JSON", "applicationLogLevel": "DEBUG"}},
        {"memorySize": 3008, "timeout": 900},
    ],
    ids=["as declared at least", "variables", "structured logs", "another size"],
)
def test_a_function_gets_the_standby(spec: dict[str, Any]) -> None:
    assert fits(STANDBY, started(**spec))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTHONHASHSEED", "0"),
        ("PYTHONPATH", "/opt/python"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("LD_PRELOAD", "/opt/lib/x.so"),
        ("LD_LIBRARY_PATH", "/opt/lib"),
        ("MALLOC_TRIM_THRESHOLD_", "1"),
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0"),
        ("LANG", "C"),
        ("LC_TIME", "C"),
        ("HOME", "/var/task"),
        ("PATH", "/var/task/bin:/usr/bin"),
        ("OPENSSL_CONF", "/var/task/openssl.cnf"),
        ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/wrapper"),
    ],
)
def test_what_only_a_new_process_heeds_gets_one(name: str, value: str) -> None:
    assert not fits(STANDBY, started(environment={"variables": {name: value}}))
