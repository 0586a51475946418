"""How a pod starts a function: its image's bootstrap, its directories, its environment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mayfly_gateway.backends.environment import InstancePaths, defaults, reserved
from mayfly_gateway.backends.instruction import instruction
from mayfly_gateway.catalogue import Target
from mayfly_model.runtime_list import RuntimeImage

PATHS = InstancePaths(task_root=Path("/var/task"), tmp=Path("/tmp"))  # noqa: S108 - as the function sees it
_RUNTIME = "/var/runtime"
_MODULES = {"python": {"PYTHONPATH": _RUNTIME}, "nodejs": {"NODE_PATH": f"{_RUNTIME}/node_modules"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRuntime:
    """A runtime's files in its image; see `RuntimeFiles`."""

    name: str
    folders: tuple[str, ...] = ("/var/lang/bin",)
    directory: str | None = _RUNTIME
    environment: Mapping[str, str] = field(default_factory=dict)


def words(
    target: Target, runtime: RuntimeImage, *, token: str, code: tuple[str, str], endpoint: str | None
) -> dict[str, object]:
    """The instruction for an agent in a pod. `code` is the package's format and SHA-256.

    Variables from Secrets and ConfigMaps are in the pod's own environment, where the gateway cannot read them: the
    agent puts them between what a function may override and what it says itself.
    """
    files = PodRuntime(
        name=runtime.name,
        directory=None if runtime.family == "provided" else _RUNTIME,
        environment=_MODULES.get(runtime.family, {}),
    )
    variables = target.spec.environment.variables
    said = instruction(
        target,
        token=token,
        # The image's bootstrap starts AWS_LAMBDA_EXEC_WRAPPER, which may come from a Secret that nobody here reads.
        command=[runtime.bootstrap],
        directory=str(PATHS.task_root),
        environment={**variables, **reserved(target, files, PATHS)},
        runtime_version=f"{runtime.family}:{runtime.version}",
    )
    kind, sha256 = code
    return {
        **said,
        "revision": target.digest,
        # Whose it is, to whoever finds the pod before it is labelled.
        "versionName": target.source,
        "defaultEnvironment": defaults(files, PATHS, endpoint=endpoint),
        "code": {"format": kind, "sha256": sha256},
    }
