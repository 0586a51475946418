"""The objects of the Lambda API on a cluster: custom resources, read and written where they are.

Rule: nothing is kept. What is answered was read from the API server for that answer; the catalogue, which follows it by
some milliseconds, says only which object has a Lambda name and which numbers there are to look for.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from mayfly_gateway.backends.kubernetes import stored
from mayfly_gateway.backends.kubernetes.api import MERGE, Api, ApiRefusedError
from mayfly_gateway.backends.kubernetes.stored import Json
from mayfly_gateway.backends.kubernetes.told import seen, told
from mayfly_gateway.backends.kubernetes.versions import version_key
from mayfly_gateway.catalogue import Catalogue
from mayfly_gateway.lambda_api.registry import ChangedError, ReferencedError, Stored, T, TakenError
from mayfly_gateway.routes import route_of
from mayfly_model.alias import Alias, AliasSpec
from mayfly_model.function import Function
from mayfly_model.labels import (
    GATEWAY_FIELD_MANAGER,
    alias_name,
    latest_version_name,
    split_name,
    version_name,
)
from mayfly_model.limits import ALIAS_NAME_LENGTH, OBJECT_NAME_LENGTH
from mayfly_model.names import LATEST, OBJECT_NAME_PATTERN
from mayfly_model.objects import as_applied
from mayfly_model.publishing import Publication, applied
from mayfly_model.version import Version

_LABEL: Final = re.compile(OBJECT_NAME_PATTERN, re.ASCII)
_MANAGER: Final = {"fieldManager": GATEWAY_FIELD_MANAGER}
_PAGE: Final = 500
_UNCOUNTED: Final = 100
"""How many of the last numbers are looked for that the catalogue does not have yet."""
_REFERENCED: Final = re.compile(
    r"Unable to delete version because the following aliases reference it: \[.*\]"
)
_GONE: Final = (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)
"""What the API server answers where an object is another one than was read, or none."""


class ClusterRegistry:
    """See `Registry`, whose methods these are."""

    def __init__(self, api: Api, catalogue: Catalogue) -> None:
        self._api = api
        self._catalogue = catalogue

    async def function(self, namespace: str, name: str) -> Stored[Function] | None:
        """Through the object by whose versions the name is called, else the one that is called like it."""
        for candidate in self._candidates(namespace, name):
            found = await self._get(stored.function, namespace, "functions", candidate)
            if found is not None and found.item.lambda_name == name:
                return found
        return None

    def _candidates(self, namespace: str, name: str) -> Iterator[str]:
        versions = self._catalogue.versions(namespace, name)
        served = {split_name(version_key(target)[1])[0] for target in versions.values()}
        yield from served
        if name not in served and len(name) <= OBJECT_NAME_LENGTH and _LABEL.fullmatch(name):
            yield name

    async def latest(self, function: Stored[Function]) -> Stored[Version] | None:
        """The operator makes it."""
        name = latest_version_name(function.name)
        return _of(function, await self._get(stored.version, function.namespace, "versions", name))

    def numbers(self, function: Stored[Function]) -> Sequence[int]:
        """Those of the catalogue, and those that it cannot have heard of yet."""
        versions = self._catalogue.versions(function.namespace, function.item.lambda_name)
        numbers = sorted(int(version) for version in versions if version != LATEST)
        last = function.item.status.last_published_version
        newest = max(numbers[-1] if numbers else 0, last - _UNCOUNTED)
        return [*numbers, *range(newest + 1, last + 1)]

    async def version(self, function: Stored[Function], number: int) -> Stored[Version] | None:
        """One that belongs to an earlier Function of the name is none."""
        name = version_name(function.name, str(number))
        return _of(function, await self._get(stored.version, function.namespace, "versions", name))

    async def create_version(self, function: Stored[Function], publication: Publication) -> Stored[Version]:
        """Whole, in one request."""
        number = str(publication.number)
        name = version_name(function.name, number)
        manifest = stored.manifest("Version", function, name, applied(publication.spec))
        created = await self._create(stored.version, function.namespace, "versions", manifest)
        called = function.namespace, function.item.lambda_name
        await seen(lambda: number in self._catalogue.versions(*called))
        return created

    async def count(self, function: Stored[Function], number: int) -> Stored[Function]:
        """The API server lets the counter go up alone."""
        if number <= function.item.status.last_published_version:
            return function
        changes = {"metadata": {"uid": function.uid}, "status": {"lastPublishedVersion": number}}
        path = f"{_path(function.namespace, 'functions', function.name)}/status"
        with told():
            try:
                return _read(stored.function, await self._patch(path, changes))
            except ApiRefusedError as error:
                if error.status in (*_GONE, HTTPStatus.UNPROCESSABLE_ENTITY):
                    # The Function is gone, or somebody published a later version meanwhile.
                    return function
                raise

    async def delete_version(self, function: Stored[Function], version: Stored[Version]) -> None:  # noqa: ARG002
        """The admission policy of the chart refuses it as well where aliases refer to it."""
        with told():
            try:
                await self._delete("versions", version)
            except ApiRefusedError as error:
                refusal = _REFERENCED.search(str(error))
                if refusal is None:
                    raise
                raise ReferencedError(refusal[0]) from error

    async def aliases(self, function: Stored[Function]) -> Sequence[Stored[Alias]]:
        """Out of all of the namespace: a person's have no label."""
        found: list[Stored[Alias]] = []
        query = {"limit": str(_PAGE)}
        while True:
            with told():
                answer = msgspec.json.decode(await self._api.get(_path(function.namespace, "aliases"), query))
                mine = (item for item in answer["items"] if item["spec"]["functionName"] == function.name)
                read = [_of(function, stored.alias(item)) for item in mine]
            found += [alias for alias in read if alias is not None]
            if not answer["metadata"].get("continue"):
                return sorted(found, key=lambda alias: alias.item.alias)
            query["continue"] = answer["metadata"]["continue"]

    async def alias(self, function: Stored[Function], name: str) -> Stored[Alias] | None:
        """An alias that cannot be the name of an object does not exist."""
        if len(name) > ALIAS_NAME_LENGTH or _LABEL.fullmatch(name) is None:
            return None
        object_name = alias_name(function.name, name)
        return _of(function, await self._get(stored.alias, function.namespace, "aliases", object_name))

    async def create_alias(self, function: Stored[Function], name: str, spec: AliasSpec) -> Stored[Alias]:
        """With the Function as its owner, so that it goes with it."""
        manifest = stored.manifest("Alias", function, alias_name(function.name, name), as_applied(spec))
        created = await self._create(stored.alias, function.namespace, "aliases", manifest)
        await self._routed(function, created)
        return created

    async def change_alias(
        self, function: Stored[Function], alias: Stored[Alias], spec: AliasSpec
    ) -> Stored[Alias]:
        """Of the very object that was read."""
        changes = stored.differences(as_applied(alias.item.spec), as_applied(spec))
        if not changes:
            return alias
        patch = {"metadata": {"uid": alias.uid, "resourceVersion": alias.state}, "spec": changes}
        path = _path(alias.namespace, "aliases", alias.name)
        changed = await self._change(stored.alias, path, patch)
        await self._routed(function, changed)
        return changed

    async def delete_alias(self, function: Stored[Function], alias: Stored[Alias]) -> None:  # noqa: ARG002
        """And no later one of its name."""
        with told():
            await self._delete("aliases", alias)

    def reserved(self, namespace: str) -> Iterable[tuple[str, int]]:
        """As the catalogue has it."""
        functions = self._catalogue.functions(namespace)
        return [(target.name, target.reserved) for target in functions if target.reserved is not None]

    async def reserve(self, function: Stored[Function], concurrency: int | None) -> None:
        """It is in the Function's spec, whoever wrote it last."""
        changes = {"metadata": {"uid": function.uid}, "spec": {"reservedConcurrentExecutions": concurrency}}
        await self._change(stored.function, _path(function.namespace, "functions", function.name), changes)
        called = function.namespace, function.item.lambda_name
        await seen(lambda: (now := self._catalogue.resolve(*called)) is None or now.reserved == concurrency)

    async def provisioned(self, function: Stored[Function]) -> Mapping[str, int]:
        """Of versions as the catalogue has it, of aliases as they are."""
        versions = self._catalogue.versions(function.namespace, function.item.lambda_name)
        found = {number: target.provisioned for number, target in versions.items()}
        for alias in await self.aliases(function):
            found[alias.item.alias] = alias.item.provisioned
        return {name: number for name, number in found.items() if number is not None}

    async def provision(
        self, function: Stored[Function], version: Stored[Version], concurrency: int | None
    ) -> Stored[Version]:
        """The one field of a published version that changes."""
        changes = {"metadata": {"uid": version.uid}, "spec": {"provisionedConcurrentExecutions": concurrency}}
        path = _path(version.namespace, "versions", version.name)
        changed = await self._change(stored.version, path, changes)
        called = function.namespace, function.item.lambda_name
        number = version.item.function_version
        await seen(
            lambda: (
                (now := self._catalogue.versions(*called).get(number)) is None
                or now.provisioned == concurrency
            )
        )
        return changed

    async def _change(
        self, read: Callable[[Json], Stored[T]], path: str, changes: Mapping[str, Any]
    ) -> Stored[T]:
        with told():
            try:
                return _read(read, await self._patch(path, changes))
            except ApiRefusedError as error:
                if error.status in _GONE:
                    raise ChangedError from error
                raise

    async def _routed(self, function: Stored[Function], alias: Stored[Alias]) -> None:
        """Wait until calls by the alias are led here as it says."""
        called = function.namespace, function.item.lambda_name
        wanted = route_of(alias.item.spec)
        await seen(lambda: self._catalogue.aliases(*called).get(alias.item.alias) == wanted)

    async def _get(
        self, read: Callable[[Json], Stored[T]], namespace: str, kind: str, name: str
    ) -> Stored[T] | None:
        with told():
            try:
                content = await self._api.get(_path(namespace, kind, name), {})
            except ApiRefusedError as error:
                if error.not_found:
                    return None
                raise
            item = msgspec.json.decode(content)
            return None if "deletionTimestamp" in item["metadata"] else read(item)

    async def _create(
        self, read: Callable[[Json], Stored[T]], namespace: str, kind: str, manifest: Json
    ) -> Stored[T]:
        with told():
            try:
                content = await self._api.create(_path(namespace, kind), manifest, _MANAGER)
            except ApiRefusedError as error:
                if error.status == HTTPStatus.CONFLICT:
                    raise TakenError from error
                raise
            return _read(read, content)

    async def _patch(self, path: str, changes: Mapping[str, Any]) -> bytes:
        return await self._api.patch(path, changes, kind=MERGE, query=_MANAGER)

    async def _delete(self, kind: str, item: Stored[T]) -> None:
        try:
            await self._api.delete(_path(item.namespace, kind, item.name), item.uid)
        except ApiRefusedError as error:
            if error.status not in _GONE:
                raise


def _path(namespace: str, kind: str, name: str | None = None) -> str:
    path = f"/apis/mayfly.dev/v1beta1/namespaces/{namespace}/{kind}"
    return path if name is None else f"{path}/{name}"


def _read(read: Callable[[Json], Stored[T]], content: bytes) -> Stored[T]:
    return read(msgspec.json.decode(content))


def _of(function: Stored[Function], item: Stored[T] | None) -> Stored[T] | None:
    """The object, if it is this Function's, or nobody's yet."""
    return item if item is not None and item.owner in (None, function.uid) else None
