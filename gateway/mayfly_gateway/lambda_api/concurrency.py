"""The operations on reserved concurrency: `spec.reservedConcurrentExecutions` of the Function.

Rule: what others have reserved is what this gateway knows of them. Two that reserve at the same moment may together go
below what should stay unreserved; neither gets less than it reserved.
"""

from mayfly_gateway.lambda_api import shapes
from mayfly_gateway.lambda_api.limits import Limits
from mayfly_gateway.lambda_api.lookup import Lookup
from mayfly_gateway.lambda_api.registry import ChangedError, Registry, Stored
from mayfly_gateway.lambda_api.requests import Subject, not_qualified
from mayfly_model.errors import function_not_found
from mayfly_model.function import Function
from mayfly_model.names import LATEST


class Concurrency:
    """Serves them from a registry."""

    def __init__(self, registry: Registry, lookup: Lookup, limits: Limits) -> None:
        self._registry = registry
        self._lookup = lookup
        self._limits = limits

    async def get(self, subject: Subject) -> shapes.Json:
        """GetFunctionConcurrency."""
        function = await self._lookup.function(subject)
        return shapes.reserved(function.item.spec.reserved_concurrent_executions)

    async def put(self, subject: Subject, wanted: int) -> shapes.Json:
        """PutFunctionConcurrency."""
        not_qualified(subject.qualifier)
        function = await self._lookup.function(subject, named=LATEST)
        self._limits.check_reservation(
            wanted,
            function.item.spec.reserved_concurrent_executions,
            others=sum(
                each for name, each in self._registry.reserved(subject.namespace) if name != subject.name
            ),
            provisioned=sum((await self._registry.provisioned(function)).values()),
        )
        return await self._reserve(subject, function, wanted)

    async def delete(self, subject: Subject) -> None:
        """DeleteFunctionConcurrency."""
        not_qualified(subject.qualifier)
        function = await self._lookup.function(subject, named=LATEST)
        if function.item.spec.reserved_concurrent_executions is not None:
            await self._reserve(subject, function, None)

    async def _reserve(self, subject: Subject, function: Stored[Function], wanted: int | None) -> shapes.Json:
        try:
            await self._registry.reserve(function, wanted)
        except ChangedError:
            raise function_not_found(self._lookup.arn(subject, LATEST)) from None
        return shapes.reserved(wanted)
