"""Print the part of requirements.lock that the named extras need, hashes included.

The lock is one file for every room; `uv pip compile` notes after each package which others asked for it
(`# via`). Following those notes from an extra's own requirements gives what that extra installs, so that a
machine which only runs the local mode downloads no linters. Standard library only: it runs before anything
is installed.

    python hack/locked.py local > local.txt && pip install --require-hashes -r local.txt
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==", re.MULTILINE)


def canonical(name: str) -> str:
    """The name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(extras: dict[str, list[str]], chosen: list[str]) -> set[str]:
    """The packages that the chosen extras name, extras of our own followed."""
    names: set[str] = set()
    for extra in chosen:
        for requirement in extras[extra]:
            found = re.match(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?", requirement)
            assert found is not None, requirement
            if found[1] == "mayfly":
                names |= wanted(extras, found[2].split(","))
            else:
                names.add(canonical(found[1]))
    return names


def stanzas(lock: str) -> dict[str, str]:
    """Each package's lines of the lock, by canonical name."""
    starts = list(PACKAGE.finditer(lock))
    ends = [match.start() for match in starts[1:]] + [len(lock)]
    return {canonical(match[1]): lock[match.start() : end] for match, end in zip(starts, ends, strict=True)}


def askers(stanza: str) -> set[str]:
    """Who asked for the package, from its `# via` notes."""
    notes = re.findall(r"^\s+#\s+(?:via )?\s*([A-Za-z0-9._-]+)", stanza, re.MULTILINE)
    return {canonical(note) for note in notes}


def closure(lock: dict[str, str], roots: set[str]) -> set[str]:
    """The roots and everything that they ask for, one asking the next."""
    missing = roots - lock.keys()
    if missing:
        raise SystemExit(f"requirements.lock lacks {', '.join(sorted(missing))}: run `make lock`")
    needed = set(roots)
    while added := {name for name in lock.keys() - needed if askers(lock[name]) & needed}:
        needed |= added
    return needed


def main(chosen: list[str]) -> None:
    """Print the stanzas of the chosen extras without their notes."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    unknown = [extra for extra in chosen if extra not in extras]
    if unknown or not chosen:
        raise SystemExit(f"usage: locked.py EXTRA..., one of {', '.join(sorted(extras))}")
    lock = stanzas((ROOT / "requirements.lock").read_text())
    for name in sorted(closure(lock, wanted(extras, chosen))):
        print(
            "\n".join(line for line in lock[name].rstrip().splitlines() if not line.lstrip().startswith("#"))
        )


if __name__ == "__main__":
    main(sys.argv[1:])
