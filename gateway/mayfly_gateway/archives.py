"""The routes by which code archives are uploaded: `PUT` and `HEAD` of a namespace's archive, named by its SHA-256.

Rule: nothing is stored that is not what its name says, and no upload takes memory: it goes through a file.
"""

import asyncio
import hashlib
import re
import tempfile
from typing import BinaryIO, Protocol, cast

from aiohttp import web

from mayfly_gateway.http_errors import RequestTimeoutException
from mayfly_model.errors import (
    InvalidParameterValueException,
    RequestTooLargeException,
    ServiceUnavailableException,
)
from mayfly_model.limits import ZIP_BYTES
from mayfly_model.names import OBJECT_NAME_PATTERN

_PATH = "/mayfly/v1beta1/namespaces/{namespace}/archives/{digest}"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_NAMESPACE = re.compile(OBJECT_NAME_PATTERN, re.ASCII)
_NAMESPACE_LENGTH = 63
_UPLOAD_TIME = 300.0
_UPLOADS = 8
_MB = 1_048_576


class StoreUnavailableError(Exception):
    """The store does not answer."""


class Store(Protocol):
    """Where archives are kept, see `backends.kubernetes.archives`; both raise StoreUnavailableError."""

    async def has(self, namespace: str, sha256: str) -> bool:
        """Whether there is such an archive."""
        ...

    async def put(self, namespace: str, sha256: str, content: BinaryIO) -> bool:
        """Keep an archive whose digest was checked; False if it was there."""
        ...


class ArchiveRoutes:
    """The handlers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uploads = 0

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_put(_PATH, self.put)
        app.router.add_head(_PATH, self.head)

    async def head(self, request: web.Request) -> web.Response:
        """200 if the archive is there, else 404."""
        namespace, sha256 = _names(request)
        return web.Response(status=200 if await self._has(namespace, sha256) else 404)

    async def put(self, request: web.Request) -> web.Response:
        """201 once the archive is stored, 200 if it was there already."""
        namespace, sha256 = _names(request)
        if (request.content_length or 0) > ZIP_BYTES:
            raise _too_large()
        if await self._has(namespace, sha256):
            return web.Response(status=200)
        if self._uploads >= _UPLOADS:
            raise ServiceUnavailableException("Too many archives are being uploaded just now: try again.")
        self._uploads += 1
        try:
            with tempfile.TemporaryFile() as content:
                await _receive(request, cast(BinaryIO, content), sha256)
                stored = await self._store.put(namespace, sha256, cast(BinaryIO, content))
        except StoreUnavailableError as error:
            raise _away(error) from error
        finally:
            self._uploads -= 1
        return web.Response(status=201 if stored else 200)

    async def _has(self, namespace: str, sha256: str) -> bool:
        try:
            return await self._store.has(namespace, sha256)
        except StoreUnavailableError as error:
            raise _away(error) from error


async def _receive(request: web.Request, content: BinaryIO, sha256: str) -> None:
    """Read the body into a file, from whose beginning it can then be read."""
    digest, size = hashlib.sha256(), 0
    try:
        async with asyncio.timeout(_UPLOAD_TIME):
            async for part in request.content.iter_any():
                size += len(part)
                if size > ZIP_BYTES:
                    raise _too_large()
                digest.update(part)
                content.write(part)
    except TimeoutError:
        raise RequestTimeoutException(f"The archive did not arrive within {_UPLOAD_TIME:g} s.") from None
    if digest.hexdigest() != sha256:
        raise InvalidParameterValueException(
            f"The archive has the SHA-256 {digest.hexdigest()}, and not {sha256} as its address says."
        )
    content.seek(0)


def _names(request: web.Request) -> tuple[str, str]:
    namespace = request.match_info["namespace"]
    if len(namespace) > _NAMESPACE_LENGTH or _NAMESPACE.fullmatch(namespace) is None:
        raise InvalidParameterValueException(f"{namespace[:80]!r} cannot be a namespace's name.")
    match = _DIGEST.fullmatch(request.match_info["digest"])
    if match is None:
        raise InvalidParameterValueException("An archive is named sha256: and 64 lower-case hex digits.")
    return namespace, match[1]


def _too_large() -> RequestTooLargeException:
    return RequestTooLargeException(f"An archive may have at most {ZIP_BYTES // _MB} MB.")


def _away(error: StoreUnavailableError) -> ServiceUnavailableException:
    return ServiceUnavailableException(f"The store of code archives does not answer: {error}")
