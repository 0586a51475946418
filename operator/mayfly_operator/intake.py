"""Takes over what is learnt of objects, and says who has to be worked on because of it.

Rule: it does not matter who learnt it: a watch, a list or the answer to a write.
"""

from mayfly_model.labels import latest_version_name
from mayfly_operator import functions
from mayfly_operator.cache import Cache, Change
from mayfly_operator.views import (
    FunctionView,
    Identity,
    Json,
    Key,
    VersionView,
    identity,
    read_pod,
    read_version,
)
from mayfly_operator.work_queue import WorkQueue


class Intake:
    """Feeds the cache and the queues."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.functions: WorkQueue | None = None
        self.versions: WorkQueue | None = None

    def function(self, item: Json) -> None:
        """A Function as it is."""
        self._function(self._cache.put_function(functions.read(item)))

    def version(self, item: Json) -> None:
        """A Version as it is."""
        self._version(self._cache.put_version(read_version(item)))

    def pod(self, item: Json) -> None:
        """An instance's pod as it is."""
        new = read_pod(item)
        if self._cache.put_pod(new):
            self._add_version((new.namespace, new.version))

    def gone(self, kind: str, item: Json) -> None:
        """An object that was deleted."""
        self.forget(kind, Identity(**identity(item)))

    def forget(self, kind: str, item: Identity) -> None:
        """An object of one of the kinds functions, versions and pods that is there no more."""
        match kind:
            case "functions":
                self._function(self._cache.remove_function(item.key, item.uid))
            case "versions":
                self._version(self._cache.remove_version(item.key, item.uid))
            case _:
                change = self._cache.remove_pod(item.key, item.uid)
                if change is not None and change.before is not None:
                    self._add_version((change.before.namespace, change.before.version))

    def _function(self, change: Change[FunctionView] | None) -> None:
        if change is None:
            return
        states = [each for each in (change.before, change.after) if each is not None]
        self._add_function(states[0].key)
        if len(states) == 1 or _claim(states[0]) != _claim(states[1]):
            for name in {each.lambda_name for each in states}:
                for key in self._cache.named(states[0].namespace, name):
                    self._add_function(key)

    def _version(self, change: Change[VersionView] | None) -> None:
        if change is None:
            return
        some = change.after or change.before
        if some is None:
            return
        self._add_version(some.key)
        if some.name == latest_version_name(some.function):
            self._add_function((some.namespace, some.function))

    def _add_function(self, key: Key) -> None:
        if self.functions is not None:
            self.functions.add(key)

    def _add_version(self, key: Key) -> None:
        if self.versions is not None:
            self.versions.add(key)


def _claim(function: FunctionView) -> tuple[str, str, bool]:
    return function.lambda_name, function.created, function.deleting
