"""YAML in, documents out: plain values that still know their lines.

Rule: no text, however broken or hostile, raises or costs more than its size: depth and number of values
are bounded, aliases included. Each document of a text is read by itself, so that a broken one hides no
other. Scalars mean what they mean to kubectl (``yes`` is a boolean, a date is text).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import yaml

from mayfly_model.scalars import Scalar, meaning

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 50_000
"""Most values in one document, each use of an alias counted."""

Path = tuple[str | int, ...]

# Three dashes or dots at a line's beginning end a document wherever they stand, block scalars included.
_BOUNDARY = re.compile(r"^(?:---|\.\.\.)(?=\s|\Z)", re.MULTILINE)
# PyYAML may be built without libyaml; then its own parser reads the same, slowly.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_COLLECTION_TAGS = frozenset({None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


class BrokenDocumentError(Exception):
    """A document that cannot be read.

    Attributes:
        line: where, counted from 1.
        path: the field, where it is known.
        message: what is wrong, and what to write instead.
    """

    def __init__(self, line: int, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.path = path


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands.

    Attributes:
        line: line of the value's beginning, counted from 1.
        value: a scalar, a list of nodes, or a mapping of keys to (line of the key, node).
    """

    line: int
    value: "Scalar | list[Node] | dict[str, tuple[int, Node]]"


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    Attributes:
        root: its nodes.
        data: the same as plain values.
    """

    root: Node
    data: Any

    @property
    def line(self) -> int:
        """Line of the document's first value."""
        return self.root.line

    def line_of(self, path: Path) -> int:
        """Line of the field at a path, or of the nearest that exists above it."""
        line, node = self.root.line, self.root
        for step in path:
            if isinstance(node.value, dict) and step in node.value:
                line, node = node.value[str(step)]
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.line
            else:
                break
        return line


def read_documents(text: str) -> Iterator[Document | BrokenDocumentError]:
    """Each document of a text that is not empty, or what is wrong with it, in order."""
    for first_line, part in _parts(text.removeprefix("\ufeff")):
        try:
            root = _compose(part, first_line)
            if root is not None:
                yield Document(root, _plain(root))
        except BrokenDocumentError as error:
            yield error


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The text cut before each boundary, with the number of each part's first line."""
    cuts = [0, *(match.start() for match in _BOUNDARY.finditer(text)), len(text)]
    line = 1
    for start, end in pairwise(cuts):
        part = text[start:end]
        if not all(map(_says_nothing, part.split("\n"))):
            # The end marker says nothing by itself, and a document may not begin with it.
            yield line, "   " + part[3:] if part.startswith("...") else part
        line += part.count("\n")


def _says_nothing(line: str) -> bool:
    """Blank, a comment, or a directive such as ``%YAML 1.1``, whose document comes in the next part."""
    return line.startswith("%") or not line.strip() or line.lstrip().startswith("#")


def _compose(text: str, first_line: int) -> Node | None:
    try:
        return _Composer(text, first_line).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f" ({error.context})" if error.context else ""
        line = first_line + (mark.line if mark else 0)
        raise BrokenDocumentError(line, f"not valid YAML: {error.problem}{context}") from None
    except yaml.reader.ReaderError as error:
        line = first_line + text.encode("utf-8", "surrogatepass")[: error.position].count(b"\n")
        raise BrokenDocumentError(line, f"not valid YAML: {error.reason}") from None
    except UnicodeEncodeError as error:
        line = first_line + text.count("\n", 0, error.start)
        raise BrokenDocumentError(line, "not valid YAML: half a character (a lone surrogate)") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise BrokenDocumentError(first_line, f"not valid YAML: {error}") from None


