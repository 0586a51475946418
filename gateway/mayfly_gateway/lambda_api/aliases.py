"""The operations on aliases.

Rule: an alias is what its object says. A change with a RevisionId is made to that very state or to none.
"""

import re
from typing import Final

from pydantic import ValidationError

from mayfly_gateway.lambda_api import shapes
from mayfly_gateway.lambda_api.lookup import Lookup
from mayfly_gateway.lambda_api.paging import page
from mayfly_gateway.lambda_api.provisioned import UNPUBLISHED, check_may_be_pointed_at
from mayfly_gateway.lambda_api.registry import ChangedError, Registry, Stored, TakenError
from mayfly_gateway.lambda_api.requests import AliasChange, Listing, Subject, Weights, not_qualified
from mayfly_gateway.lambda_api.versions import wrong_revision
from mayfly_model import limits
from mayfly_model.alias import Alias, AliasSpec, Routing
from mayfly_model.conditions import Reason
from mayfly_model.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from mayfly_model.function import Function
from mayfly_model.labels import LATEST_SUFFIX
from mayfly_model.names import LATEST, OBJECT_NAME_PATTERN
from mayfly_model.objects import as_applied, refused_by
from mayfly_model.publishing import alias_revision_id

_TRIES: Final = 10
_NAME: Final = re.compile(OBJECT_NAME_PATTERN, re.ASCII)


class Aliases:
    """Serves them from a registry."""

    def __init__(self, registry: Registry, lookup: Lookup) -> None:
        self._registry = registry
        self._lookup = lookup

    def _answer(self, subject: Subject, alias: Stored[Alias]) -> shapes.Json:
        return shapes.alias_configuration(alias, self._lookup.arn(subject, alias.item.alias))

    async def get(self, subject: Subject, name: str) -> shapes.Json:
        """GetAlias."""
        function = await self._lookup.function(subject)
        alias = await self._registry.alias(function, name)
        if alias is None:
            raise self._lookup.no_alias(subject, name)
        return self._answer(subject, alias)

    async def list(self, subject: Subject, wanted: Listing) -> shapes.Json:
        """ListAliases."""
        function = await self._lookup.function(subject)
        found = [
            alias
            for alias in await self._registry.aliases(function)
            if wanted.version in (None, alias.item.spec.function_version)
        ]
        given, marker = page(found, lambda alias: alias.item.alias, marker=wanted.marker, most=wanted.most)
        answer = {"Aliases": [self._answer(subject, alias) for alias in given]}
        return answer if marker is None else {**answer, "NextMarker": marker}

    async def create(self, subject: Subject, wanted: AliasChange) -> shapes.Json:
        """CreateAlias."""
        not_qualified(subject.qualifier)
        _check_name(wanted.name)
        function = await self._lookup.function(subject, named=wanted.version)
        bare = AliasSpec(function_name=function.name, function_version=LATEST)
        spec = await self._changed(subject, function, bare, wanted)
        try:
            alias = await self._registry.create_alias(function, wanted.name, spec)
        except TakenError:
            raise ResourceConflictException(
                f"Alias already exists: {self._lookup.arn(subject, wanted.name)}"
            ) from None
        return self._answer(subject, alias)

    async def update(self, subject: Subject, wanted: AliasChange) -> shapes.Json:
        """UpdateAlias."""
        not_qualified(subject.qualifier)
        function = await self._lookup.function(subject)
        arn = self._lookup.arn(subject, wanted.name)
        for _ in range(_TRIES):
            alias = await self._registry.alias(function, wanted.name)
            if alias is None:
                raise ResourceNotFoundException(f"Alias not found: {arn}")
            if wanted.revision_id and wanted.revision_id != alias_revision_id(alias.uid, alias.generation):
                raise wrong_revision()
            spec = await self._changed(subject, function, alias.item.spec, wanted)
            try:
                return self._answer(subject, await self._registry.change_alias(function, alias, spec))
            except ChangedError:
                # Its status, perhaps: then the RevisionId is as it was.
                continue
        raise ResourceConflictException(
            f"The operation cannot be performed at this time. An update is in progress for resource: {arn}"
        )

    async def delete(self, subject: Subject, name: str) -> None:
        """DeleteAlias."""
        not_qualified(subject.qualifier)
        function = await self._lookup.function(subject)
        alias = await self._registry.alias(function, name)
        if alias is not None:
            await self._registry.delete_alias(function, alias)

    async def _changed(
        self, subject: Subject, function: Stored[Function], spec: AliasSpec, wanted: AliasChange
    ) -> AliasSpec:
        """What the alias is to be; every version that it names is there."""
        version = wanted.version or spec.function_version
        if version != LATEST:
            found = await self._lookup.published(subject, function, version)
            if spec.is_provisioned:
                check_may_be_pointed_at(found)
        elif spec.is_provisioned:
            raise InvalidParameterValueException(UNPUBLISHED)
        routing = spec.routing if wanted.routing is None else await self._routing(subject, function, wanted)
        _check_routing(version, routing)
        changes = {"function_version": version, "routing": routing}
        if wanted.description is not None:
            changes["description"] = wanted.description
        return _checked(spec.model_copy(update=changes))

    async def _routing(
        self, subject: Subject, function: Stored[Function], wanted: AliasChange
    ) -> Routing | None:
        weights = wanted.routing or Weights()
        if weights.version is None:
            return None
        await self._lookup.published(subject, function, weights.version)
        return Routing(additional_version=weights.version, weight=weights.weight)


def _check_name(name: str) -> None:
    fits = len(name) <= limits.ALIAS_NAME_LENGTH and _NAME.fullmatch(name) and name != LATEST_SUFFIX
    if not fits:
        raise InvalidParameterValueException(
            f"The alias {name} cannot be the name of an object: here an alias has lower-case letters, digits and -, "
            f"a letter or digit at both ends, at most {limits.ALIAS_NAME_LENGTH} characters, and is not latest."
        )


def _check_routing(version: str, routing: Routing | None) -> None:
    if routing is None:
        return
    if version == LATEST:
        raise InvalidParameterValueException(
            "$LATEST is not supported for an alias pointing to more than 1 version"
        )
    if routing.additional_version == version:
        raise InvalidParameterValueException(
            f"Invalid function version {version}. Function version {version} is already included in routing "
            "configuration."
        )


def _checked(spec: AliasSpec) -> AliasSpec:
    """The spec, if it keeps the rules that manifests keep too."""
    try:
        return AliasSpec.model_validate(as_applied(spec))
    except ValidationError as error:
        refused = refused_by(error, AliasSpec, Reason.INVALID_SPEC)
        raise InvalidParameterValueException(f"The alias cannot be so: {refused.message}") from None
