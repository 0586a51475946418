"""Writes a function's code below one folder. Runs in the unpacking process alone (`unpacking`), never in the agent.

Rule: an archive is somebody's claim. No name and no link leads out of the folder, nothing is larger than Lambda allows,
no file has a mode but 0644 or 0755; whatever breaks this is refused as a whole.
"""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import zipfile
import zlib
from typing import BinaryIO, cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNPACKED_BYTES = 250 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
MOST_ENTRIES = 100_000
DIRECTORY_BYTES = 16 * 1024 * 1024
"""Of an archive's own table of contents, which is read into memory."""
CHUNK = 1 << 18
SMALL = 1 << 18
"""Bytes of code that are read at once."""
LINK_BYTES = 4096
UNIX = 3
ENCRYPTED = 0x1
# What zipfile raises for an archive that somebody damaged.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError)


class CodeError(Exception):
    """The code cannot be used; the message says why."""


class Tree:
    """Writes files, folders and links below `root`, a folder to which nobody else writes."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._room = UNPACKED_BYTES
        self._entries = 0
        self._folders = {""}
        self._links: dict[str, str] = {}
        os.makedirs(root, exist_ok=True)

    def file(self, path: str, content: Iterable[bytes], *, executable: bool) -> None:
        """Write a file."""
        place = self._place(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(place, flags, 0o600)
        except FileExistsError:
            raise CodeError(f"the code has the entry {path!r} twice") from None
        try:
            for chunk in content:
                self._take(len(chunk))
                view = memoryview(chunk)
                while view:
                    view = view[os.write(file, view) :]
            os.fchmod(file, 0o755 if executable else 0o644)
        finally:
            os.close(file)

    def folder(self, path: str) -> None:
        """Make a folder, if it is not there yet."""
        self._place(path)
        self._make(path)

    def link(self, path: str, target: str) -> None:
        """Make a link, once all the rest is there: so nothing is ever written through one."""
        self._place(path)
        self._links[path] = target

    def finish(self) -> None:
        """Make the links."""
        for path, target in self._links.items():
            try:
                os.symlink(target, f"{self._root}/{path}")
            except FileExistsError:
                raise CodeError(f"the code has the entry {path!r} twice") from None
        top = os.path.realpath(self._root) if self._links else ""
        for path, target in self._links.items():
            # A link may lead through another, so where it ends is known only when all are there.
            end = os.path.realpath(f"{self._root}/{path}")
            if os.path.isabs(target) or os.path.commonpath((top, end)) != top:
                raise CodeError(f"the code has a link {path!r} that leads out of it")

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise too_large()

    def _place(self, path: str) -> str:
        """Where an entry goes, the folders above it made."""
        self._entries += 1
        if self._entries > MOST_ENTRIES:
            raise too_many()
        parts = path.split("/")
        if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise CodeError(f"the code has an entry {path!r}, which is not a plain path inside it")
        self._make("/".join(parts[:-1]))
        return f"{self._root}/{path}"

    def _make(self, path: str) -> None:
        if path in self._folders:
            return
        self._make(path.rpartition("/")[0])
        place = f"{self._root}/{path}"
        try:
            os.mkdir(place, 0o755)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                raise CodeError(f"the code has an entry below {path!r}, which is not a folder") from None
        self._folders.add(path)


def rehearse() -> None:
    """Read an archive, so that what this needs is there and has run before it matters."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file", b"text")
    with zipfile.ZipFile(content) as archive:
        for info in checked(archive):
            list(chunks(archive, info))


def write_texts(file: io.BytesIO | Behind, root: str) -> None:
    """Write the files that a JSON object `{path: text}` names. Raises CodeError, OSError."""
    try:
        texts = json.loads(file.read())
    except (ValueError, RecursionError) as error:
        raise CodeError(f"the files are no JSON: {error}") from error
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise CodeError("the files should be a JSON object of a text by each path")
    tree = Tree(root)
    for path, text in texts.items():
        # Text in a manifest has no mode: what names its interpreter is meant to be run.
        tree.file(path, [text.encode("utf-8", "surrogatepass")], executable=text.startswith("#!"))


def write_archive(file: io.BytesIO | Behind, root: str) -> None:
    """Unpack a zip archive. Raises CodeError, OSError."""
    try:
        with zipfile.ZipFile(cast(BinaryIO, file)) as archive:
            tree = Tree(root)
            for info in checked(archive):
                write_entry(tree, archive, info)
            tree.finish()
    except UNREADABLE as error:
        raise CodeError(f"the archive cannot be read: {error}") from error


def behind(file: BinaryIO, offset: int) -> io.BytesIO | Behind:
    """What lies behind the first `offset` bytes of a file. Raises OSError."""
    size = os.fstat(file.fileno()).st_size - offset
    return io.BytesIO(os.pread(file.fileno(), size, offset)) if size <= SMALL else Behind(file, offset)


class Behind:
    """What lies behind the first `offset` bytes of a file, as a file that can be read.

    Nobody reads very much of it at once: an archive says itself how large its table of contents is.
    """

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self._offset = offset
        self.seek(0)

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or all there are."""
        if size > DIRECTORY_BYTES:
            raise too_many()
        return self._file.read(size)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place. Raises OSError where there is none."""
        place = position + self._offset if whence == os.SEEK_SET else position
        found = self._file.seek(place, whence) - self._offset
        if found < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return found

    def tell(self) -> int:
        """Where it is."""
        return self._file.tell() - self._offset

    def seekable(self) -> bool:
        """Always."""
        return True


def checked(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """What the archive holds, if its kinds and sizes are such as code may have."""
    # Of entries of one name the last counts, as for unzip.
    entries = list({path_of(info): info for info in archive.infolist() if path_of(info)}.values())
    if len(entries) > MOST_ENTRIES:
        raise too_many()
    if sum(info.file_size for info in entries) > UNPACKED_BYTES:
        raise too_large()
    for info in entries:
        if info.flag_bits & ENCRYPTED:
            raise CodeError(f"the archive holds {info.filename!r} encrypted, which Lambda cannot read")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CodeError(f"the archive holds {info.filename!r} compressed by a method other than deflate")
        if stat.S_IFMT(mode_of(info)) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise CodeError(
                f"the archive holds {info.filename!r}, which is neither a file, a folder nor a link"
            )
    return entries


def write_entry(tree: Tree, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Unpack one entry."""
    if info.is_dir():
        tree.folder(path_of(info))
    elif stat.S_ISLNK(mode_of(info)):
        target = archive.read(info) if info.file_size <= LINK_BYTES else b"/"
        tree.link(path_of(info), os.fsdecode(target))
    else:
        tree.file(path_of(info), chunks(archive, info), executable=bool(mode_of(info) & 0o111))


def chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of an entry."""
    with archive.open(info) as source:
        while chunk := source.read(CHUNK):
            yield chunk


def path_of(info: zipfile.ZipInfo) -> str:
    """The entry's path below the folder."""
    return info.filename.removeprefix("./").rstrip("/")


def mode_of(info: zipfile.ZipInfo) -> int:
    """The Unix mode; an archive made elsewhere has none, and so no executable files."""
    return info.external_attr >> 16 if info.create_system == UNIX else 0


def too_large() -> CodeError:
    """The code passes `UNPACKED_BYTES`."""
    return CodeError(f"the code is larger than {UNPACKED_BYTES // 1024**2} MB unpacked, Lambda's limit")


def too_many() -> CodeError:
    """The code passes `MOST_ENTRIES`."""
    return CodeError(f"the code has more than {MOST_ENTRIES} files: leave out what the function does not use")
