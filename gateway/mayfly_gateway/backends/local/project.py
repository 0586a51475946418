"""The manifests of the local mode: which files they are, and what they declare together.

Rule: nothing that is wrong with one file keeps the others from being read.
"""

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from mayfly_model.manifest import Manifests, Problem, combine, parse_manifests

SUFFIXES = (".yaml", ".yml")
SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
"""Folders that never hold manifests, beside those whose name begins with a dot."""
RELEVANT = re.compile(
    r"mayfly\.dev/|^\s*[\"']?kind[\"']?\s*:\s*[\"']?(Function|Secret|ConfigMap)\b", re.MULTILINE
)
"""What a file of ours holds; compose files, templates and other people's objects are none of our business."""
SIZE_LIMIT = 3 * 1024 * 1024
"""Bytes of one file: more than Kubernetes would take of one object, several times."""


class ProjectError(Exception):
    """A path that was named cannot be used; one sentence."""


def manifest_files(paths: Iterable[Path]) -> list[Path]:
    """The manifest files that the paths mean: files as they are, folders searched to the bottom.

    Raises:
        ProjectError: a path is not there or may not be read.
    """
    found: dict[Path, None] = {}
    for path in paths:
        for file in _below(path):
            found[file] = None
    return list(found)


def read(files: Iterable[Path], *, namespace: str, any_runtime: bool = False) -> Manifests:
    """What the files declare together; a file that cannot be read is one of the problems.

    See `parse_manifests` for `any_runtime`.
    """
    return combine(_read_file(file, namespace, any_runtime) for file in files)


def _below(path: Path) -> Iterator[Path]:
    try:
        if path.is_dir():
            yield from _walk(path)
        elif path.exists():
            path.open("rb").close()
            yield path
        else:
            raise ProjectError(f"{path} is not there: name a manifest or a folder of manifests.")
    except OSError as error:
        raise ProjectError(f"{error.filename or path} cannot be read: {error.strerror}.") from error


def _walk(top: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(top, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(SUFFIXES))


def _read_file(file: Path, namespace: str, any_runtime: bool) -> Manifests:
    source = str(file)
    try:
        if file.stat().st_size > SIZE_LIMIT:
            return _broken(
                source, f"larger than {SIZE_LIMIT} bytes; keep code beside the manifest, not in it"
            )
        text = file.read_text("utf-8")
    except OSError as error:
        return _broken(source, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return _broken(source, f"is not UTF-8 text: {error.reason} at byte {error.start}")
    if not RELEVANT.search(text):
        return Manifests()
    return _parsed(text, source, namespace, any_runtime)


@lru_cache(maxsize=1024)
def _parsed(text: str, source: str, namespace: str, any_runtime: bool) -> Manifests:
    """Remembered: of a hundred manifests one is saved at a time."""
    return parse_manifests(text, source=source, namespace=namespace, any_runtime=any_runtime)


def _broken(source: str, message: str) -> Manifests:
    return Manifests(problems=(Problem(source, 1, "", message),))
