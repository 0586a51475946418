"""The operations on functions and their versions: get, publish, list, delete.

Rule: what is published is what the model's rule says of the objects as they are. Who is overtaken while it publishes
decides again; a version that could not be counted any more is counted by the operator.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from mayfly_gateway.lambda_api import shapes, states
from mayfly_gateway.lambda_api.lookup import Lookup
from mayfly_gateway.lambda_api.paging import page
from mayfly_gateway.lambda_api.registry import ReferencedError, Registry, Stored, TakenError
from mayfly_gateway.lambda_api.requests import Listing, Publish, Subject, not_qualified
from mayfly_model.errors import (
    InvalidParameterValueException,
    NotImplementedException,
    PreconditionFailedException,
    ResourceConflictException,
)
from mayfly_model.function import Function, FunctionSpec
from mayfly_model.names import LATEST
from mayfly_model.publishing import Unchanged, publication
from mayfly_model.version import Version, VersionSpec

_PATIENCE: Final = 2.0
"""Seconds that a publication waits for a change of the function to have become its `$LATEST`."""
_PAUSE: Final = 0.1
_TRIES: Final = 10
_WRONG_REVISION: Final = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)


def wrong_revision() -> PreconditionFailedException:
    """The answer to a RevisionId that is not the current one."""
    return PreconditionFailedException(_WRONG_REVISION)


class Versions:
    """Serves them from a registry."""

    def __init__(self, registry: Registry, lookup: Lookup) -> None:
        self._registry = registry
        self._lookup = lookup

    async def get(self, subject: Subject) -> shapes.Json:
        """GetFunction."""
        function, configuration, spec = await self._described(subject)
        return shapes.function_answer(configuration, spec, function.item.spec.reserved_concurrent_executions)

    async def configuration(self, subject: Subject) -> shapes.Json:
        """GetFunctionConfiguration."""
        return (await self._described(subject))[1]

    async def _described(self, subject: Subject) -> tuple[Stored[Function], shapes.Json, FunctionSpec]:
        function = await self._lookup.function(subject, named=subject.qualifier)
        arn = self._lookup.arn(subject, subject.qualifier)
        version = await self._lookup.version(subject, function, subject.qualifier or LATEST)
        if version is not None and version.item.spec.configuration is not None:
            configuration = shapes.version_configuration(function, version, arn)
            return function, configuration, version.item.spec.configuration
        latest = await self._registry.latest(function)
        return function, shapes.latest_configuration(function, latest, arn), function.item.spec

    async def list(self, subject: Subject, wanted: Listing) -> shapes.Json:
        """ListVersionsByFunction."""
        function = await self._lookup.function(subject)
        numbers = [LATEST, *map(str, self._registry.numbers(function))]
        given, marker = page(numbers, _in_order, marker=wanted.marker, most=wanted.most)
        found = [await self._listed(subject, function, number) for number in given]
        answer = {"Versions": [shapes.listed(each) for each in found if each is not None]}
        return answer if marker is None else {**answer, "NextMarker": marker}

    async def _listed(self, subject: Subject, function: Stored[Function], number: str) -> shapes.Json | None:
        arn = self._lookup.arn(subject, number)
        if number == LATEST:
            return shapes.latest_configuration(function, await self._registry.latest(function), arn)
        version = await self._registry.version(function, int(number))
        if version is None or version.item.spec.configuration is None:
            return None
        return shapes.version_configuration(function, version, arn)

    async def publish(self, subject: Subject, wanted: Publish) -> shapes.Json:
        """PublishVersion."""
        not_qualified(subject.qualifier)
        function, latest = await self._settled(subject)
        _check(function, latest, wanted)
        version = await self._published(subject, function, latest.item.spec, wanted.description)
        number = version.item.function_version
        await self._registry.count(function, int(number))
        return shapes.version_configuration(function, version, self._lookup.arn(subject, number))

    async def _settled(self, subject: Subject) -> tuple[Stored[Function], Stored[Version]]:
        """The function and the `$LATEST` that it has become."""
        end = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            function = await self._lookup.function(subject)
            latest = await self._registry.latest(function)
            again = await self._lookup.function(subject)
            # Before and after: what was read between the two is the `$LATEST` of this generation.
            same = (function.uid, function.generation) == (again.uid, again.generation)
            if same and states.is_settled(function):
                return again, self._usable(again, latest)
            if asyncio.get_running_loop().time() > end:
                raise self._update_in_progress(subject)
            await asyncio.sleep(_PAUSE)

    def _update_in_progress(self, subject: Subject) -> ResourceConflictException:
        return ResourceConflictException(
            "The operation cannot be performed at this time. An update is in progress for resource: "
            f"{self._lookup.arn(subject)}"
        )

    @staticmethod
    def _usable(function: Stored[Function], latest: Stored[Version] | None) -> Stored[Version]:
        trouble = states.own_trouble(function)
        if trouble is not None:
            raise ResourceConflictException(
                "The operation cannot be performed at this time. The last update of the function failed: "
                f"{trouble.reason}: {trouble.message}"
            )
        if latest is None or latest.item.spec.configuration is None:
            raise ResourceConflictException(
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending"
            )
        return latest

    async def _published(
        self, subject: Subject, function: Stored[Function], latest: VersionSpec, description: str | None
    ) -> Stored[Version]:
        """The version that `$LATEST` is published as, new or not."""
        last = function.item.status.last_published_version
        found = await self._newest(function, last)
        last = max(last, *found, 0)
        for _ in range(_TRIES):
            specs = {number: version.item.spec for number, version in found.items() if version is not None}
            outcome = publication(latest, specs, last, description)
            if isinstance(outcome, Unchanged):
                unchanged = found[outcome.number]
                assert unchanged is not None  # noqa: S101 - the rule names one that it was given
                return unchanged
            try:
                return await self._registry.create_version(function, outcome)
            except TakenError:
                taken = await self._registry.version(function, outcome.number)
            if taken is None:
                # One of an earlier function of this name, on its way out.
                await asyncio.sleep(_PAUSE)
            else:
                found[outcome.number] = taken
        raise self._update_in_progress(subject)

    async def _newest(self, function: Stored[Function], last: int) -> dict[int, Stored[Version] | None]:
        """The published version of the highest number by that number; None in its place if it was deleted."""
        newest = max((last, *self._registry.numbers(function)))
        return {newest: await self._registry.version(function, newest)} if newest else {}

    async def delete(self, subject: Subject) -> None:
        """DeleteFunction, of a version."""
        qualifier = subject.qualifier
        if qualifier is None:
            raise NotImplementedException(
                "A function is deleted as it was made, by its manifest: kubectl delete function. "
                "With a Qualifier this operation deletes one version."
            )
        if qualifier == LATEST:
            raise InvalidParameterValueException(
                "$LATEST version cannot be deleted without deleting the function."
            )
        function = await self._lookup.function(subject)
        if not qualifier.isdecimal():
            raise InvalidParameterValueException("Deletion of aliases is not currently supported.")
        await self._delete(function, qualifier)

    async def _delete(self, function: Stored[Function], number: str) -> None:
        version = await self._registry.version(function, int(number[:10]))
        if version is None or version.item.function_version != number:
            return
        aliases = await self._registry.aliases(function)
        named = [alias.item.alias for alias in aliases if number in alias.item.versions]
        if named:
            raise _referenced(named)
        try:
            await self._registry.delete_version(function, version)
        except ReferencedError as error:
            raise ResourceConflictException(error.message) from error


def _referenced(aliases: Sequence[str]) -> ResourceConflictException:
    return ResourceConflictException(
        f"Unable to delete version because the following aliases reference it: [{', '.join(aliases)}]"
    )


def _in_order(number: str) -> str:
    """`$LATEST` before the numbers, and those by their size."""
    return number if number == LATEST else number.zfill(10)


def _check(function: Stored[Function], latest: Stored[Version], wanted: Publish) -> None:
    if wanted.revision_id and wanted.revision_id != shapes.revision_id(function):
        raise wrong_revision()
    code = latest.item.spec.code_sha256
    if wanted.code_sha256 and wanted.code_sha256 != code:
        raise InvalidParameterValueException(
            f"CodeSHA256 ({wanted.code_sha256}) is different from current CodeSHA256 in $LATEST ({code}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
