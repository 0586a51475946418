"""Takes over what is learnt of objects, and says who has to be worked on because of it.

Rule: it does not matter who learnt it: a watch, a list or the answer to a write.
"""

from mayfly_model.labels import version_name
from mayfly_operator import aliases, functions, published
from mayfly_operator.cache import Cache, Change
from mayfly_operator.pod_views import read_pod
from mayfly_operator.views import (
    AliasView,
    FunctionView,
    Identity,
    Json,
    Key,
    PodView,
    VersionView,
    identity,
)
from mayfly_operator.work_queue import WorkQueue


class Intake:
    """Feeds the cache and the queues."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.functions: WorkQueue | None = None
        self.versions: WorkQueue | None = None
        self.aliases: WorkQueue | None = None
        self.pools: WorkQueue | None = None

    def function(self, item: Json) -> None:
        """A Function as it is."""
        self._function(self._cache.put_function(functions.read(item)))

    def version(self, item: Json) -> None:
        """A Version as it is."""
        known = self._cache.versions.get(Identity(**identity(item)).key)
        self._version(self._cache.put_version(published.read(item, known)))

    def alias(self, item: Json) -> None:
        """An Alias as it is."""
        self._alias(self._cache.put_alias(aliases.read(item)))

    def pod(self, item: Json) -> None:
        """An instance's pod as it is."""
        self._pod(self._cache.put_pod(read_pod(item)))

    def gone(self, kind: str, item: Json) -> None:
        """An object that was deleted."""
        self.forget(kind, Identity(**identity(item)))

    def forget(self, kind: str, item: Identity) -> None:
        """An object of one of the kinds functions, versions, aliases and pods that is there no more."""
        match kind:
            case "functions":
                self._function(self._cache.remove_function(item.key, item.uid))
            case "versions":
                self._version(self._cache.remove_version(item.key, item.uid))
            case "aliases":
                self._alias(self._cache.remove_alias(item.key, item.uid))
            case _:
                self._pod(self._cache.remove_pod(item.key, item.uid))

    def _function(self, change: Change[FunctionView] | None) -> None:
        if change is None:
            return
        states = [each for each in (change.before, change.after) if each is not None]
        key = states[0].key
        self._add_function(key)
        if len(states) == 1 or _claim(states[0]) != _claim(states[1]):
            for name in {each.lambda_name for each in states}:
                for other in self._cache.named(states[0].namespace, name):
                    self._add_function(other)
        for version in self._cache.published(key):
            if published.is_asked_for(version):
                self._add_version(version.key)
        if change.before is None or change.after is None:
            for alias in self._cache.aliases_of(key):
                self._add_alias(alias.key)

    def _version(self, change: Change[VersionView] | None) -> None:
        if change is None:
            return
        before, after = change.before, change.after
        some = after or before
        if some is None:
            return
        self._add_version(some.key)
        self._add_pool_of(some)
        anew = before is None or after is None or _publishing(before) != _publishing(after)
        if functions.is_latest(some) or anew:
            self._add_function((some.namespace, some.function))
        if anew or _provisioned(before) != _provisioned(after):
            for alias in self._cache.aliases_of((some.namespace, some.function)):
                self._add_alias(alias.key)

    def _pod(self, change: Change[PodView] | None) -> None:
        if change is None:
            return
        for each in (change.before, change.after):
            if each is not None and each.pool:
                self._add_pool((each.namespace, each.pool))
            elif each is not None:
                self._add_version((each.namespace, each.version))
                self._add_pool_of(self._cache.versions.get((each.namespace, each.version)))

    def _alias(self, change: Change[AliasView] | None) -> None:
        if change is None:
            return
        for each in (change.before, change.after):
            if each is not None:
                self._add_alias(each.key)
                for version in aliases.refers_to(each):
                    self._add_version((each.namespace, version_name(each.function, version)))

    def _add_function(self, key: Key) -> None:
        if self.functions is not None:
            self.functions.add(key)

    def _add_version(self, key: Key) -> None:
        if self.versions is not None:
            self.versions.add(key)

    def _add_pool_of(self, version: VersionView | None) -> None:
        """The pool that may serve a Version."""
        if version is not None and version.shape is not None and version.shape.pool is not None:
            self._add_pool((version.namespace, version.shape.pool))

    def _add_pool(self, key: Key) -> None:
        if self.pools is not None:
            self.pools.add(key)

    def _add_alias(self, key: Key) -> None:
        if self.aliases is not None:
            self.aliases.add(key)


def _claim(function: FunctionView) -> tuple[str, str, bool]:
    return function.lambda_name, function.created, function.deleting


def _publishing(version: VersionView) -> tuple[str, str, str | None, bool, bool]:
    return version.uid, version.digest, version.owner, version.deleting, version.shape is None


def _provisioned(version: VersionView | None) -> object:
    """What aliases tell of a version besides whether it is there."""
    return None if version is None else (version.provisioned, version.status.get("provisionedConcurrency"))
