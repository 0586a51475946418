"""From a Lambda runtime's name to the command that the agent starts.

Rule: what takes seconds happens in `prepare`, once and with a word to the person who waits; a command that was
prepared starts at once.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mayfly_gateway.backends.local.errors import BootstrapError, RuntimeUnavailableError
from mayfly_gateway.backends.local.image_files import image_file
from mayfly_gateway.backends.local.installs import Progress
from mayfly_gateway.backends.local.interpreters import find_node, find_python, node_versions
from mayfly_gateway.backends.local.node_client import node_client
from mayfly_gateway.backends.local.python_client import can_stand_by, python_environment, site_packages
from mayfly_model.runtimes import RUNTIMES, Runtime, find_runtime

_BOOTSTRAP = "bootstrap"
_HANDLER = "$_HANDLER"
# As AWS starts Node.js, whose heap would otherwise follow the machine's memory and not the function's.
_HEAP = (("--max-semi-space-size", 0.05), ("--max-old-space-size", 0.9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """How a runtime is started before its function is known: see `mayfly_agent.standby`.

    `command` as there, `module` is the program that waits, `decisive` the variables that only a new process heeds.
    """

    command: tuple[str, ...]
    module: Path
    decisive: tuple[str, ...]

    def description(self, environment: Mapping[str, str]) -> dict[str, object]:
        """What the agent is told, for an instance whose functions have this environment by default."""
        return {
            "command": self.command,
            "environment": {**environment, "MAYFLY_STANDBY_MODULE": str(self.module)},
            "decisive": self.decisive,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeCommand:
    """How a runtime is started on this machine.

    `program` is the command line before the handler, empty for a runtime whose program is in the code; each of
    `memory_options` gets its share of the function's memory in MB; `folders` lead PATH; `directory` stands where AWS
    has /var/runtime; `environment` holds what this runtime alone needs; `version` is the text of INIT_START;
    `standby` is how it waits for its function, if it can.
    """

    name: str
    version: str
    program: tuple[str, ...] = ()
    memory_options: tuple[tuple[str, float], ...] = ()
    folders: tuple[str, ...] = ()
    directory: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    standby: Standby | None = None

    def argv(
        self, task_root: Path, handler: str, wrapper: str | None = None, memory_size: int | None = None
    ) -> tuple[str, ...]:
        """The command line for an instance whose code is at `task_root`; `memory_size` in MB.

        `wrapper` is the script that the function's AWS_LAMBDA_EXEC_WRAPPER names: it comes first, but before a
        `bootstrap`, which AWS starts alone,
        https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper
        """
        if not self.program:
            return (str(task_root / _BOOTSTRAP),)
        interpreter, *arguments = self.program
        memory = memory_size or 0
        options = [f"{name}={int(memory * share)}" for name, share in self.memory_options if memory]
        command = (interpreter, *options, *arguments, handler)
        return (wrapper, *command) if wrapper else command

    def check(self, code: Path) -> None:
        """Whether the code holds what the runtime starts.

        Raises:
            BootstrapError: a `provided` runtime finds no executable `bootstrap` there.
        """
        if self.program:
            return
        bootstrap = code / _BOOTSTRAP
        if not bootstrap.is_file():
            raise BootstrapError(
                f"{self.name} starts a file named bootstrap, and the code has none at its top"
            )
        if not os.access(bootstrap, os.X_OK):
            raise BootstrapError(
                f"{self.name} starts the file bootstrap, which is not executable: run `chmod +x bootstrap`"
                " before packing it (an archive made on Windows cannot say so)"
            )


def _silent(_: str) -> None:
    pass


async def prepare(runtime: str, progress: Progress = _silent) -> RuntimeCommand:
    """Find the runtime's interpreter and put its client beside it, which takes seconds the first time on a machine.

    Raises:
        UnknownRuntimeError: Lambda has no such runtime.
        RuntimeUnavailableError: this machine lacks the interpreter.
        InstallError: the runtime client cannot be installed.
    """
    known = find_runtime(runtime)
    match known.family:
        case "python":
            return await _prepare_python(known, progress)
        case "nodejs":
            return await _prepare_node(known, progress)
        case "provided":
            return RuntimeCommand(name=known.name, version=f"provided:{known.version}")


async def _prepare_python(runtime: Runtime, progress: Progress) -> RuntimeCommand:
    interpreter = await asyncio.to_thread(find_python, runtime.version)
    if interpreter is None:
        raise RuntimeUnavailableError(await asyncio.to_thread(_no_python, runtime))
    environment = await python_environment(interpreter, progress)
    packages = str(site_packages(environment))
    program = (str(environment / "bin/python"), "-m", "awslambdaric")
    return RuntimeCommand(
        name=runtime.name,
        version=f"python:{interpreter.version}",
        program=program,
        folders=(str(environment / "bin"),),
        directory=packages,
        environment={"PYTHONPATH": packages, "PYTHONNOUSERSITE": "1"},
        standby=_python_standby(environment, program),
    )


def _python_standby(environment: Path, program: tuple[str, ...]) -> Standby | None:
    # The agent of other systems cannot talk to one.
    if sys.platform != "linux" or not can_stand_by(environment):
        return None
    described = json.loads(image_file("python/standby.json").read_text())
    return Standby(
        command=(*program, _HANDLER),
        module=image_file("python/mayfly_standby.py"),
        decisive=tuple(described["decisive"]),
    )


def _no_python(missing: Runtime) -> str:
    pythons = (runtime for runtime in RUNTIMES.values() if runtime.family == "python")
    present = [runtime.name for runtime in pythons if find_python(runtime.version)]
    return _not_here(missing.name, present)


async def _prepare_node(runtime: Runtime, progress: Progress) -> RuntimeCommand:
    interpreter = await asyncio.to_thread(find_node, runtime.version)
    if interpreter is None:
        raise RuntimeUnavailableError(await asyncio.to_thread(_no_node, runtime))
    client = await node_client(interpreter, progress)
    return RuntimeCommand(
        name=runtime.name,
        version=f"nodejs:{interpreter.version}",
        program=(str(interpreter.path), "--expose-gc", str(client.script)),
        memory_options=_HEAP,
        folders=(str(interpreter.path.parent),),
        directory=str(client.directory),
        environment={"NODE_PATH": str(client.directory / "node_modules")},
    )


def _no_node(missing: Runtime) -> str:
    versions = {version.partition(".")[0]: version for version in node_versions()}
    present = [f"nodejs{major}.x (Node.js {version})" for major, version in versions.items()]
    return _not_here(f"{missing.name} (Node.js {missing.version})", present)


def _not_here(missing: str, present: list[str]) -> str:
    """One sentence: what is missing, what is there, what to do."""
    if not present:
        return f"{missing} is not on this machine, and no other version is: install it"
    verb = "is" if len(present) == 1 else "are"
    choice = "to it" if len(present) == 1 else "to one of these"
    return (
        f"{missing} is not on this machine; {_listed(present)} {verb}:"
        f" install it or set spec.runtime {choice}"
    )


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
