"""Finds the interpreters that are on this machine.

Rule: what is handed out is the real program, found by asking it once: a version manager's shim is a slow
shell script that may refuse to run, and its answer changes with the directory it is called from.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# -I and -S: neither the developer's settings nor any site-packages take part.
_ASK_PYTHON = (
    "-I",
    "-S",
    "-c",
    "import sys, platform; print(platform.python_version(), sys._base_executable or sys.executable, sep='\\n')",
)
_ASK_NODE = ("-p", "process.versions.node + '\\n' + process.execPath")
_PATIENCE_S = 10


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A program that runs a language: its real path, and its whole version (`3.12.1`)."""

    path: Path
    version: str


def find_python(version: str) -> Interpreter | None:
    """The first CPython of this minor version (`3.12`): our own, PATH's, pyenv's, uv's."""
    return _first(_python_places(version), _ASK_PYTHON, version)


def find_node(major: str) -> Interpreter | None:
    """The first Node.js of this major version (`20`): PATH's, nvm's, fnm's, Homebrew's."""
    return _first(_node_places(major), _ASK_NODE, major)


def node_versions() -> list[str]:
    """The Node.js versions that PATH leads to, for messages."""
    found = (_ask(place, _ASK_NODE) for place in _on_path("node"))
    return list(dict.fromkeys(interpreter.version for interpreter in found if interpreter))


def _first(places: Iterator[Path], question: tuple[str, ...], version: str) -> Interpreter | None:
    for place in places:
        interpreter = _ask(place, question)
        if interpreter and interpreter.version.startswith(f"{version}."):
            return interpreter
    return None


def _ask(place: Path, question: tuple[str, ...]) -> Interpreter | None:
    try:
        return _answer(str(place), question)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


# Only answers are remembered: an interpreter that is installed later is found by the next call.
@cache
def _answer(program: str, question: tuple[str, ...]) -> Interpreter:
    answer = subprocess.run(
        (program, *question),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=True,
    )
    version, path = answer.stdout.splitlines()
    return Interpreter(path=Path(path), version=version)


def _python_places(version: str) -> Iterator[Path]:
    name = f"python{version}"
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield Path(getattr(sys, "_base_executable", None) or sys.executable)
    for place in _on_path(name):
        versions = place.parent.parent / "versions"
        if place.parent.name == "shims" and versions.is_dir():
            yield from _newest_first(versions, f"{version}.*/bin/{name}")
        else:
            yield place
    yield from _newest_first(_home("PYENV_ROOT", ".pyenv") / "versions", f"{version}.*/bin/{name}")
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR") or _home("XDG_DATA_HOME", ".local/share") / "uv/python"
    yield from _newest_first(Path(uv), f"cpython-{version}.*/bin/{name}")


def _node_places(major: str) -> Iterator[Path]:
    yield from _on_path("node")
    yield from _newest_first(_home("NVM_DIR", ".nvm") / "versions/node", f"v{major}.*/bin/node")
    fnm = Path(os.environ.get("FNM_DIR") or _home("XDG_DATA_HOME", ".local/share") / "fnm")
    yield from _newest_first(fnm / "node-versions", f"v{major}.*/installation/bin/node")
    for prefix in ("/opt/homebrew", "/usr/local"):
        yield Path(prefix, f"opt/node@{major}/bin/node")


def _on_path(name: str) -> Iterator[Path]:
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        place = Path(folder, name)
        if folder and os.access(place, os.X_OK) and place.is_file():
            yield place


def _home(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default)


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    def numbers(place: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", str(place.relative_to(folder)))]

    return sorted(folder.glob(pattern), key=numbers, reverse=True)
