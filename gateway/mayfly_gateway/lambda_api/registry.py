"""Where the objects are that the Lambda API reads and writes: a cluster, or the memory of the local mode.

Rule: a change is made to the object that was read, or not at all; who decided by an older one is told to decide again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from mayfly_model.alias import Alias, AliasSpec
from mayfly_model.function import Function
from mayfly_model.publishing import Publication
from mayfly_model.version import Version

T = TypeVar("T")


class TakenError(Exception):
    """There is an object of that name already."""


class ChangedError(Exception):
    """The object is another one than was read, or is gone."""


class ReferencedError(Exception):
    """The version cannot go: aliases refer to it. `message` says which."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Generic[T]):
    """An object, and what its keeper knows of it.

    `state` names what the object is now, status included; `changed` is when its spec was written last. `owner` is the
    uid of the Function that it goes with, None while it has none.
    """

    item: T
    namespace: str
    name: str
    uid: str
    generation: int
    state: str
    created: datetime
    changed: datetime
    owner: str | None = None


class Registry(Protocol):
    """The objects of every namespace; every method raises the LambdaError that a caller is to be told of trouble."""

    async def function(self, namespace: str, name: str) -> Stored[Function] | None:
        """The function of this Lambda name."""
        ...

    async def latest(self, function: Stored[Function]) -> Stored[Version] | None:
        """Its `$LATEST`; None while there is none."""
        ...

    def numbers(self, function: Stored[Function]) -> Sequence[int]:
        """Numbers of its published versions, ascending; the last ones may be there no more."""
        ...

    async def version(self, function: Stored[Function], number: int) -> Stored[Version] | None:
        """Its version of this number, published or asked for."""
        ...

    async def create_version(self, function: Stored[Function], publication: Publication) -> Stored[Version]:
        """Publish; returns once calls by the number are answered here.

        Raises:
            TakenError: there is a version of that number.
        """
        ...

    async def count(self, function: Stored[Function], number: int) -> Stored[Function]:
        """Have it known that this number was published; a lower one than is known changes nothing."""
        ...

    async def delete_version(self, function: Stored[Function], version: Stored[Version]) -> None:
        """Delete it; one that is gone is no trouble.

        Raises:
            ReferencedError: aliases refer to it.
        """
        ...

    async def aliases(self, function: Stored[Function]) -> Sequence[Stored[Alias]]:
        """Its aliases in the order of their names."""
        ...

    async def alias(self, function: Stored[Function], name: str) -> Stored[Alias] | None:
        """Its alias of this name."""
        ...

    async def create_alias(self, function: Stored[Function], name: str, spec: AliasSpec) -> Stored[Alias]:
        """Create it; returns once calls by it are answered here.

        Raises:
            TakenError: there is one of that name.
        """
        ...

    async def change_alias(
        self, function: Stored[Function], alias: Stored[Alias], spec: AliasSpec
    ) -> Stored[Alias]:
        """Have it be this; returns once calls by it are led so here.

        Raises:
            ChangedError: it is not what was read.
        """
        ...

    async def delete_alias(self, function: Stored[Function], alias: Stored[Alias]) -> None:
        """Delete it; one that is gone is no trouble."""
        ...

    def reserved(self, namespace: str) -> Iterable[tuple[str, int]]:
        """The functions of a namespace that have reserved concurrency, by Lambda name, and how much."""
        ...

    async def reserve(self, function: Stored[Function], concurrency: int | None) -> None:
        """Have the function reserve so much, or nothing; returns once that holds here.

        Raises:
            ChangedError: it is gone.
        """
        ...

    async def provisioned(self, function: Stored[Function]) -> Mapping[str, int]:
        """How many instances are asked for ahead of calls, by version number and alias; only those that have any."""
        ...

    async def provision(
        self, function: Stored[Function], version: Stored[Version], concurrency: int | None
    ) -> Stored[Version]:
        """Have so many instances of a published version initialised ahead of calls, or none.

        Raises:
            ChangedError: it is gone.
        """
        ...
