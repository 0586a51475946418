"""Reads a zip archive of code, and fetches one.

Rule: an archive is somebody's claim. Its size, its names and its kinds of entries are checked before anything of
it is written; a fetched one is what its SHA-256 says or nothing.
"""

import contextlib
import hashlib
import http.client
import lzma
import os
import stat
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from mayfly_gateway.backends.local.errors import CodeError
from mayfly_gateway.backends.local.trees import Entry
from mayfly_model.limits import UNPACKED_CODE_BYTES, ZIP_BYTES

_MB = 1_048_576
_CHUNK = 1 << 16
_PATIENCE_S = 30
_FETCH_S = 120
"""Seconds for the whole archive."""
_LINK_BYTES = 4096
_UNIX = 3
_ENCRYPTED = 0x1
# What zipfile raises for an archive that somebody damaged.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)


@contextlib.contextmanager
def archive_entries(archive: Path, name: str) -> Iterator[Iterator[Entry]]:
    """What the zip archive holds, for as long as the context lasts; `name` stands for it in messages.

    Raises:
        CodeError: it is not there, not a zip archive, damaged, too large, or holds what code cannot be.
    """
    try:
        if archive.stat().st_size > ZIP_BYTES:
            raise CodeError(f"{name} is larger than {ZIP_BYTES // _MB} MB, Lambda's limit for an archive")
        with zipfile.ZipFile(archive) as opened:
            yield (_entry(opened, info) for info in _checked(opened, name))
    except FileNotFoundError as error:
        raise CodeError(f"{name} is not there: correct code.zipFile") from error
    except _UNREADABLE as error:
        raise CodeError(f"{name} is not a zip archive that can be read: {error}") from error


def _checked(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    # Of entries of one name the last counts, as for unzip.
    entries = list({_path(info): info for info in archive.infolist() if _path(info)}.values())
    if sum(info.file_size for info in entries) > UNPACKED_CODE_BYTES:
        raise CodeError(f"{name} is larger than {UNPACKED_CODE_BYTES // _MB} MB unpacked, Lambda's limit")
    for info in entries:
        if info.flag_bits & _ENCRYPTED:
            raise CodeError(f"{name} holds {info.filename!r} encrypted, which Lambda cannot read")
        if stat.S_IFMT(_mode(info)) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise CodeError(f"{name} holds {info.filename!r}, which is neither a file, a folder nor a link")
    return entries


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    if info.is_dir():
        return Entry(path=_path(info))
    if stat.S_ISLNK(_mode(info)):
        target = archive.read(info) if info.file_size <= _LINK_BYTES else b"/"
        return Entry(path=_path(info), target=os.fsdecode(target))
    return Entry(
        path=_path(info), content=partial(_open, archive, info), executable=bool(_mode(info) & 0o111)
    )


def _path(info: zipfile.ZipInfo) -> str:
    return info.filename.removeprefix("./").rstrip("/")


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> AbstractContextManager[BinaryIO]:
    return cast(AbstractContextManager[BinaryIO], archive.open(info))


def _mode(info: zipfile.ZipInfo) -> int:
    """The Unix mode; an archive made elsewhere has none, and so no executable files."""
    return info.external_attr >> 16 if info.create_system == _UNIX else 0


@contextlib.contextmanager
def fetched(url: str, sha256: str) -> Iterator[Path]:
    """The archive at an http(s) address, for as long as the context lasts.

    Raises:
        CodeError: it cannot be fetched, is too large, or is another than the SHA-256 says.
    """
    with tempfile.NamedTemporaryFile(prefix="mayfly-", suffix=".zip") as file:
        try:
            found = _fetch(url, cast(BinaryIO, file))
        except urllib.error.HTTPError as error:
            # It is the answer as well, and holds the connection.
            with error:
                raise CodeError(f"{url} cannot be fetched: {error}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise CodeError(f"{url} cannot be fetched: {reason}") from error
        if found != sha256:
            raise CodeError(f"{url} has the SHA-256 {found}, and not {sha256} as code.sha256 says")
        file.flush()
        yield Path(file.name)


def _fetch(url: str, file: BinaryIO) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an http:// or https:// address")
    size, digest, deadline = 0, hashlib.sha256(), time.monotonic() + _FETCH_S
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer:  # noqa: S310 - checked above
        # read1: what has come, and not what a server that drips may send some day.
        while chunk := answer.read1(_CHUNK):
            size += len(chunk)
            if time.monotonic() > deadline:
                raise CodeError(f"{url} was not fetched within {_FETCH_S} s")
            if size > ZIP_BYTES:
                raise CodeError(f"{url} is larger than {ZIP_BYTES // _MB} MB, Lambda's limit for an archive")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
