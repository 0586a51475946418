"""Code beside a manifest as the one zip archive that a cluster is given.

Rule: equal code gives equal bytes, whenever and on whatever machine it is packed: entries are sorted and have one time
and one of two modes. So an archive that is there already is known by its digest and not sent again.
"""

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mayfly_gateway.backends.local.archives import archive_entries
from mayfly_gateway.backends.local.errors import CodeError
from mayfly_gateway.backends.local.folders import folder_entries
from mayfly_gateway.backends.local.trees import Entry
from mayfly_model.function_code import Code
from mayfly_model.limits import UNPACKED_CODE_BYTES, ZIP_BYTES

_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MB = 1_048_576


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive as a file; `size` in bytes."""

    path: Path
    sha256: str
    size: int


def packed(code: Code, base: Path, draft: Path) -> Archive | None:
    """The archive of code that lies on this machine; None for code that a cluster finds by itself.

    Args:
        code: paths in it are relative to `base`.
        base: the manifest's own folder.
        draft: where the archive is written, if one is.

    Raises:
        CodeError: the code is missing, unsafe, or larger than Lambda allows.
        OSError: it cannot be read.
    """
    if code.directory is not None:
        with draft.open("wb") as file:
            _write(folder_entries(base / code.directory), zipfile.ZipFile(file, "w"))
        return _archive(draft, str(base / code.directory))
    if code.zip_file is not None:
        path = base / code.zip_file
        with archive_entries(path, str(path)) as entries:
            # Looked through: what cannot be code is refused here and not in a pod.
            for _ in entries:
                pass
        return _archive(path, str(path))
    return None


def missing_dependencies(code: Code, base: Path) -> str | None:
    """A word on dependencies that a folder names and does not hold. Nothing is ever installed for a function."""
    if code.directory is None:
        return None
    folder = base / code.directory
    for name, there, command in (
        ("requirements.txt", "*.dist-info", f"pip install --target {folder} -r {{list}}"),
        ("package.json", "node_modules", f"npm install --prefix {folder}"),
    ):
        found = next((place / name for place in (folder, base) if (place / name).is_file()), None)
        if found is not None and not any(folder.glob(there)):
            install = command.format(list=found)
            return f"{found} names dependencies that {folder} does not hold; to put them there: {install}"
    return None


def _write(entries: Iterable[Entry], archive: zipfile.ZipFile) -> None:
    room = UNPACKED_CODE_BYTES
    with archive:
        for entry in entries:
            # Bytecode is good for a source of exactly its time, and times are not kept.
            if entry.counted:
                room -= _add(entry, archive)
            if room < 0:
                raise CodeError(
                    f"the code is larger than {UNPACKED_CODE_BYTES // _MB} MB unpacked, Lambda's limit"
                )


def _add(entry: Entry, archive: zipfile.ZipFile) -> int:
    """Add one entry; how many bytes it has unpacked."""
    if entry.content is not None:
        info = _info(entry.path, stat.S_IFREG | (0o755 if entry.executable else 0o644))
        with entry.content() as source, archive.open(info, "w") as copy:
            shutil.copyfileobj(source, copy, _MB)
    elif entry.target is not None:
        info = _info(entry.path, stat.S_IFLNK | 0o777)
        archive.writestr(info, entry.target)
    else:
        info = _info(entry.path + "/", stat.S_IFDIR | 0o755)
        archive.writestr(info, b"")
    return info.file_size


def _info(path: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, _TIME)
    info.create_system = _UNIX
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_STORED if stat.S_ISDIR(mode) else zipfile.ZIP_DEFLATED
    return info


def _archive(path: Path, name: str) -> Archive:
    size = path.stat().st_size
    if size > ZIP_BYTES:
        raise CodeError(f"{name} is larger than {ZIP_BYTES // _MB} MB as a zip archive, Lambda's limit")
    with path.open("rb") as file:
        return Archive(path, hashlib.file_digest(file, "sha256").hexdigest(), size)
