"""Runs the functions of tests/functions on their real runtimes, with the environment that instances get."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.component.local.runtime_api import Runtime

from mayfly_gateway.backends.environment import InstancePaths, environment
from mayfly_gateway.backends.local.runtimes import RuntimeCommand, prepare
from mayfly_gateway.catalogue import target_of
from mayfly_model.function import FunctionSpec

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"


def prepared(runtime: str) -> RuntimeCommand:
    return asyncio.run(prepare(runtime))


@contextmanager
def running(
    runtime: str | RuntimeCommand,
    handler: str,
    code: Path,
    *,
    logging: dict[str, str] | None = None,
    telemetry: bool = False,
    called: str = "tested",
    **variables: str,
) -> Iterator[Runtime]:
    """A runtime process that has been started on the code, and awaits events from its own Runtime API."""
    command = prepared(runtime) if isinstance(runtime, str) else runtime
    spec = FunctionSpec.model_validate(
        {
            "runtime": command.name,
            "handler": handler,
            "code": {"directory": str(code)},
            "loggingConfig": logging or {},
        }
    )
    target = target_of(spec, cluster="local", namespace="default", name=called, digest="d")
    with tempfile.TemporaryDirectory() as tmp:
        paths = InstancePaths(task_root=code, tmp=Path(tmp))
        argv = command.argv(code, handler, variables.get("AWS_LAMBDA_EXEC_WRAPPER"), target.memory_size)
        whole = environment(target, command, paths, variables)
        with Runtime(list(argv), code, whole, telemetry=telemetry) as process:
            yield process
