"""A function's code, from wherever its manifest says to a folder of each instance's own.

Rule: a snapshot never changes, and no two instances share a file, not even by a hard link: a function may write.
"""

import contextlib
import ctypes
import io
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mayfly_gateway.backends.local.archives import archive_entries, fetched
from mayfly_gateway.backends.local.errors import CodeError
from mayfly_gateway.backends.local.folders import folder_entries
from mayfly_gateway.backends.local.trees import CodeSnapshot, Entry, write_tree
from mayfly_model.function_code import Code

__all__ = ["CodeSnapshot", "copy_for_instance", "snapshot"]

_ATTEMPTS = 5
_NO_CONFIG_MAPS: Mapping[str, Mapping[str, str]] = {}


def snapshot(
    code: Code, base: Path, store: Path, config_maps: Mapping[str, Mapping[str, str]] = _NO_CONFIG_MAPS
) -> CodeSnapshot:
    """The code as it is now. Paths in it are relative to `base`; `store` keeps snapshots by their digest.

    Raises:
        CodeError: the code is missing, unreadable, unsafe or too large, or of a kind that needs a cluster.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _entries(code, base, config_maps) as entries:
                return write_tree(entries, store)
        except FileNotFoundError as error:
            # An editor that saves by renaming: the name is there again a moment later.
            if attempt == _ATTEMPTS:
                raise CodeError(f"{error.filename} changes while it is read: save again") from error
        except OSError as error:
            raise CodeError(f"{error.filename or 'the code'} cannot be read: {error.strerror}") from error
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _entries(
    code: Code, base: Path, config_maps: Mapping[str, Mapping[str, str]]
) -> Iterator[Iterator[Entry]]:
    if code.inline is not None:
        yield _text_entries(code.inline)
    elif code.directory is not None:
        yield folder_entries(base / code.directory)
    elif code.zip_file is not None:
        with archive_entries(base / code.zip_file, str(base / code.zip_file)) as entries:
            yield entries
    elif code.url is not None:
        with fetched(code.url, code.sha256 or "") as archive, archive_entries(archive, code.url) as entries:
            yield entries
    elif code.config_map is not None:
        if code.config_map.name not in config_maps:
            raise CodeError(f"ConfigMap {code.config_map.name} is in none of the manifests: add it")
        yield _text_entries(config_maps[code.config_map.name])
    else:
        kind = "image" if code.image is not None else "archive"
        raise CodeError(f"code.{kind} needs a cluster: here use inline, directory, zipFile or url")


def _text_entries(files: Mapping[str, str]) -> Iterator[Entry]:
    for path, text in files.items():
        content = text.encode("utf-8", "surrogateescape")
        # Text in a manifest has no mode: what names its interpreter is meant to be run.
        yield Entry(path=path, content=partial(_buffer, content), executable=text.startswith("#!"))


def _buffer(content: bytes) -> BinaryIO:
    return io.BytesIO(content)


def copy_for_instance(code: CodeSnapshot, destination: Path) -> None:
    """Give an instance its own copy of the code, at `destination`: a folder that is empty or not there.

    Raises:
        OSError: it cannot be written.
    """
    if not _clone(code.path, destination):
        shutil.copytree(code.path, destination, symlinks=True, copy_function=_copy_file, dirs_exist_ok=True)


def _clone(source: Path, destination: Path) -> bool:
    """On macOS a whole folder is cloned in one call, sharing what neither writes; False where that cannot be."""
    if sys.platform != "darwin":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.clonefile(os.fsencode(source), os.fsencode(destination), 0) == 0)


def _copy_file(source: str, destination: str) -> None:
    with Path(source).open("rb") as reader, Path(destination).open("xb") as writer:
        status = os.fstat(reader.fileno())
        _copy_content(reader, writer, status.st_size)
        os.fchmod(writer.fileno(), status.st_mode)
        writer.flush()
        # Bytecode is good for a source of exactly its time.
        os.utime(writer.fileno(), ns=(status.st_mtime_ns, status.st_mtime_ns))


def _copy_content(reader: BinaryIO, writer: BinaryIO, size: int) -> None:
    """Have the kernel copy, which copies nothing where the file system shares blocks; copy here where it cannot."""
    copied = 0
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            while done := os.copy_file_range(reader.fileno(), writer.fileno(), size - copied):
                copied += done
    if copied < size:
        reader.seek(0)
        writer.seek(0)
        shutil.copyfileobj(reader, writer)
