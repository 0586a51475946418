"""Brings an Alias's owner and status to what is true of it.

Rule: the status says what calls by the alias reach; the gateway asks it only for what it does not know itself.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from mayfly_model.conditions import Reason
from mayfly_model.labels import version_name
from mayfly_operator import aliases, provisioned, resources, rollouts
from mayfly_operator.adoption import adopt
from mayfly_operator.aliases import Serving
from mayfly_operator.apply import RefusedByServerError
from mayfly_operator.statuses import NewStatus
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.views import AliasView, Key, Trouble, VersionView


class AliasReconciler:
    """Works on Aliases, one at a time each."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def reconcile(self, key: Key) -> float | None:
        """Work on an Alias; in how many seconds to look again."""
        alias = self._around.cache.aliases.get(key)
        if alias is None or alias.deleting:
            return None
        found = aliases.trouble(
            alias, self._around.cache.functions.get(self._function(alias)), self._exists(alias)
        )
        now = datetime.fromtimestamp(self._around.clock(), UTC)
        new = aliases.status(alias, found, now, version=self._served(alias, found))
        if new is not None:
            await self._write(alias, new, found)
        await self._adopt(alias)
        return None

    def _function(self, alias: AliasView) -> Key:
        return alias.namespace, alias.function

    def _served(self, alias: AliasView, found: Trouble | None) -> VersionView | None:
        version = aliases.serving(alias, found).function_version
        if version is None:
            return None
        return self._around.cache.versions.get((alias.namespace, version_name(alias.function, version)))

    def _exists(self, alias: AliasView) -> Callable[[str], bool]:
        def exists(version: str) -> bool:
            found = self._around.cache.versions.get((alias.namespace, version_name(alias.function, version)))
            return found is not None and found.shape is not None

        return exists

    async def _adopt(self, alias: AliasView) -> None:
        function = self._around.cache.functions.get(self._function(alias))
        if function is None or function.deleting or alias.owner == function.uid:
            return
        item = await adopt(self._around.cluster, "aliases", alias, function)
        if item is not None:
            self._around.intake.alias(item)

    async def _write(self, alias: AliasView, new: NewStatus, found: Trouble | None) -> None:
        manifest = resources.status(alias, "Alias", new.fields)
        try:
            self._around.intake.alias(await self._around.cluster.apply("aliases", manifest, "status"))
        except RefusedByServerError as error:
            # It is gone, or another one of its name is there.
            if error.is_another:
                return
            raise
        await self._tell(alias, new, found)

    async def _tell(self, alias: AliasView, new: NewStatus, found: Trouble | None) -> None:
        """An Event where calls reach something else than before, or `Ready` turned for the worse."""
        before, now = aliases.served(alias), aliases.serving(alias, found)
        if found is None and before != now:
            await self._moved(alias, before, now)
        failing = None if found is not None else provisioned.trouble(new.fields.get("provisionedConcurrency"))
        wrong = found or failing
        if wrong is not None and not self._is_coming(alias, wrong):
            await self._say(alias, wrong, aliases.is_told(alias, wrong))
        await self._tell_end(alias)
        await self._tell_scaling(alias)

    async def _tell_scaling(self, alias: AliasView) -> None:
        """An Event where clock and load have changed how many instances are kept."""
        words = aliases.rescaled(alias)
        if words is not None:
            await self._around.events.tell(
                alias,
                kind="Alias",
                warning=False,
                reason="ProvisionedConcurrencyScaled",
                message=words,
                now=self._around.clock(),
            )

    def _is_coming(self, alias: AliasView, found: Trouble) -> bool:
        """Whether it names what is about to be published: who applies both at once has done nothing wrong."""
        function = self._around.cache.functions.get(self._function(alias))
        if function is None or found.reason is not Reason.VERSION_NOT_FOUND:
            return False
        return function.publish_on_change and str(function.last + 1) in alias.versions

    async def _tell_end(self, alias: AliasView) -> None:
        """An Event where a rollout has ended."""
        end = rollouts.ended(alias)
        if end is not None:
            await self._around.events.tell(
                alias,
                kind="Alias",
                warning=end.reason == Reason.ROLLED_BACK,
                reason=rollouts.EVENTS[Reason(end.reason)],
                message=end.message,
                now=self._around.clock(),
            )

    async def _say(self, alias: AliasView, found: Trouble, told: bool) -> None:
        if not told:
            await self._around.events.tell(
                alias,
                kind="Alias",
                warning=True,
                reason=found.reason,
                message=found.message,
                now=self._around.clock(),
            )

    async def _moved(self, alias: AliasView, before: Serving, now: Serving) -> None:
        await self._around.events.tell(
            alias,
            kind="Alias",
            warning=False,
            reason="AliasMoved",
            message=aliases.moved(before, now),
            now=self._around.clock(),
        )
