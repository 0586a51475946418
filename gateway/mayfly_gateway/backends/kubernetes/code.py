"""A function's code as the agent is brought it: a zip archive, or the texts of its files.

Rule: a package is what its SHA-256 says or nothing. The last ones used are kept, bounded in bytes, so that what was
served once is served while the store is away.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from mayfly_gateway.backends.kubernetes.pods import Trouble
from mayfly_model.conditions import Reason
from mayfly_model.function_code import Code
from mayfly_model.publishing import packed

_KEPT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Package:
    """Code and what it is called by."""

    format: Literal["zip", "files"]
    sha256: str
    data: bytes = field(repr=False)


class CodeError(Exception):
    """The code cannot be had, for this reason."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.trouble = Trouble(reason, message)


def _not_uploaded(namespace: str, sha256: str) -> CodeError:
    return CodeError(
        Reason.CODE_NOT_FOUND, f"no archive sha256:{sha256} was uploaded to the namespace {namespace}"
    )


class Archives(Protocol):
    """Where archives are kept."""

    async def get(self, namespace: str, sha256: str) -> bytes | None:
        """The archive, None if there is none.

        Raises:
            CodeError: the store is away.
        """
        ...

    async def keep(self, namespace: str, sha256: str, data: bytes) -> None:
        """Keep an archive if that can be done."""
        ...

    async def has(self, namespace: str, sha256: str) -> bool:
        """Whether there is such an archive.

        Raises:
            StoreUnavailableError: the store is away.
        """
        ...


class Packages:
    """Finds code. `fetch(url)` brings an archive from its address."""

    def __init__(self, archives: Archives, fetch: Callable[[str], Awaitable[bytes]]) -> None:
        self._archives = archives
        self._fetch = fetch
        self._kept: OrderedDict[tuple[str, str], Package] = OrderedDict()
        self._size = 0
        self._coming: dict[tuple[str, str], asyncio.Task[Package]] = {}

    async def get(self, namespace: str, code: Code) -> Package:
        """The package that a Version's code means.

        Raises:
            CodeError: it is not there, is another than its digest says, or cannot be reached.
        """
        if code.inline is not None:
            data = packed(code.inline)
            return Package("files", hashlib.sha256(data).hexdigest(), data)
        sha256 = code.sha256 or (code.archive or "").removeprefix("sha256:")
        if not sha256:
            raise CodeError(Reason.CODE_INVALID, "code of this kind cannot be run here")
        key = (namespace, sha256)
        if (package := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return package
        if key not in self._coming:
            coming = asyncio.create_task(self._bring(key, code.url))
            self._coming[key] = coming
            coming.add_done_callback(lambda done: self._arrived(key, done))
        return await asyncio.shield(self._coming[key])

    async def missing(self, namespace: str, code: Code) -> Trouble | None:
        """Why a Version's code cannot be had, if it is an archive that was not uploaded.

        Raises:
            StoreUnavailableError: nobody can tell just now.
        """
        sha256 = (code.archive or "").removeprefix("sha256:")
        if not sha256 or (namespace, sha256) in self._kept or await self._archives.has(namespace, sha256):
            return None
        return _not_uploaded(namespace, sha256).trouble

    def _arrived(self, key: tuple[str, str], done: asyncio.Task[Package]) -> None:
        del self._coming[key]
        if not done.cancelled():
            # Looked at here too: whoever waited may be gone.
            done.exception()

    async def _bring(self, key: tuple[str, str], url: str | None) -> Package:
        namespace, sha256 = key
        data = await self._found(namespace, sha256, url)
        found = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        if found != sha256:
            raise CodeError(
                Reason.CODE_DIGEST_MISMATCH,
                f"{url or 'the archive'} has the SHA-256 {found}, and not {sha256}",
            )
        if url is not None:
            await self._archives.keep(namespace, sha256, data)
        return self._keep(key, Package("zip", sha256, data))

    async def _found(self, namespace: str, sha256: str, url: str | None) -> bytes:
        try:
            data = await self._archives.get(namespace, sha256)
        except CodeError:
            if url is None:
                raise
            data = None
        if data is not None:
            return data
        if url is None:
            raise _not_uploaded(namespace, sha256)
        return await self._fetch(url)

    def _keep(self, key: tuple[str, str], package: Package) -> Package:
        self._kept[key] = package
        self._size += len(package.data)
        while self._size > _KEPT and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1].data)
        return package
