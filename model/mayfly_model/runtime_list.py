"""The runtimes of an installation: which there are, and which image runs each.

Rule: the list is the installation's own (`runtimes.yaml` of its ConfigMap); a mistake in it is said with its line,
and a program that cannot read it does not start.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import ValidationError

from mayfly_model.documents import Document, read_documents
from mayfly_model.part import Part, text
from mayfly_model.runtimes import RUNTIME_PATTERN, Family, Runtime
from mayfly_model.sentences import sentences

CONFIG_MAP: Final = "mayfly-runtimes"
"""Name of the ConfigMap, in the namespace of the release."""
KEY: Final = "runtimes.yaml"
"""Its key."""


@dataclass(frozen=True, slots=True)
class RuntimeImage(Runtime):
    """A runtime and the image that its instances are made of.

    Attributes:
        image: the container image's reference.
        bootstrap: path of the program that an instance starts.
    """

    image: str
    bootstrap: str


class BrokenListError(ValueError):
    """The list cannot be used; the message says where and why."""


class _Entry(Part):
    """One runtime of the list."""

    name: Annotated[
        str,
        text("lower-case letters, digits, . and -, at most 63 characters", pattern=RUNTIME_PATTERN, most=63),
    ]
    """Identifier, as `spec.runtime` of a Function names it."""
    family: Family
    """Which runtime client it runs."""
    version: Annotated[str, text("any text", most=63)]
    """Version of the interpreter, or the base of a provided runtime."""
    image: Annotated[str, text("a container image's reference", pattern=r"^\S+$", most=1024)]
    """Container image that instances are made of."""
    bootstrap: Annotated[str, text("an absolute path", pattern=r"^/\S*$", most=255)]
    """Program that an instance starts."""


def parse_runtimes(content: str) -> dict[str, RuntimeImage]:
    """The runtimes of a `runtimes.yaml`, by identifier.

    Raises:
        BrokenListError: it is no list of runtimes.
    """
    documents = list(read_documents(content))
    if len(documents) != 1:
        raise BrokenListError(f"{KEY}: found {len(documents)} documents; allowed: one list of runtimes")
    document = documents[0]
    if not isinstance(document, Document):
        raise BrokenListError(f"{KEY}:{document.line}: {document.message}")
    if not isinstance(document.data, list):
        raise BrokenListError(f"{KEY}:{document.line}: allowed: a list of runtimes")
    found: dict[str, RuntimeImage] = {}
    for position, item in enumerate(document.data):
        runtime = _runtime(item, f"{KEY}:{document.line_of((position,))}")
        if runtime.name in found:
            raise BrokenListError(f"{KEY}:{document.line_of((position,))}: {runtime.name} is listed twice")
        found[runtime.name] = runtime
    return found


def _runtime(item: Any, where: str) -> RuntimeImage:
    try:
        entry = _Entry.model_validate(item, by_alias=True, by_name=False)
    except ValidationError as error:
        path, sentence = sentences(_Entry, error)[0]
        raise BrokenListError(f"{where}: {'.'.join(map(str, path))}: {sentence}") from None
    return RuntimeImage(**entry.model_dump())
