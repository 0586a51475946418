"""Reads a folder of code: what a developer would pack, without what tools leave there.

Rule: the folder is only read. A link inside it stays a link, one that leads out is followed, as `zip -r` does.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from mayfly_gateway.backends.local.errors import CodeError
from mayfly_gateway.backends.local.trees import Entry

_IGNORED = frozenset(
    {".git", ".hg", ".svn", ".venv", ".DS_Store", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)
_EDITORS = ("~", ".swp", ".swx")
_BYTECODE = "__pycache__"
_NS = 1_000_000_000


def folder_entries(root: Path) -> Iterator[Entry]:
    """Everything below `root` that counts as code.

    Raises:
        CodeError: it is no folder, or something in it cannot be read.
    """
    if not root.is_dir():
        raise CodeError(
            f"{root} is {'not a folder' if root.exists() else 'not there'}: correct code.directory"
        )
    yield from _below(root.resolve(), "", root.resolve(), ())


def _below(folder: Path, prefix: str, root: Path, above: tuple[Path, ...]) -> Iterator[Entry]:
    try:
        names = sorted(place.name for place in folder.iterdir())
    except PermissionError as error:
        raise CodeError(f"{folder} cannot be read: {error.strerror}") from error
    for name in names:
        if name in _IGNORED or name.endswith(_EDITORS) or name.startswith(".#"):
            continue
        place = folder / name
        if place.is_symlink() and _stays(place, root):
            yield Entry(path=prefix + name, target=str(place.readlink()))
        elif name == _BYTECODE:
            yield from _bytecode(place, f"{prefix}{name}/", folder)
        elif place.is_dir():
            if place.resolve() in (*above, folder):
                raise CodeError(f"{place} is a link to a folder that it is in")
            yield Entry(path=prefix + name)
            yield from _below(place.resolve(), f"{prefix}{name}/", root, (*above, folder))
        elif place.is_file():
            yield _file(place, prefix + name)


def _stays(link: Path, root: Path) -> bool:
    return not link.readlink().is_absolute() and link.exists() and link.resolve().is_relative_to(root)


def _file(place: Path, path: str, *, counted: bool = True) -> Entry:
    executable = os.access(place, os.X_OK)
    return Entry(
        path=path, content=lambda: place.open("rb"), executable=executable, dated=True, counted=counted
    )


def _bytecode(cache: Path, prefix: str, sources: Path) -> Iterator[Entry]:
    """Bytecode that is surely its source's: it spares each instance the compiling, and is no part of the code.

    Python compares times in whole seconds, so that a file saved twice within one would pass for the older.
    """
    for compiled in sorted(cache.glob("*.pyc")):
        source = sources / f"{compiled.name.partition('.')[0]}.py"
        if source.is_file() and compiled.stat().st_mtime_ns >= (source.stat().st_mtime_ns // _NS + 1) * _NS:
            yield _file(compiled, prefix + compiled.name, counted=False)
