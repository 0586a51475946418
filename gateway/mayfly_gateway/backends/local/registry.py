"""The objects of the Lambda API in the local mode: what the manifests say, and what was published and routed of it.

Rule: a function is brought up to date with its files before it is looked at, as for an invocation.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from mayfly_gateway.backends.local.freshness import Freshness
from mayfly_gateway.backends.local.kept import Kept
from mayfly_gateway.backends.local.releases import Latest, Releases
from mayfly_gateway.catalogue import AliasKey, Target
from mayfly_gateway.lambda_api.registry import ChangedError, Stored, T, TakenError
from mayfly_gateway.provision import Provisioned
from mayfly_gateway.provision_plan import Decided, status_of
from mayfly_model.alias import Alias, AliasMetadata, AliasSpec, AliasStatus
from mayfly_model.function import Function, FunctionStatus
from mayfly_model.labels import alias_name, version_name
from mayfly_model.names import LATEST
from mayfly_model.provisioned import ProvisionedStatus
from mayfly_model.publishing import Publication
from mayfly_model.version import Version, VersionMetadata, VersionSpec, VersionStatus

Item = TypeVar("Item", Version, Alias)
Key = tuple[str, str]
"""Namespace and Lambda name."""


class LocalRegistry:
    """See `Registry`, whose methods these are."""

    def __init__(
        self,
        releases: Releases,
        freshness: Freshness,
        *,
        provisioned: Callable[[Target], Provisioned | None],
        scaled: Callable[[AliasKey], Decided | None],
    ) -> None:
        """`provisioned(target)` says how far a version's provisioned instances are, `scaled(alias)` how many are kept
        of an alias by the clock and the load.
        """
        self._releases = releases
        self._freshness = freshness
        self._provisioned = provisioned
        self._scaled = scaled

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
        version = _version(function, str(number), found.version, self._releases.kept(key, str(number)))
        told = self._told(key, number)
        return version if told is None else _with_status(version, VersionStatus(provisioned_concurrency=told))

    def _told(self, key: Key, number: int) -> ProvisionedStatus | None:
        found = self._releases.versions(key).get(number)
        state = None if found is None else self._provisioned(found.target)
        if state is None:
            return None
        return ProvisionedStatus.model_validate(
            {
                "requested": state.requested,
                "allocated": state.allocated,
                "available": state.available,
                "status": state.status,
                "status_reason": state.reason,
            },
            by_name=True,
        )

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
        """Asked for."""
        key = _key(function)
        versions = self._releases.versions(key)
        numbers = {
            str(each): found.version.provisioned_concurrent_executions for each, found in versions.items()
        }
        numbers |= {each.item.alias: each.item.provisioned for each in await self.aliases(function)}
        return {name: number for name, number in numbers.items() if number is not None}

    async def provision(
        self, function: Stored[Function], version: Stored[Version], concurrency: int | None
    ) -> Stored[Version]:
        """Until the manifest says another number."""
        number = int(version.item.function_version)
        if not self._releases.provision(_key(function), number, concurrency):
            raise ChangedError
        changed = await self.version(function, number)
        assert changed is not None  # noqa: S101 - it was there in this moment
        return changed

    def _alias(self, function: Stored[Function], name: str, spec: AliasSpec) -> Stored[Alias]:
        metadata = AliasMetadata(name=alias_name(function.name, name), namespace=function.namespace)
        key = _key(function)
        alias = _stored(
            Alias(metadata=metadata, spec=spec),
            metadata.namespace,
            metadata.name,
            self._releases.kept(key, name),
        )
        if not spec.is_provisioned or spec.function_version == LATEST:
            return alias
        scaled = self._scaled((*key, name))
        # What it says is what it serves here: an alias that names no version is not taken in.
        status = AliasStatus(
            function_version=spec.function_version,
            routing=spec.routing,
            provisioned_concurrency=self._told(key, int(spec.function_version)),
            provisioned_concurrency_scaling=None if scaled is None else status_of(scaled),
        )
        return _with_status(alias, status)


def _key(function: Stored[Function]) -> Key:
    return function.namespace, function.item.lambda_name


def _with_status(stored: Stored[Item], status: VersionStatus | AliasStatus) -> Stored[Item]:
    return replace(stored, item=stored.item.model_copy(update={"status": status}))


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
