"""The Lambda runtimes that Mayfly knows, by their AWS identifiers.

Rule: the identifier is the only thing that anybody parses a runtime from; whether a machine or a cluster
has it is the backend's affair.
"""

from collections.abc import Mapping
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
        near = get_close_matches(name.lower(), runtimes, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UnknownRuntimeError(f"{hint}allowed: {', '.join(runtimes)}") from None
