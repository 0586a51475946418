"""Writes a function's code into a folder that is named by what it holds.

Rule: whatever the code comes from, it passes here: no name leads out of the folder, nothing is larger than Lambda
allows, and equal content has the same digest whenever and wherever it was written.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mayfly_gateway.backends.local.errors import CodeError
from mayfly_model.limits import UNPACKED_CODE_BYTES

_MOST_ENTRIES = 100_000
_CHUNK = 1 << 20

Opener = Callable[[], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file, link or folder of the code, by its path relative to the code's top.

    A file has `content`, a link its `target`, a folder neither. `dated`: the copy keeps the file's time of change.
    Of what is not `counted` the digest takes no notice.
    """

    path: str
    content: Opener | None = None
    target: str | None = None
    executable: bool = False
    dated: bool = False
    counted: bool = True


@dataclass(frozen=True, slots=True)
class CodeSnapshot:
    """Code as it was at one moment: the folder that holds it, which nobody changes, and the digest that names it."""

    digest: str
    path: Path


def write_tree(entries: Iterable[Entry], store: Path) -> CodeSnapshot:
    """Write the entries below `store`, unless the same content is there already.

    Raises:
        CodeError: an entry is unsafe, or the whole is too large.
        OSError: something cannot be read or written.
    """
    store.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=store))
    try:
        digest = _write(entries, draft)
        place = store / digest
        draft.chmod(0o755)
        # A folder that is there already is not replaced: it holds the same.
        with contextlib.suppress(OSError):
            draft.rename(place)
        if not place.is_dir():
            raise CodeError(f"{place} cannot be written")
        return CodeSnapshot(digest=digest, path=place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(entries: Iterable[Entry], root: Path) -> str:
    lines, links, room = [], [], UNPACKED_CODE_BYTES
    for count, entry in enumerate(entries):
        if count >= _MOST_ENTRIES:
            raise CodeError(
                f"the code has more than {_MOST_ENTRIES} files: leave out what the function does not use"
            )
        place = _place(root, entry.path)
        if entry.content is not None:
            size, fingerprint = _write_file(entry, entry.content, place, room)
            room -= size
        elif entry.target is not None:
            place.symlink_to(entry.target)
            links.append(place)
            fingerprint = f"link {entry.target}"
        else:
            place.mkdir(exist_ok=True)
            fingerprint = "folder"
        if entry.counted:
            lines.append(f"{entry.path}\0{fingerprint}\0")
    _check_links(links, root)
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def _place(root: Path, path: str) -> Path:
    """Where an entry goes, its folders made; never through a link, never out of `root`."""
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise CodeError(f"the code has an entry {path!r}, which is not a plain path inside it")
    folder = root
    for part in parts[:-1]:
        folder /= part
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise CodeError(f"the code has an entry {path!r} below {part!r}, which is not a folder")
        folder.mkdir(exist_ok=True)
    place = folder / parts[-1]
    if place.is_symlink() or place.is_file():
        raise CodeError(f"the code has the entry {path!r} twice")
    return place


def _write_file(entry: Entry, content: Opener, place: Path, room: int) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    mode = 0o755 if entry.executable else 0o644
    with content() as source, place.open("xb") as copy:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > room:
                raise CodeError(
                    f"the code is larger than {UNPACKED_CODE_BYTES // 1_048_576} MB unpacked, Lambda's limit"
                )
            digest.update(chunk)
            copy.write(chunk)
        os.fchmod(copy.fileno(), mode)
        copy.flush()
        if entry.dated:
            # Asked after reading: bytecode may pass for the source's own only if it is as old as what was read.
            changed = os.fstat(source.fileno()).st_mtime_ns
            os.utime(copy.fileno(), ns=(changed, changed))
    return size, f"{mode:o} {digest.hexdigest()}"


def _check_links(links: Iterable[Path], root: Path) -> None:
    top = root.resolve()
    for link in links:
        # A link may lead through another, so where it ends is known only when all are there. The path module's own
        # resolve() fails on a circle of links in some Pythons.
        if link.readlink().is_absolute() or not Path(os.path.realpath(link)).is_relative_to(top):
            raise CodeError(f"the code has a link {str(link.relative_to(root))!r} that leads out of it")
