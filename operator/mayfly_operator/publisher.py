"""Publishes Functions: on change, and under the numbers that people ask for.

Rule: one step at a time, each of which may be the last that this process does: the version first, then the counter.
The news of a step leads to the next one. What is written follows from what the API server says at that moment, not
from what was seen of it before.
"""

import logging
from http import HTTPStatus
from typing import Final

from mayfly_model.labels import latest_version_name, version_name
from mayfly_model.objects import RefusedError
from mayfly_model.publishing import Publication, applied
from mayfly_operator import published, resources
from mayfly_operator.adoption import adopt
from mayfly_operator.apply import RefusedByServerError
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.views import FunctionView, Json, VersionView, digest

_PAUSE: Final = 1.0
"""Seconds after which a name is tried again that belongs to an object on its way out."""
_log = logging.getLogger(__name__)


class Publisher:
    """Works on the published versions of a Function."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def next_step(self, function: FunctionView) -> float | None:
        """Do what is next for a Function whose `$LATEST` is what it asks for; in how many seconds to look again."""
        current = self._around.cache.functions.get(function.key)
        versions = [
            each for each in self._around.cache.published(function.key) if published.belongs(each, function)
        ]
        latest = self._around.cache.versions.get((function.namespace, latest_version_name(function.name)))
        if current is None or current.generation != function.generation or latest is None:
            return None
        for version in versions:
            if published.is_unowned(version):
                await self._adopt(current, version)
                return None
        counter = max(published.counted(versions), self._around.cache.highest(current.uid))
        if counter > current.last:
            await self._count(current, counter)
            return None
        asked = published.next_asked_for(current, versions)
        if asked is not None:
            await self._publish_as(current, latest, asked)
            return None
        if published.is_due(current, latest, versions):
            return await self._publish(current, latest, versions)
        return None

    async def _adopt(self, function: FunctionView, version: VersionView) -> None:
        """Of a version that somebody created whole, from a backup perhaps."""
        item = await adopt(self._around.cluster, "versions", version, function)
        if item is not None:
            self._around.intake.version(item)

    async def _count(self, function: FunctionView, number: int) -> None:
        status = {"lastPublishedVersion": number}
        patch = {"metadata": {"uid": function.uid}, "status": status}
        try:
            item = await self._around.cluster.merge("functions", function.key, patch, "status")
        except RefusedByServerError as error:
            if error.is_another:
                return
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
                raise
            # Somebody published meanwhile, and the counter does not go down.
            await self._look(function)
            return
        self._around.intake.function(item)

    async def _look(self, function: FunctionView) -> Json | None:
        """The Function as it is; None if it has changed, which leads to it being worked on again."""
        item = await self._around.cluster.get("functions", function.key)
        if item is None or item["metadata"]["uid"] != function.uid:
            return None
        self._around.intake.function(item)
        now = self._around.cache.functions.get(function.key)
        same = now is not None and (now.generation, now.last) == (function.generation, function.last)
        return item if same else None

    async def _now(self, function: FunctionView, latest: VersionView) -> Json | None:
        """`$LATEST` as it is; None if it or the Function is another than it was decided for."""
        if await self._look(function) is None:
            return None
        item = await self._around.cluster.get("versions", latest.key)
        if item is None:
            return None
        self._around.intake.version(item)
        same = item["metadata"]["uid"] == latest.uid and digest(item["spec"]) == latest.digest
        return item if same else None

    async def _publish_as(self, function: FunctionView, latest: VersionView, asked: VersionView) -> None:
        now = await self._now(function, latest)
        item = None if now is None else await self._around.cluster.get("versions", asked.key)
        if now is None or item is None or asked.number is None:
            return
        self._around.intake.version(item)
        if item["metadata"]["uid"] != asked.uid or (item.get("spec") or {}).get("configuration"):
            return
        try:
            publication = published.by_number(asked.number, item, now, function.last)
        except RefusedError as error:
            await self._refused(function, error)
            return
        manifest = resources.filled(asked, function, applied(publication.spec))
        try:
            self._around.intake.version(await self._around.cluster.apply("versions", manifest))
        except RefusedByServerError as error:
            if not error.is_another:
                raise
            return
        await self._tell(function, publication.number)

    async def _publish(
        self, function: FunctionView, latest: VersionView, versions: list[VersionView]
    ) -> float | None:
        now = await self._now(function, latest)
        if now is None:
            return None
        newest, known = await self._newest(function, versions)
        if not known:
            return _PAUSE
        try:
            numbers = [each.number for each in versions if each.number]
            outcome = published.on_change(now, newest, numbers, function.last)
        except RefusedError as error:
            await self._refused(function, error)
            return None
        return await self._create(function, outcome) if isinstance(outcome, Publication) else None

    async def _refused(self, function: FunctionView, error: RefusedError) -> None:
        await self._around.events.tell(
            function, warning=True, reason=error.reason, message=error.message, now=self._around.clock()
        )

    async def _newest(self, function: FunctionView, versions: list[VersionView]) -> tuple[Json | None, bool]:
        """The last version that was published, None if it is deleted; and whether that is what was known of it."""
        top = published.counted(versions)
        number = max(top, function.last)
        if not number:
            return None, True
        key = function.namespace, version_name(function.name, str(number))
        item = await self._around.cluster.get("versions", key)
        if item is not None:
            self._around.intake.version(item)
            version = published.read(item)
            if version.shape is None or not published.belongs(version, function):
                item = None
        # Somebody else may have published it just now, and only the counter's news is here yet.
        return item, (item is not None) == (number == top)

    async def _create(self, function: FunctionView, publication: Publication) -> float | None:
        manifest = resources.published(function, publication.number, applied(publication.spec))
        try:
            item = await self._around.cluster.create("versions", manifest)
        except RefusedByServerError as error:
            if error.reason == "AlreadyExists":
                return await self._learn(manifest)
            if "NamespaceTerminating" in error.causes:
                return None
            raise
        self._around.intake.version(item)
        await self._tell(function, publication.number)
        return None

    async def _learn(self, manifest: Json) -> float:
        """Look at a version that was not known: somebody was faster, or it is on its way out with its Function."""
        key = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        item = await self._around.cluster.get("versions", key)
        if item is not None:
            self._around.intake.version(item)
        return _PAUSE

    async def _tell(self, function: FunctionView, number: int) -> None:
        _log.info("%s/%s: published version %s", function.namespace, function.name, number)
        await self._around.events.tell(
            function,
            warning=False,
            reason="VersionPublished",
            message=f"Published version {number}.",
            now=self._around.clock(),
        )
