"""What the operator knows of the cluster, kept in memory.

Rule: of two states of an object the newer one counts, in whatever order they arrive, and what was deleted does not
come back by a late answer. Nothing here talks to anybody; nobody deletes anything on its word before it is `complete`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from mayfly_operator.views import AliasView, FunctionView, Key, PodView, VersionView

_GRAVES: Final = 4096
"""How many deleted uids are remembered: answers to requests may come after the news of a deletion."""


class View(Protocol):
    """What every view has."""

    @property
    def key(self) -> Key: ...  # noqa: D102
    @property
    def uid(self) -> str: ...  # noqa: D102
    @property
    def resource_version(self) -> int: ...  # noqa: D102


V = TypeVar("V", bound=View)


@dataclass(frozen=True, slots=True)
class Change(Generic[V]):
    """What an object was and is; None for an object that was not, or is no more."""

    before: V | None
    after: V | None


class Objects(Generic[V]):
    """The objects of one kind."""

    def __init__(self) -> None:
        self.complete = False
        """Whether a whole list was taken over."""
        self._objects: dict[Key, V] = {}
        self._graves: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[V]:
        return iter(tuple(self._objects.values()))

    def get(self, key: Key) -> V | None:
        """The object of this namespace and name."""
        return self._objects.get(key)

    def is_news(self, key: Key, uid: str, resource_version: int) -> bool:
        """Whether such a state of an object would be a newer one."""
        known = self._objects.get(key)
        return uid not in self._graves and (known is None or known.resource_version < resource_version)

    def put(self, new: V) -> Change[V] | None:
        """Take over a state of an object; None if it says nothing new."""
        if not self.is_news(new.key, new.uid, new.resource_version):
            return None
        before = self._objects.get(new.key)
        self._objects[new.key] = new
        return Change(before, new)

    def remove(self, key: Key, uid: str) -> Change[V] | None:
        """Forget a deleted object; None if it was not known."""
        self._graves[uid] = None
        if len(self._graves) > _GRAVES:
            self._graves.popitem(last=False)
        before = self._objects.get(key)
        if before is None or before.uid != uid:
            return None
        del self._objects[key]
        return Change(before, None)

    def missing_from(self, listed: Iterable[str], resource_version: int) -> list[V]:
        """What is known here and was gone when a list was made that holds these uids."""
        uids = set(listed)
        return [
            each
            for each in self._objects.values()
            if each.uid not in uids and each.resource_version <= resource_version
        ]


@dataclass(slots=True)
class Cache:
    """All kinds, with the ways to find one by another."""

    functions: Objects[FunctionView] = field(default_factory=Objects)
    versions: Objects[VersionView] = field(default_factory=Objects)
    aliases: Objects[AliasView] = field(default_factory=Objects)
    pods: Objects[PodView] = field(default_factory=Objects)
    _published: dict[Key, set[Key]] = field(default_factory=dict)
    _aliases: dict[Key, set[Key]] = field(default_factory=dict)
    _highest: dict[str, int] = field(default_factory=dict)
    _claims: dict[Key, set[Key]] = field(default_factory=dict)
    _holders: dict[Key, set[Key]] = field(default_factory=dict)
    _instances: dict[Key, dict[str, PodView]] = field(default_factory=dict)
    _waiting: dict[Key, dict[str, PodView]] = field(default_factory=dict)
    _users: dict[Key, set[Key]] = field(default_factory=dict)

    def put_function(self, new: FunctionView) -> Change[FunctionView] | None:
        """Take over a Function."""
        return self._function(self.functions.put(new))

    def put_version(self, new: VersionView) -> Change[VersionView] | None:
        """Take over a Version."""
        return self._version(self.versions.put(new))

    def put_alias(self, new: AliasView) -> Change[AliasView] | None:
        """Take over an Alias."""
        return self._alias(self.aliases.put(new))

    def put_pod(self, new: PodView) -> Change[PodView] | None:
        """Take over a pod."""
        return self._pod(self.pods.put(new))

    def remove_function(self, key: Key, uid: str) -> Change[FunctionView] | None:
        """Forget a Function."""
        return self._function(self.functions.remove(key, uid))

    def remove_version(self, key: Key, uid: str) -> Change[VersionView] | None:
        """Forget a Version."""
        return self._version(self.versions.remove(key, uid))

    def remove_alias(self, key: Key, uid: str) -> Change[AliasView] | None:
        """Forget an Alias."""
        return self._alias(self.aliases.remove(key, uid))

    def remove_pod(self, key: Key, uid: str) -> Change[PodView] | None:
        """Forget a pod."""
        return self._pod(self.pods.remove(key, uid))

    def claimants(self, namespace: str, lambda_name: str) -> list[FunctionView]:
        """The Functions whose spec says this Lambda name; whoever is being deleted claims nothing."""
        keys = self._claims.get((namespace, lambda_name), ())
        found = (self.functions.get(key) for key in keys)
        return [each for each in found if each is not None and not each.deleting]

    def named(self, namespace: str, lambda_name: str) -> set[Key]:
        """The Functions that have to do with a Lambda name: they claim it, or their `$LATEST` still bears it."""
        held = (self.versions.get(key) for key in self._holders.get((namespace, lambda_name), ()))
        owners = {(namespace, each.function) for each in held if each is not None}
        return owners | self._claims.get((namespace, lambda_name), set())

    def published(self, function: Key) -> list[VersionView]:
        """The Versions with numbers that name this Function."""
        found = (self.versions.get(key) for key in self._published.get(function, ()))
        return [each for each in found if each is not None]

    def highest(self, uid: str) -> int:
        """The highest number of the published versions of this uid's Function that were seen to be deleted."""
        return self._highest.get(uid, 0)

    def aliases_of(self, function: Key) -> list[AliasView]:
        """The Aliases that name this Function."""
        found = (self.aliases.get(key) for key in self._aliases.get(function, ()))
        return [each for each in found if each is not None]

    def instances(self, version: Key) -> tuple[PodView, ...]:
        """The pods of a Version."""
        return tuple(self._instances.get(version, {}).values())

    def waiting(self, pool: Key) -> tuple[PodView, ...]:
        """The pods of a pool: of the namespace and runtime."""
        return tuple(self._waiting.get(pool, {}).values())

    def users(self, pool: Key) -> list[VersionView]:
        """The Versions that a pool may serve."""
        found = (self.versions.get(key) for key in self._users.get(pool, ()))
        return [each for each in found if each is not None]

    def pools(self) -> set[Key]:
        """Every pool that has pods or might be used."""
        return {*self._waiting, *self._users}

    def versions_with_pods(self) -> Iterator[Key]:
        """The Versions, existing or not, that pods name."""
        return iter(tuple(self._instances))

    @property
    def complete(self) -> bool:
        """Whether every kind was listed whole."""
        kinds = self.functions, self.versions, self.aliases, self.pods
        return all(each.complete for each in kinds)

    def _function(self, change: Change[FunctionView] | None) -> Change[FunctionView] | None:
        if change is not None:
            if change.before:
                _discard(
                    self._claims, (change.before.namespace, change.before.lambda_name), change.before.key
                )
            if change.after:
                _add(self._claims, (change.after.namespace, change.after.lambda_name), change.after.key)
            if change.before and (change.after is None or change.after.uid != change.before.uid):
                self._highest.pop(change.before.uid, None)
        return change

    def _version(self, change: Change[VersionView] | None) -> Change[VersionView] | None:
        if change is not None:
            if change.before and change.before.lambda_name:
                _discard(
                    self._holders, (change.before.namespace, change.before.lambda_name), change.before.key
                )
            if change.after and change.after.lambda_name:
                _add(self._holders, (change.after.namespace, change.after.lambda_name), change.after.key)
            self._number(change)
            self._user(change)
        return change

    def _number(self, change: Change[VersionView]) -> None:
        before, after = change.before, change.after
        if before and before.number:
            _discard(self._published, (before.namespace, before.function), before.key)
        if after and after.number:
            _add(self._published, (after.namespace, after.function), after.key)
        elif before and before.number and before.shape is not None:
            function = self.functions.get((before.namespace, before.function))
            if function is not None and function.uid == before.owner:
                self._highest[function.uid] = max(before.number, self.highest(function.uid))

    def _alias(self, change: Change[AliasView] | None) -> Change[AliasView] | None:
        if change is not None:
            if change.before:
                _discard(self._aliases, (change.before.namespace, change.before.function), change.before.key)
            if change.after:
                _add(self._aliases, (change.after.namespace, change.after.function), change.after.key)
        return change

    def _user(self, change: Change[VersionView]) -> None:
        before, after = change.before, change.after
        if before and before.shape and before.shape.pool:
            _discard(self._users, (before.namespace, before.shape.pool), before.key)
        if after and after.shape and after.shape.pool:
            _add(self._users, (after.namespace, after.shape.pool), after.key)

    def _pod(self, change: Change[PodView] | None) -> Change[PodView] | None:
        if change is not None:
            if change.before:
                index, key = self._place(change.before)
                index.get(key, {}).pop(change.before.name, None)
                if not index.get(key):
                    index.pop(key, None)
            if change.after:
                index, key = self._place(change.after)
                index.setdefault(key, {})[change.after.name] = change.after
        return change

    def _place(self, pod: PodView) -> tuple[dict[Key, dict[str, PodView]], Key]:
        if pod.pool:
            return self._waiting, (pod.namespace, pod.pool)
        return self._instances, (pod.namespace, pod.version)


def _add(index: dict[Key, set[Key]], at: Key, key: Key) -> None:
    index.setdefault(at, set()).add(key)


def _discard(index: dict[Key, set[Key]], at: Key, key: Key) -> None:
    keys = index.get(at, set())
    keys.discard(key)
    if not keys:
        index.pop(at, None)
