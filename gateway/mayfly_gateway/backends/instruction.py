"""The words that make a bare agent a function's, the same wherever the agent runs. Pure."""

from collections.abc import Mapping, Sequence

from mayfly_gateway.catalogue import ON_DEMAND, Target
from mayfly_model.limits import INIT_S, PROVISIONED_INIT_S


def instruction(
    target: Target,
    *,
    token: str,
    command: Sequence[str],
    directory: str,
    environment: Mapping[str, str],
    runtime_version: str,
) -> dict[str, object]:
    """The body of POST /specialise, for JSON. `command` is the runtime's, `directory` where its code is."""
    return {
        "token": token,
        "function": {
            "name": target.name,
            "version": target.version,
            "memorySize": target.memory_size,
            "timeout": target.timeout,
        },
        "command": list(command),
        "directory": directory,
        "environment": dict(environment),
        "runtimeVersion": runtime_version,
        "logFormat": target.spec.logging_config.log_format,
        "maxConcurrency": target.spec.max_concurrency,
        "initTimeout": _init_timeout(target),
        "enforceMemory": True,
    }


def _init_timeout(target: Target) -> float:
    """In seconds; as on AWS, what nobody waits for may take longer."""
    return INIT_S if target.initialization == ON_DEMAND else max(PROVISIONED_INIT_S, target.timeout)
