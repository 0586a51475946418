"""Things that are built once and kept: runtime clients beside their interpreters.

Rule: what stands in the cache is whole. It is built under another name and renamed, by one process at a time;
whoever waits for it, or ends early, leaves nothing half-done that another could take for the thing.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from mayfly_gateway.backends.local.errors import InstallError

Progress = Callable[[str], None]
"""Told what is being done, in words for a terminal, before something that takes seconds."""

_LOOK_AGAIN_S = 0.1


def cache_directory() -> Path:
    """Where installs are kept between runs: $MAYFLY_CACHE, else the user's cache folder."""
    own = os.environ.get("MAYFLY_CACHE")
    if own:
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mayfly"


async def installed(place: Path, build: Callable[[Path], Awaitable[None]]) -> Path:
    """`place`, built first if it is not there. `build` gets an empty directory that becomes `place`.

    Raises:
        InstallError: the cache cannot be written; and whatever `build` raises.
    """
    try:
        if not _is_there(place):
            async with _alone(place.with_name(f".{place.name}.lock")):
                if not _is_there(place):
                    await _build(place, build)
    except OSError as error:
        raise InstallError(
            f"{error.filename or place} cannot be written ({error.strerror}): make room there or set MAYFLY_CACHE"
        ) from error
    return place


def _is_there(place: Path) -> bool:
    place.parent.mkdir(parents=True, exist_ok=True)
    return place.is_dir()


async def _build(place: Path, build: Callable[[Path], Awaitable[None]]) -> None:
    draft = place.with_name(f".{place.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir()
        await build(draft)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextlib.asynccontextmanager
async def _alone(lock: Path) -> AsyncIterator[None]:
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOOK_AGAIN_S)
        yield


async def run(command: Sequence[str | Path], **environment: str) -> tuple[int, str]:
    """Run a program to its end; its status and everything it wrote. Cancelled, it ends with all its children."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=inherited | environment,
            start_new_session=True,
        )
    )
    try:
        # A cancelled start would end the program alone, and leave the children that it may have by then.
        process = await asyncio.shield(starting)
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process = await starting
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise
    return process.returncode or 0, output.decode("utf-8", "replace")
