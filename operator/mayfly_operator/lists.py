"""Whole lists: at the start to know everything, and then now and again to prove that the watches still tell all.

Rule: what a list shows and no watch has told within a few seconds is read and taken over, so that the operator goes on
working with a deaf ear; and it is counted, so that a watch which stays deaf is found out.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from mayfly_operator.apply import Cluster
from mayfly_operator.cache import Cache, Objects
from mayfly_operator.intake import Intake
from mayfly_operator.views import AliasView, FunctionView, Identity, Json, PodView, VersionView, identity

Watched = Literal["functions", "versions", "aliases", "pods"]
WATCHED: Final[tuple[Watched, ...]] = ("functions", "versions", "aliases", "pods")
_GRACE: Final = 5.0
"""Seconds that news may take: of what a list has, the watch may just be telling."""
_DEAF: Final = 2
"""Lists in a row that knew something which no watch had told."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Listed:
    items: list[Identity]
    resource_version: int


class Lists:
    """Reads lists."""

    def __init__(self, cache: Cache, cluster: Cluster, intake: Intake) -> None:
        self._cache = cache
        self._cluster = cluster
        self._intake = intake
        self._untold: dict[Watched, int] = dict.fromkeys(WATCHED, 0)

    async def load(self) -> None:
        """Take over everything.

        Raises:
            mayfly_operator.apply.UnavailableError: the server is away.
            mayfly_operator.apply.RefusedByServerError: it refused.
        """
        for kind in WATCHED:
            listed = await self._list(kind, metadata_only=False)
            self._forget(kind, self._missing(kind, listed))
            self._objects(kind).complete = True

    async def compare(self) -> None:
        """Find out what the watches have not told, and take it over.

        Raises:
            mayfly_operator.apply.UnavailableError: the server is away.
            mayfly_operator.apply.RefusedByServerError: it refused.
        """
        for kind in WATCHED:
            listed = await self._list(kind, metadata_only=True)
            untold = 0
            if self._news(kind, listed.items) or self._missing(kind, listed):
                await asyncio.sleep(_GRACE)
                untold = await self._catch_up(kind, listed)
            self._untold[kind] = self._untold[kind] + 1 if untold else 0
            if untold:
                _log.warning("%s %s had changed and no watch had told", untold, kind)

    @property
    def deaf(self) -> tuple[Watched, ...]:
        """The kinds whose watch does not tell what happens."""
        return tuple(kind for kind, times in self._untold.items() if times >= _DEAF)

    async def _list(self, kind: Watched, *, metadata_only: bool) -> _Listed:
        items: list[Identity] = []
        more, resource_version = "", 0
        while True:
            page = await self._cluster.page(kind, more, metadata_only=metadata_only)
            for item in page.items:
                items.append(Identity(**identity(item)))
                if not metadata_only:
                    self._take(kind, item)
            resource_version = resource_version or page.resource_version
            if not page.more:
                return _Listed(items, resource_version)
            more = page.more

    async def _catch_up(self, kind: Watched, listed: _Listed) -> int:
        """Take over what is still unknown; how many that were."""
        untold: list[Identity] = [*self._news(kind, listed.items), *self._missing(kind, listed)]
        for each in untold:
            item = await self._cluster.get(kind, each.key)
            if item is None or item["metadata"]["uid"] != each.uid:
                self._forget(kind, [each])
            if item is not None:
                self._take(kind, item)
        return len(untold)

    def _news(self, kind: Watched, items: Iterable[Identity]) -> list[Identity]:
        objects = self._objects(kind)
        return [each for each in items if objects.is_news(each.key, each.uid, each.resource_version)]

    def _missing(self, kind: Watched, listed: _Listed) -> list[Identity]:
        uids = [each.uid for each in listed.items]
        return list(self._objects(kind).missing_from(uids, listed.resource_version))

    def _forget(self, kind: Watched, items: Iterable[Identity]) -> None:
        for each in items:
            self._intake.forget(kind, each)

    def _take(self, kind: Watched, item: Json) -> None:
        match kind:
            case "functions":
                self._intake.function(item)
            case "versions":
                self._intake.version(item)
            case "aliases":
                self._intake.alias(item)
            case "pods":
                self._intake.pod(item)

    def _objects(
        self, kind: Watched
    ) -> Objects[FunctionView] | Objects[VersionView] | Objects[AliasView] | Objects[PodView]:
        match kind:
            case "functions":
                return self._cache.functions
            case "versions":
                return self._cache.versions
            case "aliases":
                return self._cache.aliases
            case "pods":
                return self._cache.pods
