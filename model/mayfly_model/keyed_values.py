"""Secrets and ConfigMaps, as far as functions use them: keys and values.

Rule: read as Kubernetes reads them (base64 in ``data`` of a Secret and in ``binaryData``, ``stringData``
over ``data``), and no sentence and no representation ever shows a value.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mayfly_model.documents import Path

Kind = Literal["Secret", "ConfigMap"]

# Which fields hold values, later ones over earlier ones, and whether they are in base64.
_FIELDS: Mapping[Kind, Mapping[str, bool]] = {
    "Secret": {"data": True, "stringData": False},
    "ConfigMap": {"data": False, "binaryData": True},
}
_OTHER_FIELDS = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedValues:
    """A Secret's or ConfigMap's values.

    Attributes:
        values: bytes by key; a variable's value is their UTF-8 text.
        line: where the document begins.
    """

    kind: Kind
    namespace: str
    name: str
    values: Mapping[str, bytes] = field(repr=False)
    source: str
    line: int


class BrokenValueError(Exception):
    """A value that cannot be read; ``path`` leads to it from the document's root."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def read_values(kind: Kind, data: Mapping[str, Any]) -> dict[str, bytes]:
    """The values of a document of this kind.

    Raises:
        BrokenValueError: a field is unknown, or a value is not what its field holds.
    """
    fields = _FIELDS[kind]
    for name in data:
        if name not in fields and name not in _OTHER_FIELDS:
            raise BrokenValueError((name,), f"unknown field; allowed: {', '.join(fields)}")
    return {key: value for name, coded in fields.items() for key, value in _entries(data, name, coded)}


def _entries(data: Mapping[str, Any], name: str, coded: bool) -> Iterator[tuple[str, bytes]]:
    entries = data.get(name)
    if entries is None:
        return
    if not isinstance(entries, dict):
        raise BrokenValueError((name,), "found no mapping; allowed: a mapping of keys to text")
    for key, value in entries.items():
        if not isinstance(value, str):
            raise BrokenValueError((name, key), "found a value that is not text; put it in quotes")
        yield key, _decoded((name, key), value) if coded else value.encode("utf-8", "surrogatepass")


def _decoded(path: Path, value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BrokenValueError(path, "found text that is not base64; allowed: base64") from None
