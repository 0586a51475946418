"""The stock Python runtime client, installed once for each interpreter into a virtual environment of its own.

Rule: a function sees its own code, the standard library and what AWS puts beside it, and nothing that happens
to be installed on this machine.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from mayfly_gateway.backends.local.errors import InstallError
from mayfly_gateway.backends.local.image_files import image_file
from mayfly_gateway.backends.local.installs import Progress, cache_directory, installed, run
from mayfly_gateway.backends.local.interpreters import Interpreter

_REQUIREMENTS = "python/requirements.txt"
_STAND_IN = "python/runtime_client.py"
_HOOK = "python/local.pth"
# What a pip says that is not there, or that is older than the interpreter it is pointed at.
_PIP_UNFIT = ("No module named pip", "Traceback")


async def python_environment(interpreter: Interpreter, progress: Progress) -> Path:
    """The virtual environment that holds awslambdaric and boto3 for this interpreter.

    Raises:
        InstallError: it is not there yet and cannot be installed.
    """
    name = ".".join(interpreter.version.split(".")[:2])

    async def build(place: Path) -> None:
        progress(f"installing awslambdaric for python{name} (once)")
        await _create(interpreter, place)
        await _install(interpreter, place, name)
        await _complete(place)

    return await installed(cache_directory() / "runtimes" / f"python{name}-{_digest(interpreter)}", build)


def _digest(interpreter: Interpreter) -> str:
    parts = (str(interpreter.path), interpreter.version, image_file(_REQUIREMENTS).read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


async def _create(interpreter: Interpreter, place: Path) -> None:
    status, output = await run([interpreter.path, "-I", "-m", "venv", "--without-pip", place])
    if status != 0:
        raise InstallError(f"{interpreter.path} cannot make a virtual environment: {_last_line(output)}")


async def _install(interpreter: Interpreter, place: Path, name: str) -> None:
    wanted = ("--no-deps", "--require-hashes", "-r", str(image_file(_REQUIREMENTS)))
    status, output = 1, ""
    for pip in _pips(interpreter):
        status, output = await run([*_pip_for(pip, place), *wanted])
        if status == 0 or not any(sign in output for sign in _PIP_UNFIT):
            break
    if status != 0:
        raise InstallError(
            f"awslambdaric for python{name} could not be installed, which needs a Python package index once:"
            f" {_last_line(output)}"
        )


def _pip_for(interpreter: Path, place: Path) -> tuple[str, ...]:
    pip = (str(interpreter), "-I", "-m", "pip", "--python", str(place / "bin/python"))
    return (*pip, "install", "--quiet", "--no-input", "--disable-pip-version-check")


def _pips(interpreter: Interpreter) -> list[Path]:
    own = [Path(sys.executable)] if importlib.util.find_spec("pip") else []
    return [*own, interpreter.path]


async def _complete(place: Path) -> None:
    """AWS builds the client's native half for Linux alone; elsewhere ours of the same interface takes its place."""
    status, _ = await run([place / "bin/python", "-I", "-c", "import runtime_client"])
    if status != 0:
        shutil.copy(image_file(_STAND_IN), site_packages(place))


def site_packages(environment: Path) -> Path:
    """Where a virtual environment keeps its packages."""
    return next(environment.glob("lib/python*/site-packages"))


def can_stand_by(environment: Path) -> bool:
    """Whether the environment's interpreter waits where an agent tells it to; it is made to, if that can be."""
    hook, content = site_packages(environment) / "mayfly.pth", image_file(_HOOK).read_text()
    try:
        if not hook.exists() or hook.read_text() != content:
            draft = hook.with_name(f".{hook.name}.{os.getpid()}")
            draft.write_text(content)
            draft.replace(hook)
    except OSError:
        return False
    return True


def _last_line(output: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    return (errors or lines or ["no reason given"])[-1].strip()
