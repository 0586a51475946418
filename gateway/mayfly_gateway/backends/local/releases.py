"""The published versions and the aliases of the local mode's functions: what a cluster keeps as objects, in memory.

Rule: what a publication comes to is the model's rule. A version holds fast what its instances are made of, code,
runtime and variables; only one that no alias refers to can be deleted, and its number is never given again.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mayfly_gateway.backends.local.instances import Deployment, LocalBackend
from mayfly_gateway.backends.local.kept import Kept
from mayfly_gateway.catalogue import Catalogue, Target, target_of
from mayfly_gateway.rollout import Said, plan_of
from mayfly_gateway.routes import route_of
from mayfly_model.alias import AliasSpec
from mayfly_model.errors import ResourceConflictException
from mayfly_model.function import Function
from mayfly_model.names import LATEST
from mayfly_model.publishing import Publication, Unchanged, publication, publication_as
from mayfly_model.version import VersionSpec

Key = tuple[str, str]
"""Namespace and Lambda name."""


@dataclass(frozen=True, slots=True)
class Latest:
    """A function's `$LATEST` as it is served: its manifest, what it is as a Version, what instances are made of."""

    function: Function
    version: VersionSpec
    deployment: Deployment
    target: Target


@dataclass(frozen=True, slots=True)
class Release:
    """A published version and what its calls mean."""

    version: VersionSpec
    target: Target


@dataclass(frozen=True, slots=True)
class _Reservation:
    """What a call said of reserved concurrency, and what the manifest said then; None for nothing."""

    declared: int | None
    wanted: int | None


@dataclass(slots=True)
class _Released:
    """What is kept of one function; `last` is the highest number ever given. `kept` is by qualifier."""

    latest: Latest
    last: int = 0
    releases: dict[int, Release] = field(default_factory=dict)
    aliases: dict[str, AliasSpec] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=lambda: {LATEST: Kept()})
    reserved: _Reservation | None = None

    def write(self, qualifier: str) -> None:
        """An object is new, or another than before."""
        known = self.kept.get(qualifier)
        self.kept[qualifier] = Kept() if known is None else known.written()


