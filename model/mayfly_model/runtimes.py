"""The Lambda runtimes that Mayfly knows, by their AWS identifiers.

Rule: the identifier is the only thing that anybody parses a runtime from; whether a machine or a cluster
has it is the backend's affair.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

Family = Literal["python", "nodejs", "provided"]

RUNTIME_PATTERN: Final = r"^[a-z][a-z0-9]*([.-][a-z0-9]+)*$"
"""An identifier: AWS's, or one of an installation's own; a label's value as well."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A runtime.

    Attributes:
        name: AWS's identifier, as in ``spec.runtime``.
        family: which runtime client it runs.
        version: the interpreter's version (``3.13``, ``22``) or, for ``provided``, the base (``al2023``).
    """

    name: str
    family: Family
    version: str


class UnknownRuntimeError(ValueError):
    """No such runtime; the message names the nearest and all that exist."""


_NUMBERED: Final = re.compile(r"([a-z]+)(\d{1,9})(?:\.(\d{1,9}))?(?:\.x)?")

RUNTIMES: Final[dict[str, Runtime]] = {
    runtime.name: runtime
    for runtime in (
        *(Runtime(f"python{version}", "python", version) for version in ("3.11", "3.12", "3.13", "3.14")),
        *(Runtime(f"nodejs{version}.x", "nodejs", version) for version in ("20", "22", "24")),
        Runtime("provided.al2023", "provided", "al2023"),
    )
}
"""Every known runtime by its identifier."""


def find_runtime(name: str, runtimes: Mapping[str, Runtime] = RUNTIMES) -> Runtime:
    """The runtime of this identifier, among those that there are.

    Raises:
        UnknownRuntimeError: there is none.
    """
    try:
        return runtimes[name]
    except KeyError:
        near = _next_version(name, runtimes) or _alike(name, runtimes)
        hint = f"did you mean {near}? " if near else ""
        raise UnknownRuntimeError(f"{hint}allowed: {', '.join(runtimes)}") from None


def _next_version(name: str, runtimes: Iterable[str]) -> str | None:
    """Of the same language, where it has a number, the nearest that is newer, else the newest."""
    wanted = _numbered(name)
    others = sorted((*found, each) for each in runtimes if (found := _numbered(each)) is not None)
    same = [each for each in others if wanted is not None and each[0] == wanted[0]]
    newer = [each for each in same if wanted is not None and each[:3] >= wanted]
    return (newer[0] if newer else same[-1])[3] if same else None


def _numbered(name: str) -> tuple[str, int, int] | None:
    found = _NUMBERED.fullmatch(name.lower())
    return None if found is None else (found[1], int(found[2]), int(found[3] or 0))


def _alike(name: str, runtimes: Iterable[str]) -> str | None:
    near = get_close_matches(name.lower(), runtimes, n=1, cutoff=0.5)
    return near[0] if near else None
