"""Brings about the Versions and Aliases that manifests declare, and publishes functions on change.

Rule: a declaration is applied when it is new or has changed, as somebody would apply it to a cluster, so that what was
changed by other means meanwhile stays; what is declared no more is deleted. What cannot be done is said in every round.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from mayfly_gateway.backends.local.errors import StartError
from mayfly_gateway.backends.local.instances import Deployment
from mayfly_gateway.backends.local.releases import Key, Latest, Releases
from mayfly_gateway.catalogue import Catalogue, Target
from mayfly_gateway.routes import Route, route_of
from mayfly_model.alias import AliasSpec
from mayfly_model.errors import ResourceConflictException
from mayfly_model.labels import version_name
from mayfly_model.manifest import Manifests, ParsedAlias, ParsedVersion
from mayfly_model.names import LATEST
from mayfly_model.objects import RefusedError

Name = tuple[str, str]
"""Namespace and name of an object."""
Prepared = Mapping[Name, Deployment | StartError]
"""What the instances of Versions that say everything themselves are made of, or why they cannot be."""


@dataclass(frozen=True, slots=True)
class Released:
    """What one round brought: versions that are new, and sentences about trouble."""

    published: tuple[Target, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Applied:
    """A declaration that was applied, of which function, and which file has it."""

    key: Key
    qualifier: str
    source: str
    spec: AliasSpec | None = None


class Releasing:
    """Follows the manifests, round by round."""

    def __init__(self, releases: Releases, catalogue: Catalogue) -> None:
        self._releases = releases
        self._catalogue = catalogue
        self._versions: dict[Name, _Applied] = {}
        self._aliases: dict[Name, _Applied] = {}

    def knows(self, name: Name) -> bool:
        """Whether the Version of this name was brought about."""
        return name in self._versions

    def sources(self) -> set[str]:
        """The files of which something was brought about."""
        return {each.source for each in (*self._versions.values(), *self._aliases.values())}

    def follow(self, manifests: Manifests, prepared: Prepared, *, broken: Collection[str]) -> Released:
        """Apply what is declared; nothing is deleted that is missing in a file which is `broken`."""
        functions = {_object_name(latest): latest for latest in self._releases.latest()}
        keys = {latest.target.function for latest in functions.values()}
        for applied in (self._versions, self._aliases):
            for name in [name for name, each in applied.items() if each.key not in keys]:
                del applied[name]
        before = {key: set(self._releases.versions(key)) for key in keys}
        problems = [
            *self._publish_declared(manifests, functions, prepared),
            *self._publish_changed(functions),
            *self._route_declared(manifests, functions),
            *self._drop(manifests, broken),
        ]
        new = [
            self._releases.versions(key)[number].target
            for key in keys
            for number in sorted(self._releases.versions(key).keys() - before[key])
        ]
        return Released(tuple(new), tuple(problems))

    def _publish_declared(
        self, manifests: Manifests, functions: Mapping[Name, Latest], prepared: Prepared
    ) -> Iterator[str]:
        for parsed in sorted(manifests.versions, key=_number):
            name, latest = parsed.key, functions.get(parsed.owner)
            if latest is None:
                yield from _without_function(parsed, manifests)
            elif name not in self._versions:
                try:
                    self._publish(parsed, latest, prepared.get(name))
                except (RefusedError, StartError) as error:
                    message = error.message if isinstance(error, RefusedError) else str(error)
                    yield f"{parsed.source}:{parsed.line}: {name[1]}: {message}"
                else:
                    qualifier = parsed.version.function_version
                    self._versions[name] = _Applied(latest.target.function, qualifier, parsed.source)

    def _publish(
        self, parsed: ParsedVersion, latest: Latest, made_of: Deployment | StartError | None
    ) -> None:
        version, key = parsed.version, latest.target.function
        if version.is_latest:
            raise StartError("$LATEST follows its Function: change that instead")
        number = int(version.function_version)
        if number in self._releases.versions(key):
            return
        if isinstance(made_of, StartError):
            raise made_of
        if made_of is not None:
            self._releases.restore(key, number, version.spec, made_of)
            return
        said = "description" in version.spec.model_fields_set
        self._releases.publish_as(key, number, version.spec.description if said else None)
        if version.spec.provisioned_concurrent_executions is not None:
            self._releases.provision(key, number, version.spec.provisioned_concurrent_executions)

    def _publish_changed(self, functions: Mapping[Name, Latest]) -> Iterator[str]:
        for (_, name), latest in functions.items():
            if latest.function.spec.publish == "OnChange":
                try:
                    self._releases.publish(latest.target.function)
                except RefusedError as error:
                    yield f"{name}: {error.message}"

    def _route_declared(self, manifests: Manifests, functions: Mapping[Name, Latest]) -> Iterator[str]:
        for parsed in manifests.aliases:
            alias, latest = parsed.alias, functions.get(parsed.owner)
            if latest is None:
                yield from _without_function(parsed, manifests)
                continue
            key = latest.target.function
            known = self._aliases.get(parsed.key)
            if known is None or known.spec != alias.spec:
                self._releases.route(key, alias.alias, alias.spec)
            self._aliases[parsed.key] = _Applied(key, alias.alias, parsed.source, alias.spec)
            yield from self._missing(parsed, key)

    def _missing(self, parsed: ParsedAlias, key: Key) -> Iterator[str]:
        """Whether the alias, if it is still as declared, names a version that is not there."""
        alias, function = parsed.alias.alias, parsed.alias.spec.function_name
        said, led = self._releases.aliases(key).get(alias), self._catalogue.leads(*key, alias)
        if said is None or said != parsed.alias.spec or led == route_of(said):
            return
        there = self._catalogue.versions(*key)
        missing = [version_name(function, each) for each in route_of(said).versions if each not in there]
        if not missing:
            # A rollout leads it.
            return
        meanwhile = "calls are refused" if led is None else f"calls go to {_told(led)} as before"
        lacks = "does not exist" if len(missing) == 1 else "do not exist"
        yield f"{parsed.source}:{parsed.line}: {' and '.join(missing)} {lacks}: {meanwhile}"

    def _drop(self, manifests: Manifests, broken: Collection[str]) -> Iterator[str]:
        declared = {each.key for each in manifests.versions} | {each.key for each in manifests.aliases}
        # Aliases first: they may refer to versions that go with them.
        for name, applied in list(self._aliases.items()):
            if name not in declared and applied.source not in broken:
                self._releases.unroute(applied.key, applied.qualifier)
                del self._aliases[name]
        for name, applied in list(self._versions.items()):
            if name not in declared and applied.source not in broken:
                try:
                    self._releases.withdraw(applied.key, int(applied.qualifier))
                    del self._versions[name]
                except ResourceConflictException as error:
                    yield f"{name[1]}: {error.message}"


def _number(parsed: ParsedVersion) -> int:
    version = parsed.version.function_version
    return 0 if version == LATEST else int(version)


def _object_name(latest: Latest) -> Name:
    return latest.function.metadata.namespace, latest.function.metadata.name


def _without_function(parsed: ParsedVersion | ParsedAlias, manifests: Manifests) -> Iterator[str]:
    """The trouble, unless the Function is there and has its own, which is told already."""
    declared = {
        (each.function.metadata.namespace, each.function.metadata.name) for each in manifests.functions
    }
    if parsed.owner not in declared and not manifests.problems:
        yield f"{parsed.source}:{parsed.line}: spec.functionName: Function {parsed.owner[1]} does not exist"


def _told(route: Route) -> str:
    if route.additional is None:
        return f"version {route.version}"
    return f"version {route.version}, {route.weight * 100:g} % of them to version {route.additional}"
