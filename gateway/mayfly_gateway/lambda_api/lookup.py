"""Finds what a request means among the objects, or says in AWS's words that it is not there."""

import re
from typing import Final

from mayfly_gateway.lambda_api.registry import Registry, Stored
from mayfly_gateway.lambda_api.requests import Subject
from mayfly_model.errors import ResourceNotFoundException, function_not_found
from mayfly_model.function import Function
from mayfly_model.names import LATEST, VERSION_NUMBER_PATTERN, function_arn
from mayfly_model.version import Version

_NUMBER: Final = re.compile(VERSION_NUMBER_PATTERN, re.ASCII)


class Lookup:
    """The objects of one installation; `cluster` is what ARNs call it."""

    def __init__(self, registry: Registry, *, cluster: str) -> None:
        self._registry = registry
        self._cluster = cluster

    def arn(self, subject: Subject, qualifier: str | None = None) -> str:
        """The ARN of a function, with a qualifier if one is given."""
        return function_arn(self._cluster, subject.namespace, subject.name, qualifier)

    async def function(self, subject: Subject, *, named: str | None = None) -> Stored[Function]:
        """The function, whatever the qualifier; `named` is the qualifier of the ARN in the error.

        Raises:
            ResourceNotFoundException: there is none.
        """
        found = await self._registry.function(subject.namespace, subject.name)
        if found is None:
            raise function_not_found(self.arn(subject, named))
        return found

    async def version(
        self, subject: Subject, function: Stored[Function], qualifier: str
    ) -> Stored[Version] | None:
        """The version that a qualifier means now, None for `$LATEST`; an alias means its first one.

        Raises:
            ResourceNotFoundException: there is none.
        """
        number = await self._number(subject, function, qualifier)
        return None if number == LATEST else await self.published(subject, function, number, named=qualifier)

    async def _number(self, subject: Subject, function: Stored[Function], qualifier: str) -> str:
        if qualifier == LATEST or qualifier.isdecimal():
            return qualifier
        alias = await self._registry.alias(function, qualifier)
        if alias is None:
            raise function_not_found(self.arn(subject, qualifier))
        return alias.item.spec.function_version

    async def published(
        self, subject: Subject, function: Stored[Function], number: str, *, named: str | None = None
    ) -> Stored[Version]:
        """The published version of a number; `named` is the qualifier of the ARN in the error, by default that.

        Raises:
            ResourceNotFoundException: there is none.
        """
        found = None
        if _NUMBER.fullmatch(number):
            found = await self._registry.version(function, int(number))
        if found is None or found.item.spec.configuration is None:
            raise function_not_found(self.arn(subject, named or number))
        return found

    def no_alias(self, subject: Subject, name: str) -> ResourceNotFoundException:
        """The answer of GetAlias where there is none of that name."""
        return ResourceNotFoundException(f"Cannot find alias arn: {self.arn(subject, name)}")
