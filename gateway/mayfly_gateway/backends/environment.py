"""The complete environment of a runtime process: AWS's variables, the function's own, and nothing else.

Rule: nothing is inherited. What a developer's shell or an image holds (credentials, paths, settings) cannot make a
function work here that would fail elsewhere, nor leak into it.

Names and values: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from mayfly_gateway.catalogue import Target

_SYSTEM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")
_XRAY_HOST, _XRAY_PORT = "127.0.0.1", "2000"
# Well-formed, and of no use to anybody: AWS refuses them, and the local gateway takes the key id for the namespace.
_SECRET_KEY = _SESSION_TOKEN = "mayfly-local"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePaths:
    """An instance's own directories: where its code is, and what it has for /tmp."""

    task_root: Path
    tmp: Path


class RuntimeFiles(Protocol):
    """Where a runtime's own files are: see `RuntimeCommand` of the local mode, `PodRuntime` of the cluster."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def folders(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def directory(self) -> str | None: ...  # noqa: D102
    @property
    def environment(self) -> Mapping[str, str]: ...  # noqa: D102


def log_stream(version: str, now: datetime | None = None) -> str:
    """A new log stream's name, as AWS makes them: `2026/11/25/[$LATEST]<32 hex digits>`."""
    return f"{now or datetime.now(UTC):%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"


def environment(
    target: Target,
    runtime: RuntimeFiles,
    paths: InstancePaths,
    variables: Mapping[str, str],
    *,
    region: str = "us-east-1",
    endpoint: str | None = None,
) -> dict[str, str]:
    """Everything but AWS_LAMBDA_RUNTIME_API, which the agent adds.

    `variables` are the function's own: they override the defaults and never what Lambda reserves. For `endpoint` see
    `defaults`.
    """
    return {
        **defaults(runtime, paths, endpoint=endpoint),
        **variables,
        **reserved(target, runtime, paths, region=region),
    }


def defaults(runtime: RuntimeFiles, paths: InstancePaths, *, endpoint: str | None = None) -> dict[str, str]:
    """What a function may override. `endpoint` is this gateway's address, so that an SDK in it calls its neighbours."""
    libraries = [str(paths.task_root), str(paths.task_root / "lib")]
    if runtime.directory:
        libraries = [runtime.directory, f"{runtime.directory}/lib", *libraries]
    return {
        # AWS's paths without its /opt: that is for layers there, and the developer's own here.
        "PATH": ":".join((*runtime.folders, *_SYSTEM_FOLDERS)),
        "LD_LIBRARY_PATH": ":".join(libraries),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        # AWS sets no HOME; without one, programs here would find the developer's and read ~/.aws.
        "HOME": str(paths.tmp),
        "TMPDIR": str(paths.tmp),
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": f"{_XRAY_HOST}:{_XRAY_PORT}",
        "_AWS_XRAY_DAEMON_ADDRESS": _XRAY_HOST,
        "_AWS_XRAY_DAEMON_PORT": _XRAY_PORT,
        **runtime.environment,
        **({"AWS_ENDPOINT_URL_LAMBDA": endpoint} if endpoint else {}),
    }


def reserved(
    target: Target, runtime: RuntimeFiles, paths: InstancePaths, *, region: str = "us-east-1"
) -> dict[str, str]:
    """What Lambda sets itself, whatever the function says."""
    task_root = str(paths.task_root)
    return {
        **_logging(target),
        "_HANDLER": target.spec.handler_name,
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": runtime.directory or task_root,
        "PWD": task_root,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime.name}",
        "AWS_LAMBDA_FUNCTION_NAME": target.name,
        "AWS_LAMBDA_FUNCTION_VERSION": target.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(target.memory_size),
        "AWS_LAMBDA_INITIALIZATION_TYPE": target.initialization,
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{target.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream(target.version),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": target.namespace,
        "AWS_SECRET_ACCESS_KEY": _SECRET_KEY,
        "AWS_SESSION_TOKEN": _SESSION_TOKEN,
    }


def _logging(target: Target) -> dict[str, str]:
    config = target.spec.logging_config
    if config.log_format == "Text":
        return {}
    return {
        "AWS_LAMBDA_LOG_FORMAT": config.log_format,
        "AWS_LAMBDA_LOG_LEVEL": config.application_log_level or "INFO",
    }
