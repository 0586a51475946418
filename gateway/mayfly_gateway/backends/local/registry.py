"""The objects of the Lambda API in the local mode: what the manifests say, and what was published and routed of it.

Rule: a function is brought up to date with its files before it is looked at, as for an invocation.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from mayfly_gateway.backends.local.freshness import Freshness
from mayfly_gateway.backends.local.kept import Kept
from mayfly_gateway.backends.local.releases import Latest, Releases
from mayfly_gateway.lambda_api.registry import ChangedError, Stored, T, TakenError
from mayfly_model.alias import Alias, AliasMetadata, AliasSpec
from mayfly_model.function import Function, FunctionStatus
from mayfly_model.labels import alias_name, version_name
from mayfly_model.names import LATEST
from mayfly_model.publishing import Publication
from mayfly_model.version import Version, VersionMetadata, VersionSpec

Key = tuple[str, str]
"""Namespace and Lambda name."""


class LocalRegistry:
    """See `Registry`, whose methods these are."""

    def __init__(self, releases: Releases, freshness: Freshness) -> None:
        self._releases = releases
        self._freshness = freshness

    async def function(self, namespace: str, name: str) -> Stored[Function] | None:
        """As its file says now."""
        key = namespace, name
        latest = self._releases.find(key)
        if latest is not None:
            await self._up_to_date(latest)
            latest = self._releases.find(key)
        if latest is None:
            return None
        kept = self._releases.kept(key, LATEST)
        status = FunctionStatus(
            observed_generation=kept.generation, last_published_version=self._releases.last(key)
        )
        function = latest.function.model_copy(update={"status": status})
        return _stored(function, namespace, function.metadata.name, kept)

    async def _up_to_date(self, latest: Latest) -> None:
        read = asyncio.Event()
        if self._freshness.is_stale(latest.target, read.set):
            await read.wait()

    async def latest(self, function: Stored[Function]) -> Stored[Version] | None:
        """There is one of every function."""
        key = _key(function)
        found = self._releases.find(key)
        if found is None:
            return None
        return _version(function, LATEST, found.version, self._releases.kept(key, LATEST))

    def numbers(self, function: Stored[Function]) -> Sequence[int]:
        """All that there are."""
        return sorted(self._releases.versions(_key(function)))

    async def version(self, function: Stored[Function], number: int) -> Stored[Version] | None:
        """Published ones: a number that is asked for is published at once here."""
        key = _key(function)
        found = self._releases.versions(key).get(number)
        if found is None:
            return None
        return _version(function, str(number), found.version, self._releases.kept(key, str(number)))

    async def create_version(self, function: Stored[Function], publication: Publication) -> Stored[Version]:
        """Of the `$LATEST` that it was decided for."""
        key, number = _key(function), str(publication.number)
        if not self._releases.create(key, publication):
            raise TakenError
        return _version(function, number, publication.spec, self._releases.kept(key, number))

    async def count(self, function: Stored[Function], number: int) -> Stored[Function]:  # noqa: ARG002
        """Whatever was published is counted here."""
        return function

    async def delete_version(self, function: Stored[Function], version: Stored[Version]) -> None:
        """Its number stays given."""
        key = _key(function)
        if self._releases.find(key) is not None:
            self._releases.withdraw(key, int(version.item.function_version))

    async def aliases(self, function: Stored[Function]) -> Sequence[Stored[Alias]]:
        """In memory."""
        found = self._releases.aliases(_key(function))
        return [self._alias(function, name, found[name]) for name in sorted(found)]

    async def alias(self, function: Stored[Function], name: str) -> Stored[Alias] | None:
        """In memory."""
        found = self._releases.aliases(_key(function)).get(name)
        return None if found is None else self._alias(function, name, found)

    async def create_alias(self, function: Stored[Function], name: str, spec: AliasSpec) -> Stored[Alias]:
        """As if a manifest declared it, until one does."""
        key = _key(function)
        if name in self._releases.aliases(key):
            raise TakenError
        self._releases.route(key, name, spec)
        return self._alias(function, name, spec)

    async def change_alias(
        self, function: Stored[Function], alias: Stored[Alias], spec: AliasSpec
    ) -> Stored[Alias]:
        """It stays so until its manifest changes."""
        key, name = _key(function), alias.item.alias
        there = name in self._releases.aliases(key)
        if not there or self._releases.kept(key, name).generation != alias.generation:
            raise ChangedError
        self._releases.route(key, name, spec)
        return self._alias(function, name, spec)

    async def delete_alias(self, function: Stored[Function], alias: Stored[Alias]) -> None:
        """Until its manifest changes."""
        key = _key(function)
        if self._releases.find(key) is not None:
            self._releases.unroute(key, alias.item.alias)

    def reserved(self, namespace: str) -> Iterable[tuple[str, int]]:
        """As manifests and calls have it."""
        functions = [each for each in self._releases.latest() if each.target.namespace == namespace]
        return [
            (each.target.name, each.target.reserved) for each in functions if each.target.reserved is not None
        ]

    async def reserve(self, function: Stored[Function], concurrency: int | None) -> None:
        """Until the manifest says another number."""
        if self._releases.find(_key(function)) is None:
            raise ChangedError
        self._releases.reserve(_key(function), concurrency)

    async def provisioned(self, function: Stored[Function]) -> Mapping[str, int]:
        """Asked for; no instance is made for it here."""
        key = _key(function)
        found = {str(number): each.version for number, each in self._releases.versions(key).items()}
        specs: dict[str, VersionSpec | AliasSpec] = {**found, **self._releases.aliases(key)}
        numbers = {name: spec.provisioned_concurrent_executions for name, spec in specs.items()}
        return {name: number for name, number in numbers.items() if number is not None}

    async def provision(
        self, function: Stored[Function], version: Stored[Version], concurrency: int | None
    ) -> Stored[Version]:
        """Remembered, so that it can be asked for again."""
        number = int(version.item.function_version)
        if not self._releases.provision(_key(function), number, concurrency):
            raise ChangedError
        changed = await self.version(function, number)
        assert changed is not None  # noqa: S101 - it was there in this moment
        return changed

    def _alias(self, function: Stored[Function], name: str, spec: AliasSpec) -> Stored[Alias]:
        metadata = AliasMetadata(name=alias_name(function.name, name), namespace=function.namespace)
        kept = self._releases.kept(_key(function), name)
        return _stored(Alias(metadata=metadata, spec=spec), metadata.namespace, metadata.name, kept)


def _key(function: Stored[Function]) -> Key:
    return function.namespace, function.item.lambda_name


def _version(
    function: Stored[Function], function_version: str, spec: VersionSpec, kept: Kept
) -> Stored[Version]:
    name = version_name(function.name, function_version)
    metadata = VersionMetadata(name=name, namespace=function.namespace)
    return _stored(Version(metadata=metadata, spec=spec), function.namespace, name, kept)


def _stored(item: T, namespace: str, name: str, kept: Kept) -> Stored[T]:
    return Stored(
        item=item,
        namespace=namespace,
        name=name,
        uid=kept.uid,
        generation=kept.generation,
        state=str(kept.generation),
        created=kept.created,
        changed=kept.changed,
    )
