"""Removes the code archives that nobody refers to any more.

Rule: an archive goes when for an hour no Function and no Version of its namespace has named it and nobody has asked for
it. What is not known for sure counts as named: a look that fails, or that another gateway takes, starts the hour anew.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from mayfly_gateway.archives import StoreUnavailableError
from mayfly_gateway.backends.kubernetes.api import Api, ApiRefusedError, ApiUnavailableError
from mayfly_gateway.backends.kubernetes.archives import ArchiveStore, object_name
from mayfly_gateway.backends.kubernetes.objects import VersionObject

UNNAMED_FOR: Final = 3600.0
"""Seconds for which nobody may have named an archive that is removed."""
EVERY: Final = 300.0
"""Seconds between two looks."""
WORK: Final = ("", "code-archives")
"""The work of collecting, as if it were a function: one gateway owns it."""
_PAGE = "100"
_log = logging.getLogger(__name__)


class _Metadata(msgspec.Struct, frozen=True, rename={"more": "continue"}):
    more: str = ""


class _Code(msgspec.Struct, frozen=True):
    archive: str | None = None
    sha256: str | None = None

    def digests(self) -> set[str]:
        return {each.removeprefix("sha256:") for each in (self.archive, self.sha256) if each}


class _Configuration(msgspec.Struct, frozen=True):
    code: _Code = _Code()


class _Spec(msgspec.Struct, frozen=True):
    """Of a Function, or of a Version, which has a Function's in it."""

    code: _Code = _Code()
    configuration: _Configuration | None = None

    def digests(self) -> set[str]:
        inner = self.configuration.code.digests() if self.configuration else set()
        return self.code.digests() | inner


class _Item(msgspec.Struct, frozen=True):
    spec: _Spec = _Spec()


class _List(msgspec.Struct, frozen=True):
    metadata: _Metadata
    items: list[_Item] | None = None


def named_by(versions: Iterable[VersionObject]) -> set[str]:
    """Names in the store of all archives that these Versions name."""
    return {
        object_name(version.metadata.namespace, digest)
        for version in versions
        for digest in _digests((version.spec.configuration or {}).get("code"))
    }


def _digests(code: object) -> set[str]:
    return msgspec.convert(code, _Code).digests() if isinstance(code, Mapping) else set()


class Collector:
    """Looks now and again."""

    def __init__(
        self,
        *,
        api: Api,
        store: ArchiveStore,
        versions: Callable[[], Iterable[VersionObject]],
        mine: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`versions()` are those that are known, which may be out of date; `mine()` says whose the work is now."""
        self._api = api
        self._store = store
        self._versions = versions
        self._mine = mine
        self._clock = clock
        self._since: dict[str, float] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def look(self) -> int:
        """Look once, and remove what is due; how much that was. Whatever goes wrong is logged."""
        before, self._since = self._since, {}
        if not self._mine():
            return 0
        try:
            return await self._look(before)
        except (StoreUnavailableError, ApiUnavailableError, ApiRefusedError, msgspec.DecodeError) as error:
            self._since = {}
            _log.warning("code archives are not looked through: %s", error)
            return 0

    async def _look(self, before: Mapping[str, float]) -> int:
        kept = await self._store.kept()
        unnamed = await self._unnamed(kept.names - named_by(self._versions()))
        now = self._clock()
        self._since = {each: before.get(each, now) for each in unnamed | kept.strays}
        due = {each for each, since in self._since.items() if now - since >= UNNAMED_FOR}
        removed = 0
        for name in sorted(due & unnamed):
            if await self._store.remove(name, untouched_for=UNNAMED_FOR):
                _log.info("nobody refers to %s: removed", name)
                removed += 1
        for chunks in due & kept.strays:
            await self._store.remove_stray(chunks)
        return removed

    async def _unnamed(self, names: Iterable[str]) -> set[str]:
        """Those of these that nobody names, as the API server says now."""
        found: dict[str, set[str]] = {}
        for name in names:
            found.setdefault(name.partition("/")[0], set()).add(name)
        for namespace, archives in found.items():
            for kind in ("functions", "versions"):
                archives -= {object_name(namespace, each) for each in await self._named_in(namespace, kind)}
        return {name for archives in found.values() for name in archives}

    async def _named_in(self, namespace: str, kind: str) -> set[str]:
        path = f"/apis/mayfly.dev/v1beta1/namespaces/{namespace}/{kind}"
        query: dict[str, Any] = {"limit": _PAGE}
        digests: set[str] = set()
        while True:
            page = msgspec.json.decode(await self._api.get(path, query), type=_List)
            for item in page.items or ():
                digests |= item.spec.digests()
            if not page.metadata.more:
                return digests
            query["continue"] = page.metadata.more