class Releases:
    """The versions and aliases of every function; the catalogue follows."""

    def __init__(self, *, cluster: str, catalogue: Catalogue, backend: LocalBackend) -> None:
        self._cluster = cluster
        self._catalogue = catalogue
        self._backend = backend
        self._functions: dict[Key, _Released] = {}

    def latest(self) -> Iterable[Latest]:
        """The `$LATEST` of every function that is served."""
        return [function.latest for function in self._functions.values()]

    def find(self, key: Key) -> Latest | None:
        """The `$LATEST` of a function that is served."""
        function = self._functions.get(key)
        return None if function is None else function.latest

    def versions(self, key: Key) -> Mapping[int, Release]:
        """A function's published versions, by number."""
        function = self._functions.get(key)
        return {} if function is None else function.releases

    def aliases(self, key: Key) -> Mapping[str, AliasSpec]:
        """A function's aliases."""
        function = self._functions.get(key)
        return {} if function is None else function.aliases

    def last(self, key: Key) -> int:
        """The highest number that a function ever gave; 0 for none."""
        return self._functions[key].last

    def kept(self, key: Key, qualifier: str) -> Kept:
        """What is known of one of a function's objects; its own is that of `$LATEST`."""
        return self._functions[key].kept[qualifier]

    def follow(self, latest: Latest) -> None:
        """A function is served, or served anew."""
        function = self._functions.get(latest.target.function)
        if function is None:
            self._functions[latest.target.function] = _Released(latest)
            return
        before, function.latest = function.latest, latest
        declared = latest.target.reserved
        if function.reserved is not None and function.reserved.declared == declared:
            function.latest = latest = _reserving(latest, function.reserved.wanted)
            if latest.target != before.target:
                self._catalogue.put(latest.target)
        else:
            function.reserved = None
        if (before.function, before.version) != (latest.function, latest.version):
            function.write(LATEST)

    def forget(self, key: Key) -> None:
        """A function is gone, and with it all that was published of it."""
        function = self._functions.pop(key, None)
        if function is not None:
            for alias in function.aliases:
                self._catalogue.route(*key, alias, None)
            for release in function.releases.values():
                self._end(release)

    # Versions.

    def publish(self, key: Key, description: str | None = None) -> Publication | Unchanged:
        """Publish `$LATEST` under the next number, unless it is what was published last.

        Raises:
            RefusedError: no number is left.
        """
        function = self._functions[key]
        versions = {number: release.version for number, release in function.releases.items()}
        outcome = publication(function.latest.version, versions, function.last, description)
        if isinstance(outcome, Publication):
            self._add(function, outcome.number, outcome.spec, function.latest.deployment)
        return outcome

    def publish_as(self, key: Key, number: int, description: str | None = None) -> None:
        """Publish `$LATEST` under this number.

        Raises:
            RefusedError: it, or a higher one, was given before.
        """
        function = self._functions[key]
        outcome = publication_as(number, function.latest.version, function.last, description)
        self._add(function, number, outcome.spec, function.latest.deployment)

    def create(self, key: Key, publication: Publication) -> bool:
        """Publish what was decided; False if it is taken, or was decided for another `$LATEST` than there is."""
        function = self._functions.get(key)
        if function is None or publication.number <= function.last:
            return False
        decided, latest = publication.spec, function.latest.version
        if (decided.configuration, decided.code_sha256) != (latest.configuration, latest.code_sha256):
            return False
        self._add(function, publication.number, decided, function.latest.deployment)
        return True

    def provision(self, key: Key, number: int, concurrency: int | None) -> bool:
        """Have so many instances asked for ahead of calls of a version, or none; False if there is no such version."""
        function = self._functions.get(key)
        release = None if function is None else function.releases.get(number)
        if function is None or release is None:
            return False
        changed = release.version.model_copy(update={"provisioned_concurrent_executions": concurrency})
        target = dataclasses.replace(release.target, provisioned=concurrency)
        function.releases[number] = Release(changed, target)
        function.write(str(number))
        self._catalogue.put(target)
        return True

    def reserve(self, key: Key, concurrency: int | None) -> None:
        """Have a function reserve so much, or nothing, until its manifest says another number."""
        function = self._functions[key]
        declared = (
            function.latest.target.reserved if function.reserved is None else function.reserved.declared
        )
        function.reserved = _Reservation(declared, concurrency)
        function.latest = _reserving(function.latest, concurrency)
        function.write(LATEST)
        self._catalogue.put(function.latest.target)

    def restore(self, key: Key, number: int, version: VersionSpec, deployment: Deployment) -> None:
        """Have a version that was published elsewhere; `version` is whole."""
        self._add(self._functions[key], number, version, deployment)

    def withdraw(self, key: Key, number: int) -> None:
        """Delete a version; deleting one that is not there changes nothing.

        Raises:
            ResourceConflictException: aliases refer to it.
        """
        function = self._functions[key]
        referring = sorted(
            alias for alias in function.aliases if str(number) in self._refers_to(key, function, alias)
        )
        if referring and number in function.releases:
            raise ResourceConflictException(
                "Unable to delete version because the following aliases reference it: "
                f"[{', '.join(referring)}]"
            )
        release = function.releases.pop(number, None)
        if release is not None:
            del function.kept[str(number)]
            self._end(release)

    def _add(self, function: _Released, number: int, version: VersionSpec, deployment: Deployment) -> None:
        assert version.configuration is not None  # noqa: S101
        latest = function.latest.target
        made_of = f"{version.revision}\0{deployment.snapshot.digest}\0{sorted(deployment.variables.items())}"
        target = target_of(
            version.configuration,
            cluster=self._cluster,
            namespace=latest.namespace,
            name=latest.name,
            version=str(number),
            digest=hashlib.sha256(f"{latest.function}\0{number}\0{made_of}".encode()).hexdigest(),
            source=latest.source,
            provisioned=version.provisioned_concurrent_executions,
        )
        function.releases[number] = Release(version, target)
        function.write(str(number))
        function.last = max(function.last, number)
        self._backend.provide(target.digest, deployment)
        self._catalogue.put(target)

    def _end(self, release: Release) -> None:
        target = release.target
        self._catalogue.remove(*target.function, target.version)
        self._backend.withdraw(target.digest)

    # Aliases.

    def route(self, key: Key, alias: str, spec: AliasSpec) -> None:
        """Create an alias or move it."""
        function = self._functions[key]
        if function.aliases.get(alias) != spec:
            function.aliases[alias] = spec
            function.write(alias)
        kept = function.kept[alias]
        said = Said(plan=plan_of(spec.rollout), generation=kept.generation, source=alias, uid=kept.uid)
        self._catalogue.route(*key, alias, route_of(spec), said=said)

    def unroute(self, key: Key, alias: str) -> None:
        """Delete an alias; deleting one that is not there changes nothing."""
        function = self._functions[key]
        function.aliases.pop(alias, None)
        function.kept.pop(alias, None)
        self._catalogue.route(*key, alias, None)

    def _refers_to(self, key: Key, function: _Released, alias: str) -> set[str]:
        """The versions that an alias names, and those to which it leads meanwhile."""
        led = self._catalogue.leads(*key, alias)
        return {*route_of(function.aliases[alias]).versions, *(led.versions if led else ())}


def _reserving(latest: Latest, concurrency: int | None) -> Latest:
    """The same, with another reservation."""
    spec = latest.function.spec.model_copy(update={"reserved_concurrent_executions": concurrency})
    return dataclasses.replace(
        latest,
        function=latest.function.model_copy(update={"spec": spec}),
        target=dataclasses.replace(latest.target, reserved=concurrency),
    )
