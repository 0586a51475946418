"""Manifests: what the documents of a file declare, and what is wrong with those that declare nothing.

Rule: no text raises. Every problem says file, line, field, what was found and what is allowed, and a
broken document never hides a good one beside it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from mayfly_model.alias import Alias
from mayfly_model.documents import Document, Path, read_documents
from mayfly_model.function import API_VERSION, RUNTIMES_IN_CONTEXT, Function
from mayfly_model.keyed_values import BrokenValueError, KeyedValues, Kind, read_values
from mayfly_model.sentences import nearest, sentences, shown
from mayfly_model.version import Version

KINDS: Final = ("Function", "Version", "Alias", "EventSourceMapping", "Schedule")
"""The kinds of ``mayfly.dev``."""

Model = TypeVar("Model", bound=BaseModel)

_PLAIN_KEY = re.compile(r"[a-zA-Z0-9_-]+")
_OUR_GROUP = API_VERSION.partition("/")[0] + "/"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a manifest.

    Attributes:
        source: the file.
        line: counted from 1.
        path: the field, as ``spec.memorySize``; empty for the document as a whole.
        message: what was found and what is allowed.
    """

    source: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.source}:{self.line}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class ParsedFunction:
    """A Function, where its document begins, and where it names its code."""

    function: Function
    source: str
    line: int
    code_line: int


@dataclass(frozen=True, slots=True)
class ParsedVersion:
    """A Version and where its document begins."""

    version: Version
    source: str
    line: int

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of the object."""
        return self.version.metadata.namespace, self.version.metadata.name

    @property
    def owner(self) -> tuple[str, str]:
        """Namespace and name of the Function that it belongs to."""
        return self.version.metadata.namespace, self.version.spec.function_name


@dataclass(frozen=True, slots=True)
class ParsedAlias:
    """An Alias and where its document begins."""

    alias: Alias
    source: str
    line: int

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of the object."""
        return self.alias.metadata.namespace, self.alias.metadata.name

    @property
    def owner(self) -> tuple[str, str]:
        """Namespace and name of the Function that it belongs to."""
        return self.alias.metadata.namespace, self.alias.spec.function_name


