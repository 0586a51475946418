"""The operations on provisioned concurrency: `spec.provisionedConcurrentExecutions` of a Version or an Alias.

Rule: a number is asked for here and nothing more; what became of it is what the object's status says. Where an alias is
scaled, the number is the least, and what is told is what is asked for now.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mayfly_gateway.lambda_api import shapes
from mayfly_gateway.lambda_api.limits import Limits
from mayfly_gateway.lambda_api.lookup import Lookup
from mayfly_gateway.lambda_api.paging import page
from mayfly_gateway.lambda_api.registry import ChangedError, Registry, Stored
from mayfly_gateway.lambda_api.requests import Listing, Subject
from mayfly_model.alias import Alias
from mayfly_model.errors import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
)
from mayfly_model.function import Function
from mayfly_model.names import LATEST
from mayfly_model.version import Version

_TRIES: Final = 10

UNPUBLISHED: Final = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
"""What one is told who would provision `$LATEST`."""
_NO_VERSION: Final = "The function resource provided must be an alias or a published version."

Provisionable = Stored[Version] | Stored[Alias]


@dataclass(frozen=True, slots=True)
class Named:
    """A version or an alias of a function, and the qualifier that means it."""

    function: Stored[Function]
    qualifier: str
    item: Provisionable

    @property
    def wanted(self) -> int | None:
        """How many instances are asked for now; None for no configuration."""
        return self.item.item.provisioned


class Provisioned:
    """Serves them from a registry."""

    def __init__(self, registry: Registry, lookup: Lookup, limits: Limits) -> None:
        self._registry = registry
        self._lookup = lookup
        self._limits = limits

    async def get(self, subject: Subject) -> shapes.Json:
        """GetProvisionedConcurrencyConfig."""
        named = await self._named(subject, _NO_VERSION)
        if named.wanted is None:
            raise ProvisionedConcurrencyConfigNotFoundException(
                "No Provisioned Concurrency Config found for this function"
            )
        return shapes.provisioned(named.item)

    async def put(self, subject: Subject, wanted: int) -> shapes.Json:
        """PutProvisionedConcurrencyConfig."""
        named = await self._named(subject, UNPUBLISHED)
        await self._check_provisioned_once(subject, named)
        configs = await self._registry.provisioned(named.function)
        spec = named.function.item.spec
        self._limits.check_provision(
            wanted,
            named.wanted,
            reserved=spec.reserved_concurrent_executions,
            reservations=sum(each for _, each in self._registry.reserved(subject.namespace)),
            provisioned=sum(each for name, each in configs.items() if name != named.qualifier),
        )
        return shapes.provision_begun(await self._provision(subject, named, wanted), wanted)

    async def _check_provisioned_once(self, subject: Subject, named: Named) -> None:
        function, item = named.function, named.item.item
        if isinstance(item, Version):
            _check_pointed_at(item, await self._registry.aliases(function))
        elif item.spec.function_version == LATEST:
            raise InvalidParameterValueException(UNPUBLISHED)
        else:
            number = item.spec.function_version
            check_may_be_pointed_at(await self._lookup.published(subject, function, number))

    async def delete(self, subject: Subject) -> None:
        """DeleteProvisionedConcurrencyConfig."""
        named = await self._named(subject, _NO_VERSION)
        if named.item.item.spec.provisioned_concurrent_executions is not None:
            await self._provision(subject, named, None)

    async def list(self, subject: Subject, wanted: Listing) -> shapes.Json:
        """ListProvisionedConcurrencyConfigs."""
        function = await self._lookup.function(subject)
        names = sorted(await self._registry.provisioned(function))
        given, marker = page(names, str, marker=wanted.marker, most=wanted.most)
        found = [(name, await self._find(function, name)) for name in given]
        configs = [
            {"FunctionArn": self._lookup.arn(subject, name), **shapes.provisioned(item)}
            for name, item in found
            if item is not None and item.item.provisioned is not None
        ]
        answer = {"ProvisionedConcurrencyConfigs": configs}
        return answer if marker is None else {**answer, "NextMarker": marker}

    async def _find(self, function: Stored[Function], qualifier: str) -> Provisionable | None:
        if qualifier.isdecimal():
            return await self._registry.version(function, int(qualifier))
        return await self._registry.alias(function, qualifier)

    async def _named(self, subject: Subject, unpublished: str) -> Named:
        """The version or alias that a request means; `unpublished` is what one is told who means `$LATEST`."""
        qualifier = subject.qualifier or LATEST
        if qualifier == LATEST:
            raise InvalidParameterValueException(unpublished)
        function = await self._lookup.function(subject, named=qualifier)
        if qualifier.isdecimal():
            return Named(function, qualifier, await self._lookup.published(subject, function, qualifier))
        alias = await self._registry.alias(function, qualifier)
        if alias is None:
            raise self._lookup.no_alias(subject, qualifier)
        return Named(function, qualifier, alias)

    async def _provision(self, subject: Subject, named: Named, wanted: int | None) -> Provisionable:
        change = {"provisioned_concurrent_executions": wanted}
        for _ in range(_TRIES):
            function, item = named.function, named.item
            try:
                if isinstance(item.item, Version):
                    return await self._registry.provision(function, item, wanted)
                spec = item.item.spec.model_copy(update=change)
                return await self._registry.change_alias(function, item, spec)
            except ChangedError:
                named = await self._named(subject, _NO_VERSION)
        raise ResourceConflictException(
            "The operation cannot be performed at this time. An update is in progress for resource: "
            f"{self._lookup.arn(subject, named.qualifier)}"
        )


def _check_pointed_at(version: Version, aliases: Iterable[Stored[Alias]]) -> None:
    """Refuse what would provision a version a second time, by itself."""
    provisioned = [alias.item.spec for alias in aliases if alias.item.spec.is_provisioned]
    if any(spec.function_version == version.function_version for spec in provisioned):
        raise ResourceConflictException("Version is pointed by a Provisioned Concurrency alias")


def check_may_be_pointed_at(version: Stored[Version]) -> None:
    """Whether an alias with provisioned concurrency may point to a version.

    Raises:
        ResourceConflictException: the version has its own.
    """
    if version.item.spec.provisioned_concurrent_executions is not None:
        raise ResourceConflictException(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        )
