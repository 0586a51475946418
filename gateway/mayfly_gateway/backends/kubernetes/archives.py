"""Code archives in the JetStream object store, by namespace and SHA-256.

Rule: the store may be away at any time. Nothing here waits for it for long, and what is stored was seen to be what its
digest says.
"""

import asyncio
import io
import logging
from typing import BinaryIO, cast

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.object_store import ObjectStore

from mayfly_gateway.archives import StoreUnavailableError
from mayfly_gateway.backends.kubernetes.code import CodeError
from mayfly_model.conditions import Reason

BUCKET = "mayfly-code"
_CONNECT_TIME = 2
_CALL_TIME = 5.0
_TRANSFER_TIME = 30.0
_AGAIN = 2.0
_TROUBLE = (nats.errors.Error, OSError, asyncio.TimeoutError)

_log = logging.getLogger(__name__)


def object_name(namespace: str, sha256: str) -> str:
    """How an archive is called in the store."""
    return f"{namespace}/sha256-{sha256}"


class ArchiveStore:
    """The bucket `mayfly-code`, made when it is first needed."""

    def __init__(self, url: str, *, username: str | None = None, password: str | None = None) -> None:
        self._url = url
        self._username, self._password = username, password
        self._client = Client()
        self._bucket: ObjectStore | None = None
        self._connecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, however long that takes; returns at once."""
        self._connecting = asyncio.create_task(self._connect())

    async def close(self) -> None:
        """Let go of the store."""
        if self._connecting is not None:
            self._connecting.cancel()
        await asyncio.gather(self._client.close(), return_exceptions=True)

    async def get(self, namespace: str, sha256: str) -> bytes | None:
        """See `Archives`."""
        try:
            async with asyncio.timeout(_TRANSFER_TIME):
                bucket = await self._open()
                content = io.BytesIO()
                await bucket.get(object_name(namespace, sha256), writeinto=content)
                return content.getvalue()
        except nats.js.errors.ObjectNotFoundError:
            return None
        except (*_TROUBLE, StoreUnavailableError) as error:
            message = f"the store of code archives does not answer: {_words(error)}"
            raise CodeError(Reason.CODE_NOT_FOUND, message) from error

    async def keep(self, namespace: str, sha256: str, data: bytes) -> None:
        """See `Archives`."""
        try:
            await self.put(namespace, sha256, io.BytesIO(data))
        except StoreUnavailableError as error:
            _log.warning("an archive of %s is not kept: %s", namespace, error)

    async def has(self, namespace: str, sha256: str) -> bool:
        """Whether there is such an archive.

        Raises:
            StoreUnavailableError: the store is away.
        """
        try:
            async with asyncio.timeout(_CALL_TIME):
                await (await self._open()).get_info(object_name(namespace, sha256))
        except nats.js.errors.ObjectNotFoundError:
            return False
        except _TROUBLE as error:
            raise StoreUnavailableError(_words(error)) from error
        return True

    async def put(self, namespace: str, sha256: str, content: BinaryIO) -> bool:
        """Store an archive whose digest was checked; False if it was there.

        Raises:
            StoreUnavailableError: the store is away, or full.
        """
        if await self.has(namespace, sha256):
            return False
        try:
            async with asyncio.timeout(_TRANSFER_TIME):
                await (await self._open()).put(
                    object_name(namespace, sha256), cast(io.BufferedIOBase, content)
                )
        except _TROUBLE as error:
            raise StoreUnavailableError(_words(error)) from error
        return True

    async def _connect(self) -> None:
        while True:
            try:
                await self._client.connect(
                    self._url,
                    user=self._username,
                    password=self._password,
                    connect_timeout=_CONNECT_TIME,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=1,
                    error_cb=_note,
                )
            except _TROUBLE as error:
                _log.warning("the store of code archives: %s", _words(error))
                await asyncio.sleep(_AGAIN)
            else:
                return

    async def _open(self) -> ObjectStore:
        if not self._client.is_connected:
            raise StoreUnavailableError("no connection to NATS")
        if self._bucket is None:
            stream = self._client.jetstream(timeout=_CALL_TIME)
            try:
                self._bucket = await stream.object_store(BUCKET)
            except nats.js.errors.BucketNotFoundError:
                self._bucket = await stream.create_object_store(BUCKET)
        return self._bucket


async def _note(error: Exception) -> None:
    _log.warning("NATS: %s", _words(error))


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