@dataclass(frozen=True, slots=True)
class Ignored:
    """A document of a kind that is not read here; no mistake."""

    kind: str
    name: str
    source: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """Everything that a file, or several, declare."""

    functions: tuple[ParsedFunction, ...] = ()
    versions: tuple[ParsedVersion, ...] = ()
    aliases: tuple[ParsedAlias, ...] = ()
    values: tuple[KeyedValues, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Claim:
    """A name that only one document may have; ``path`` is the field that claims it."""

    path: Path
    what: str
    namespace: str
    name: str


Named = ParsedFunction | ParsedVersion | ParsedAlias | KeyedValues
Declared = Named | Ignored | Problem


def parse_manifests(
    text: str, *, source: str, namespace: str = "default", any_runtime: bool = False
) -> Manifests:
    """Read the documents of one file.

    Args:
        text: YAML (or JSON), any number of documents.
        source: how problems call the file.
        namespace: for documents that name none.
        any_runtime: take runtimes that are not built in too: an installation has a list of its own.
    """
    found: list[Declared] = []
    for document in read_documents(text):
        if isinstance(document, Document):
            found += _Reader(document, source, namespace, any_runtime).read()
        else:
            found.append(Problem(source, document.line, written(document.path), document.message))
    return _without_doubles(found)


def combine(manifests: Iterable[Manifests]) -> Manifests:
    """Several files as one: what the second of two equal names declares becomes a problem."""
    found: list[Declared] = []
    for each in manifests:
        found += (*each.functions, *each.versions, *each.aliases)
        found += (*each.values, *each.ignored, *each.problems)
    return _without_doubles(found)


def written(path: Path) -> str:
    """A path as people write it: ``spec.code.inline["app.py"]``, ``spec.environment.secretRefs[0]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one document."""

    document: Document
    source: str
    namespace: str
    any_runtime: bool

    def read(self) -> Iterator[Declared]:
        data = self.document.data
        if not isinstance(data, dict):
            yield self._problem((), f"found {shown(data)}; allowed: a mapping with apiVersion and kind")
            return
        match data.get("kind"):
            case "Secret" | "ConfigMap" as kind:
                yield self._values(kind, data)
            case str(kind) if kind in KINDS and self._misses_our_version(kind, data):
                found = shown(data.get("apiVersion"))
                yield self._problem(("apiVersion",), f"found {found}; allowed: {API_VERSION}")
            case "Function":
                yield from self._object(Function, self._function, data)
            case "Version" if self._is_ours(data):
                yield from self._object(Version, ParsedVersion, data)
            case "Alias" if self._is_ours(data):
                yield from self._object(Alias, ParsedAlias, data)
            case str(kind) if kind in KINDS or not self._is_ours(data):
                yield Ignored(kind, str(_metadata(data).get("name", "")), self.source, self.document.line)
            case kind:
                yield self._unknown_kind(kind)

    def _object(
        self, model: type[Model], parsed: Callable[[Model, str, int], Declared], data: dict[str, Any]
    ) -> Iterator[Declared]:
        data = {field: value for field, value in data.items() if field != "status"}
        metadata = data.get("metadata")
        if isinstance(metadata, dict) and metadata.get("namespace") is None:
            data = {**data, "metadata": {**metadata, "namespace": self.namespace}}
        try:
            # By the names of the schema alone: Python's own names are no fields of a manifest.
            found = model.model_validate(data, by_alias=True, by_name=False, context=self._context())
        except ValidationError as error:
            problems = (self._problem(path, sentence) for path, sentence in sentences(model, error))
            yield from sorted(problems, key=lambda problem: problem.line)
        else:
            yield parsed(found, self.source, self.document.line)

    def _function(self, function: Function, source: str, line: int) -> ParsedFunction:
        named = next(iter(self.document.data["spec"]["code"]))
        return ParsedFunction(function, source, line, self.document.line_of(("spec", "code", named)))

    def _context(self) -> dict[str, None]:
        return {RUNTIMES_IN_CONTEXT: None} if self.any_runtime else {}

    def _values(self, kind: Kind, data: dict[str, Any]) -> Declared:
        name, namespace = _metadata(data).get("name"), _metadata(data).get("namespace") or self.namespace
        if data.get("apiVersion") != "v1":
            return self._problem(("apiVersion",), f"found {shown(data.get('apiVersion'))}; allowed: v1")
        if not isinstance(name, str) or not isinstance(namespace, str):
            return self._problem(
                ("metadata",), "allowed: a name, and a namespace where it is not the default"
            )
        try:
            values = read_values(kind, data)
        except BrokenValueError as error:
            return self._problem(error.path, error.message)
        return KeyedValues(
            kind=kind,
            namespace=namespace,
            name=name,
            values=values,
            source=self.source,
            line=self.document.line,
        )

    def _unknown_kind(self, kind: object) -> Problem:
        near = nearest(kind, list(KINDS)) if isinstance(kind, str) else None
        hint = f"; did you mean {near}?" if near else ""
        return self._problem(("kind",), f"found {shown(kind)}{hint}; allowed: {', '.join(KINDS)}")

    @staticmethod
    def _is_ours(data: dict[str, Any]) -> bool:
        return str(data.get("apiVersion") or _OUR_GROUP).startswith(_OUR_GROUP)

    def _misses_our_version(self, kind: str, data: dict[str, Any]) -> bool:
        """Whether the version is wrong; other groups have a Schedule or a Version of their own."""
        version = data.get("apiVersion")
        foreign = kind != "Function" and "/" in str(version) and not self._is_ours(data)
        return version != API_VERSION and not foreign

    def _problem(self, path: Path, message: str) -> Problem:
        return Problem(self.source, self.document.line_of(path), written(path), message)


def _metadata(data: dict[str, Any]) -> dict[str, Any]:
    metadata = data.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _without_doubles(found: Iterable[Declared]) -> Manifests:
    """Sort by what they are; of two that claim the same name, the first has it."""
    owners: dict[_Claim, Named] = {}
    kept: list[Declared] = []
    for each in found:
        if isinstance(each, Named):
            claims = _claims(each)
            taken = next((claim for claim in claims if claim in owners), None)
            kept.append(_double(each, taken, owners[taken]) if taken else each)
            owners = dict.fromkeys(claims, each) | owners
        else:
            kept.append(each)
    return Manifests(
        functions=tuple(each for each in kept if isinstance(each, ParsedFunction)),
        versions=tuple(each for each in kept if isinstance(each, ParsedVersion)),
        aliases=tuple(each for each in kept if isinstance(each, ParsedAlias)),
        values=tuple(each for each in kept if isinstance(each, KeyedValues)),
        ignored=tuple(each for each in kept if isinstance(each, Ignored)),
        problems=tuple(each for each in kept if isinstance(each, Problem)),
    )


def _claims(each: Named) -> list[_Claim]:
    name: Path = ("metadata", "name")
    if isinstance(each, KeyedValues):
        return [_Claim(name, each.kind, each.namespace, each.name)]
    if isinstance(each, ParsedVersion):
        return [_Claim(name, "Version", *each.key)]
    if isinstance(each, ParsedAlias):
        return [_Claim(name, "Alias", *each.key)]
    metadata = each.function.metadata
    return [
        _Claim(name, "Function", metadata.namespace, metadata.name),
        _Claim(("spec", "functionName"), "Lambda name", metadata.namespace, each.function.lambda_name),
    ]


def _double(each: Named, claim: _Claim, owner: Named) -> Problem:
    message = (
        f"the {claim.what} {claim.name} of namespace {claim.namespace} is taken"
        f" by {owner.source}:{owner.line}; allowed: one of each name"
    )
    return Problem(each.source, each.line, written(claim.path), message)
