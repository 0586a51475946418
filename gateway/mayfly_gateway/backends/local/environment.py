"""The complete environment of a runtime process: AWS's variables, the function's own, and nothing else.

Rule: nothing is inherited. What the developer's shell holds (credentials, paths, settings) cannot make a function
work here that would fail elsewhere, nor leak into it.

Names and values: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mayfly_gateway.backends.local.errors import MissingReferenceError
from mayfly_gateway.backends.local.runtimes import RuntimeCommand
from mayfly_gateway.catalogue import Target
from mayfly_model.environment import Environment

_SYSTEM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")
_XRAY_HOST, _XRAY_PORT = "127.0.0.1", "2000"
# Well-formed, and of no use to anybody: AWS refuses them, and the local gateway takes the key id for the namespace.
_SECRET_KEY = _SESSION_TOKEN = "mayfly-local"  # noqa: S105

Objects = Mapping[str, Mapping[str, str]]
"""Secrets or ConfigMaps of one namespace: the values, decoded, by object and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePaths:
    """An instance's own directories: where its code is, and what it has for /tmp."""

    task_root: Path
    tmp: Path


def function_variables(
    declared: Environment, config_maps: Objects, secret_objects: Objects
) -> dict[str, str]:
    """The function's own variables, the more particular winning: ConfigMaps, Secrets, then `variables`.

    Raises:
        MissingReferenceError: a Secret or ConfigMap that is named does not exist.
    """
    merged: dict[str, str] = {}
    for kind, names, objects in (
        ("ConfigMap", declared.config_map_refs, config_maps),
        ("Secret", declared.secret_refs, secret_objects),
    ):
        for name in names:
            if name not in objects:
                raise MissingReferenceError(
                    f"{kind} {name} is in none of the manifests: add it or drop the reference"
                )
            merged |= objects[name]
    return merged | declared.variables


def log_stream(version: str, now: datetime | None = None) -> str:
    """A new log stream's name, as AWS makes them: `2026/11/25/[$LATEST]<32 hex digits>`."""
    return f"{now or datetime.now(UTC):%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"


def environment(
    target: Target,
    runtime: RuntimeCommand,
    paths: InstancePaths,
    variables: Mapping[str, str],
    *,
    region: str = "us-east-1",
    endpoint: str | None = None,
) -> dict[str, str]:
    """Everything but AWS_LAMBDA_RUNTIME_API, which the agent adds.

    `variables` are the function's own: they override the defaults and never what Lambda reserves. `endpoint` is
    this gateway's address, so that an AWS SDK in the function calls its neighbours.
    """
    return {
        **_defaults(runtime, paths),
        **({"AWS_ENDPOINT_URL_LAMBDA": endpoint} if endpoint else {}),
        **variables,
        **_logging(target),
        **_reserved(target, runtime, paths, region),
    }


def _defaults(runtime: RuntimeCommand, paths: InstancePaths) -> dict[str, str]:
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
    }


def _logging(target: Target) -> dict[str, str]:
    config = target.spec.logging_config
    if config.log_format == "Text":
        return {}
    return {
        "AWS_LAMBDA_LOG_FORMAT": config.log_format,
        "AWS_LAMBDA_LOG_LEVEL": config.application_log_level or "INFO",
    }


def _reserved(target: Target, runtime: RuntimeCommand, paths: InstancePaths, region: str) -> dict[str, str]:
    task_root = str(paths.task_root)
    return {
        "_HANDLER": target.spec.handler_name,
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": runtime.directory or task_root,
        "PWD": task_root,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime.name}",
        "AWS_LAMBDA_FUNCTION_NAME": target.name,
        "AWS_LAMBDA_FUNCTION_VERSION": target.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(target.memory_size),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{target.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream(target.version),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": target.namespace,
        "AWS_SECRET_ACCESS_KEY": _SECRET_KEY,
        "AWS_SESSION_TOKEN": _SESSION_TOKEN,
    }
