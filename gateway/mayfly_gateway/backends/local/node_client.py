"""The Node.js runtime client: AWS's own where it can be built, ours of the same behaviour elsewhere.

Rule: the build is tried once. What came of it, the client or the reason why there is none, stays in the cache.
"""

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from mayfly_gateway.backends.local.image_files import image_file
from mayfly_gateway.backends.local.installs import Progress, cache_directory, installed, run
from mayfly_gateway.backends.local.interpreters import Interpreter

_PACKAGE = "aws-lambda-ric"
_REASON = "why-there-is-none.txt"
_TOOLS = ("npm", "autoreconf", "libtoolize", "cmake", "make", "g++", "python3")
# From 24 on AWS runs another line of its client, without callbacks.
_FIRST_OF_LINE_4 = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClient:
    """A runtime client: the script that takes the handler, and the directory that stands for /var/runtime."""

    script: Path
    directory: Path


async def node_client(interpreter: Interpreter, progress: Progress) -> NodeClient:
    """The client for this interpreter; building AWS's takes a minute the first time.

    $MAYFLY_NODE_CLIENT=own chooses ours even where AWS's could be built, and =built AWS's only if it has been.

    Raises:
        InstallError: the cache cannot be written.
    """
    choice = os.environ.get("MAYFLY_NODE_CLIENT")
    if choice == "own":
        return own_client()
    major = int(interpreter.version.partition(".")[0])
    source = image_file("nodejs/stock-4" if major >= _FIRST_OF_LINE_4 else "nodejs/stock-3")
    place = cache_directory() / "runtimes" / f"nodejs{major}-{_digest(interpreter, source)}"

    async def build(draft: Path) -> None:
        progress(f"building {_PACKAGE} for nodejs{major}.x (once, a minute or two)")
        reason = await _build(interpreter, source, draft)
        if reason:
            (draft / _REASON).write_text(
                f"{_PACKAGE} was not built: {reason}\nRemove this folder to try again.\n"
            )
            progress(
                f"{_PACKAGE} does not build here; functions run on Mayfly's own client ({place / _REASON})"
            )

    # A folder that is there tells, even if the tools are gone.
    if place.is_dir() or (choice != "built" and _can_build(interpreter)):
        await installed(place, build)
    if (place / "node_modules").is_dir():
        return NodeClient(script=place / "start.mjs", directory=place)
    return own_client()


def own_client() -> NodeClient:
    """The client that needs no build."""
    script = image_file("nodejs/bootstrap.mjs")
    return NodeClient(script=script, directory=script.parent)


def _digest(interpreter: Interpreter, source: Path) -> str:
    parts = (str(interpreter.path), interpreter.version, (source / "package-lock.json").read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _search_path(interpreter: Interpreter) -> str:
    return f"{interpreter.path.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _can_build(interpreter: Interpreter) -> bool:
    """AWS's client builds on Linux alone, with a compiler and the tools of its two libraries."""
    path = _search_path(interpreter)
    return sys.platform == "linux" and all(shutil.which(tool, path=path) for tool in _TOOLS)


async def _build(interpreter: Interpreter, source: Path, place: Path) -> str | None:
    """Build the client; why it could not be, or None."""
    shutil.copytree(source, place, dirs_exist_ok=True)
    settings = {"PATH": _search_path(interpreter), **_headers(interpreter)}
    status, output = await run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", place], **settings)
    if status == 0:
        status, output = await _load(interpreter, _native(place))
    if status != 0:
        shutil.rmtree(place / "node_modules", ignore_errors=True)
        return output.strip()[-2000:] or "no reason given"
    # What was needed for building alone must not be found by functions.
    built = (place / "node_modules").rename(place / "built")
    (place / "node_modules").mkdir()
    (built / _PACKAGE).rename(place / "node_modules" / _PACKAGE)
    shutil.rmtree(built)
    shutil.rmtree(place / "node_modules" / _PACKAGE / "deps", ignore_errors=True)
    return None


async def _load(interpreter: Interpreter, addon: Path) -> tuple[int, str]:
    # It wants the address when it is loaded, and calls it later.
    return await run(
        [interpreter.path, "--eval", f"require({json.dumps(str(addon))})"],
        AWS_LAMBDA_RUNTIME_API="127.0.0.1:1",
    )


def _native(place: Path) -> Path:
    """The compiled half, wherever this line of the client has it."""
    package = place / "node_modules" / _PACKAGE
    return next(package.rglob("rapid-client.node"), package / "rapid-client.node")


def _headers(interpreter: Interpreter) -> dict[str, str]:
    """Node's own headers where it brings them, so that they need no download."""
    prefix = interpreter.path.parent.parent
    return {"npm_config_nodedir": str(prefix)} if (prefix / "include/node/node_api.h").is_file() else {}