class _Composer:
    """Builds the nodes of one document from the parser's events."""

    def __init__(self, text: str, first_line: int) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._first_line = first_line
        self._anchors: dict[str, Node] = {}
        self._left = MAX_VALUES

    def document(self) -> Node | None:
        """The root, or ``None`` for an empty document."""
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, ())
                self._expect_end()
                return root if root.value is not None else None
        return None

    def _expect_end(self) -> None:
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                raise BrokenDocumentError(self._line(event), "not valid YAML: a second document without ---")

    def _line(self, event: Any) -> int:
        return self._first_line + int(event.start_mark.line)

    def _node(self, event: Any, path: Path) -> Node:
        line = self._line(event)
        self._spend(1, line)
        if len(path) >= MAX_DEPTH:
            raise BrokenDocumentError(line, f"nested deeper than {MAX_DEPTH} levels", path[:3])
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, path)
        node = Node(line, self._value(event, path))
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _spend(self, count: int, line: int) -> None:
        self._left -= count
        if self._left < 0:
            raise BrokenDocumentError(line, f"more than {MAX_VALUES} values in one document")

    def _aliased(self, event: Any, path: Path) -> Node:
        try:
            return self._anchors[event.anchor]
        except KeyError:
            message = (
                f"found the alias *{event.anchor}; allowed: one whose anchor &{event.anchor} ends before it"
            )
            raise BrokenDocumentError(self._line(event), message, path) from None

    def _value(self, event: Any, path: Path) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if event.tag not in _COLLECTION_TAGS:
            raise BrokenDocumentError(self._line(event), f"found the tag {event.tag}; allowed: none", path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _scalar(self, event: Any, path: Path) -> Scalar:
        if event.implicit[0]:
            return meaning(str(event.value))
        if event.implicit[1] or event.tag in _TEXT_TAGS:
            return str(event.value)
        raise BrokenDocumentError(self._line(event), f"found the tag {event.tag}; allowed: none", path)

    def _sequence(self, path: Path) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, tuple[int, Node]]:
        entries: dict[str, tuple[int, Node]] = {}
        merged: list[Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line, key = self._line(event), self._key(event, path)
            node = self._node(next(self._events), (*path, key))
            if key == "<<" and event.implicit[0]:
                merged += self._merged(node)
            elif key in entries:
                message = f"found twice; first in line {entries[key][0]}"
                raise BrokenDocumentError(line, message, (*path, key))
            else:
                entries[key] = (line, node)
        for node in merged:
            self._merge(entries, node, path)
        return entries

    def _key(self, event: Any, path: Path) -> str:
        """A key as its text, as Kubernetes takes it: ``1`` and ``on`` too."""
        if not isinstance(event, yaml.ScalarEvent):
            raise BrokenDocumentError(self._line(event), "found a key that is not text; allowed: text", path)
        self._spend(1, self._line(event))
        if event.anchor:
            self._anchors[event.anchor] = Node(self._line(event), event.value)
        return str(event.value)

    def _merged(self, node: Node) -> list[Node]:
        nodes = node.value if isinstance(node.value, list) else [node]
        self._spend(len(nodes), node.line)
        return nodes

    def _merge(self, entries: dict[str, tuple[int, Node]], node: Node, path: Path) -> None:
        if not isinstance(node.value, dict):
            message = (
                "found something else than a mapping; allowed: an alias of a mapping, or several in a list"
            )
            raise BrokenDocumentError(node.line, message, (*path, "<<"))
        self._spend(len(node.value), node.line)
        for key, entry in node.value.items():
            entries.setdefault(key, entry)


def _plain(root: Node) -> Any:
    left = MAX_VALUES

    def plain(node: Node, path: Path) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or len(path) >= MAX_DEPTH:
            limit = f"{MAX_VALUES} values" if left < 0 else f"{MAX_DEPTH} levels"
            raise BrokenDocumentError(node.line, f"more than {limit} in one document, aliases counted", path)
        if isinstance(node.value, dict):
            return {key: plain(below, (*path, key)) for key, (_, below) in node.value.items()}
        if isinstance(node.value, list):
            return [plain(below, (*path, index)) for index, below in enumerate(node.value)]
        return node.value

    return plain(root, ())
