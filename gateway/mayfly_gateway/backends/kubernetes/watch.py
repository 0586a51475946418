"""Holds the objects of one kind as the API server last said they are, and tells of every change.

Rule: an object is removed only when the server says that it is gone, or is missing from a list that came whole. While
the server is away everything stays as it was, and the first whole answer afterwards makes good what was missed.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from mayfly_gateway.backends.kubernetes.api import Api, ApiRefusedError, ApiUnavailableError, failure_event

_PAGE = "250"
_WATCH_TIME = (50, 70)
"""Seconds until the server is to end a watch: so long may a connection be dead without anybody noticing."""
_SILENCE = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name."""


class Metadata(Protocol):
    """What every object has."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def uid(self) -> str: ...  # noqa: D102
    @property
    def resource_version(self) -> str: ...  # noqa: D102


class Observed(Protocol):
    """An object of the API, as far as it is read."""

    @property
    def metadata(self) -> Metadata: ...  # noqa: D102


T = TypeVar("T", bound=Observed)


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Bookmark(msgspec.Struct):
    metadata: _ListMetadata


class Watch(Generic[T]):
    """Every object at one path of the API. `objects` is what is known; `warm` is set once it was all of it."""

    def __init__(
        self,
        api: Api,
        path: str,
        kind: type[T],
        on_change: Callable[[T | None, T | None], None],
        *,
        selector: str = "",
        fields: str = "",
    ) -> None:
        """`on_change(before, after)` is told of what was added (no before), changed, or removed (no after)."""
        self._api = api
        self._path = path
        self._decode = msgspec.json.Decoder(kind).decode
        self._on_change = on_change
        selected = {"labelSelector": selector, "fieldSelector": fields}
        self._query = {name: value for name, value in selected.items() if value}
        self._pause = _FIRST_PAUSE
        self._version = ""
        self.objects: dict[Key, T] = {}
        self.warm = asyncio.Event()

    async def run(self) -> None:
        """Follow the server until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._follow()
            except ApiRefusedError as error:
                _log.log(logging.INFO if error.gone else logging.ERROR, "watching %s: %s", self._path, error)
                self._version = ""
            except (ApiUnavailableError, msgspec.DecodeError) as error:
                _log.warning("watching %s: %s", self._path, error)
            else:
                self._pause = _FIRST_PAUSE
                continue
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads load
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)

    async def _list(self) -> None:
        """Take over a whole list."""
        found: dict[Key, T] = {}
        query = {**self._query, "limit": _PAGE}
        while True:
            page = msgspec.json.decode(await self._api.get(self._path, query), type=_List)
            found |= {_key(item): item for item in map(self._decode, page.items or ())}
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        for key in self.objects.keys() - found.keys():
            self._put(key, None)
        for key, item in found.items():
            self._put(key, item)
        self._version = page.metadata.resource_version
        self.warm.set()

    async def _follow(self) -> None:
        """Take over changes until the server ends the watch."""
        seconds = random.randint(*_WATCH_TIME)  # noqa: S311
        query = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
        }
        async for line in self._api.lines(self._path, query, silence=seconds + _SILENCE):
            self._pause = _FIRST_PAUSE
            self._take(msgspec.json.decode(line, type=_Event))

    def _take(self, event: _Event) -> None:
        if event.type == "ERROR":
            raise failure_event(bytes(event.object))
        version = msgspec.json.decode(event.object, type=_Bookmark).metadata.resource_version
        if event.type != "BOOKMARK":
            item = self._decode(event.object)
            self._put(_key(item), item)
            if event.type == "DELETED":
                # Told as it was at last before it is told to be gone: how it ended may be news.
                self._put(_key(item), None)
        self._version = version

    def _put(self, key: Key, after: T | None) -> None:
        before = self.objects.get(key)
        if before is after:
            return
        if before and after and before.metadata.resource_version == after.metadata.resource_version:
            return
        if before and after and before.metadata.uid != after.metadata.uid:
            # It was deleted, and another one of its name created, while nobody told.
            self._put(key, None)
            before = None
        if after is None:
            del self.objects[key]
        else:
            self.objects[key] = after
        try:
            self._on_change(before, after)
        except Exception:
            # One object that nobody foresaw must not end the view of all others.
            _log.exception("%s %s/%s", self._path, *key)


def _key(item: Observed) -> Key:
    return item.metadata.namespace, item.metadata.name
