"""What `mayfly deploy` applies, out of all that the files declare.

Rule: pure but for reading the files. An object is applied as its file says it, and nothing is applied that is not part
of a function: of a file that only happens to lie there, the Secrets and ConfigMaps that a function refers to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mayfly_gateway.backends.local import project
from mayfly_model.documents import Document, read_documents
from mayfly_model.function import Function
from mayfly_model.labels import GROUP
from mayfly_model.manifest import Manifests, ParsedFunction

_VALUES = ("Secret", "ConfigMap")
_READY_KINDS = frozenset({"Function", "Version", "Alias"})


class BrokenFilesError(Exception):
    """The files cannot be deployed; `problems` has a sentence for each reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Declared:
    """An object as its file declares it; `namespace` is where it goes.

    `function` is it, read, if it is one, and `code_line` then where it names its code.
    """

    source: Path
    line: int
    namespace: str
    data: Mapping[str, Any] = field(repr=False, hash=False)
    function: Function | None = field(default=None, repr=False, hash=False)
    code_line: int = 0

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.data.get("kind", ""))

    @property
    def name(self) -> str:
        """Its name."""
        return str(_metadata(self.data).get("name", ""))

    @property
    def key(self) -> tuple[str, str]:
        """Its kind and name, which are its own within its namespace."""
        return self.kind, self.name

    @property
    def gets_ready(self) -> bool:
        """Whether it has a condition Ready to wait for."""
        return self.is_ours and self.kind in _READY_KINDS

    @property
    def is_ours(self) -> bool:
        """Whether it is of a kind of Mayfly's."""
        return str(self.data.get("apiVersion", "")).startswith(f"{GROUP}/")

    def with_archive(self, sha256: str) -> "Declared":
        """The same Function with an uploaded archive as its code."""
        spec = {**self.data["spec"], "code": {"archive": f"sha256:{sha256}"}}
        return replace(self, data={**self.data, "spec": spec})


def read(paths: Iterable[Path], *, namespace: str) -> list[Declared]:
    """The objects to apply, file by file.

    Args:
        paths: manifests, all of whose objects are meant, and folders of them.
        namespace: for objects that name none.

    Raises:
        ProjectError: a path is not there or may not be read.
        BrokenFilesError: something is wrong in a file, or there is nothing to apply.
    """
    paths = list(paths)
    manifests = project.read(project.manifest_files(paths), namespace=namespace, any_runtime=True)
    if manifests.problems:
        raise BrokenFilesError(map(str, manifests.problems))
    objects = [each for source in _sources(manifests) for each in _objects(source, namespace, manifests)]
    chosen = chosen_of(objects, named={path for path in paths if path.is_file()})
    if not chosen:
        raise BrokenFilesError(
            ["No function to deploy: name a Function's manifest, or a folder that has one."]
        )
    return chosen


def chosen_of(objects: Iterable[Declared], *, named: set[Path]) -> list[Declared]:
    """The objects to apply; `named` are the files that were named one by one."""
    objects = list(objects)
    whole = {each.source for each in objects if each.is_ours} | named
    wanted = {reference for each in objects for reference in _references(each)}
    return [
        each for each in objects if each.source in whole or (each.kind, each.namespace, each.name) in wanted
    ]


def _sources(manifests: Manifests) -> list[str]:
    sources = (
        *(each.source for each in manifests.functions),
        *(each.source for each in manifests.versions),
        *(each.source for each in manifests.aliases),
        *(each.source for each in manifests.versions),
        *(each.source for each in manifests.aliases),
        *(each.source for each in manifests.values),
        *(each.source for each in manifests.ignored),
    )
    return sorted(set(sources))


def _objects(source: str, namespace: str, manifests: Manifests) -> Iterator[Declared]:
    functions = {each.line: each for each in manifests.functions if each.source == source}
    for document in read_documents(Path(source).read_text("utf-8")):
        if isinstance(document, Document):
            yield _declared(source, document, namespace, functions.get(document.line))


def _declared(source: str, document: Document, namespace: str, parsed: ParsedFunction | None) -> Declared:
    # A status is the operator's to write.
    data = {key: value for key, value in document.data.items() if key != "status"}
    return Declared(
        source=Path(source),
        line=document.line,
        namespace=str(_metadata(data).get("namespace") or namespace),
        data=data,
        function=parsed.function if parsed else None,
        code_line=parsed.code_line if parsed else document.line,
    )


def _references(each: Declared) -> Iterator[tuple[str, str, str]]:
    if each.function is None:
        return
    spec = each.function.spec
    for kind, names in zip(
        _VALUES, (spec.environment.secret_refs, spec.environment.config_map_refs), strict=True
    ):
        yield from ((kind, each.namespace, name) for name in names)
    if spec.code.config_map is not None:
        yield "ConfigMap", each.namespace, spec.code.config_map.name


def _metadata(data: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = data.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}
