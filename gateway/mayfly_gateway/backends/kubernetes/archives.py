"""Code archives in the JetStream object store, by namespace and SHA-256.

Rule: the store may be away at any time. Nothing here waits for it for long, and what is stored was seen to be what its
digest says. Whoever is told that an archive is there may rely on it for a while: asking for it touches it, and what was
touched lately is not removed, not even by who decided so before.
"""

import asyncio
import base64
import io
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import Header, RawStreamMsg
from nats.js.object_store import ObjectStore

from mayfly_gateway.archives import StoreUnavailableError
from mayfly_gateway.backends.kubernetes.code import CodeError
from mayfly_gateway.nats_connection import TROUBLE, NatsConnection, words
from mayfly_model.conditions import Reason

BUCKET = "mayfly-code"
TOUCHED_FOR: Final = 600.0
"""Seconds for which an archive counts as touched by the last touch, so that not every look at it is a write."""
_STREAM, _META, _CHUNKS = f"OBJ_{BUCKET}", f"$O.{BUCKET}.M.", f"$O.{BUCKET}.C."
_WRONG_SEQUENCE = 10071
_ATTEMPTS = 5
_CALL_TIME = 5.0
_TRANSFER_TIME = 30.0

_log = logging.getLogger(__name__)


def object_name(namespace: str, sha256: str) -> str:
    """How an archive is called in the store."""
    return f"{namespace}/sha256-{sha256}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store holds: names of archives, and groups of chunks that belong to none."""

    names: frozenset[str]
    strays: frozenset[str]


class ArchiveStore:
    """The bucket `mayfly-code`, made when it is first needed."""

    def __init__(
        self,
        connection: NatsConnection,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._bucket: ObjectStore | None = None

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
        except (*TROUBLE, StoreUnavailableError) as error:
            message = f"the store of code archives does not answer: {words(self._unavailable(error))}"
            raise CodeError(Reason.CODE_NOT_FOUND, message) from error

    async def keep(self, namespace: str, sha256: str, data: bytes) -> None:
        """See `Archives`."""
        try:
            await self.put(namespace, sha256, io.BytesIO(data))
        except StoreUnavailableError as error:
            _log.warning("an archive of %s is not kept: %s", namespace, error)

    async def has(self, namespace: str, sha256: str) -> bool:
        """Whether there is such an archive; if so, it is touched.

        Raises:
            StoreUnavailableError: the store is away.
        """
        try:
            async with asyncio.timeout(_CALL_TIME):
                return await self._touch(object_name(namespace, sha256))
        except TROUBLE as error:
            raise self._unavailable(error) from error

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
        except TROUBLE as error:
            raise self._unavailable(error) from error
        return True

    async def kept(self) -> Kept:
        """Everything that is there.

        Raises:
            StoreUnavailableError: the store is away.
        """
        try:
            async with asyncio.timeout(_TRANSFER_TIME):
                bucket = await self._open()
                # In this order: an upload that ends meanwhile has its name in the list.
                stream = await self._context().stream_info(_STREAM, subjects_filter=f"{_CHUNKS}>")
                try:
                    metas = await bucket.list()
                except nats.js.errors.NotFoundError:
                    metas = []
        except TROUBLE as error:
            raise self._unavailable(error) from error
        chunks = {subject.removeprefix(_CHUNKS) for subject in stream.state.subjects or ()}
        # A name that is marked as removed is removed once more: who marked it may have died over it.
        names = frozenset(str(each.name) for each in metas)
        return Kept(names, frozenset(chunks - {str(each.nuid) for each in metas if not each.deleted}))

    async def remove(self, name: str, *, untouched_for: float) -> bool:
        """Remove an archive, by its name in the store, unless it was touched within so many seconds; whether it was.

        Raises:
            StoreUnavailableError: the store is away; it may have been removed.
        """
        try:
            async with asyncio.timeout(_CALL_TIME):
                await self._open()
                return await self._remove(name, untouched_for)
        except TROUBLE as error:
            raise self._unavailable(error) from error

    async def remove_stray(self, chunks: str) -> None:
        """Remove chunks that belong to no archive.

        Raises:
            StoreUnavailableError: the store is away.
        """
        try:
            async with asyncio.timeout(_CALL_TIME):
                await self._context().purge_stream(_STREAM, subject=_CHUNKS + chunks)
        except TROUBLE as error:
            raise self._unavailable(error) from error

    async def _touch(self, name: str) -> bool:
        await self._open()
        for _ in range(_ATTEMPTS):
            last, meta = await self._meta(name)
            if last is None or meta.get("deleted"):
                return False
            if self._age(last) < TOUCHED_FOR or await self._write(name, meta, after=last):
                return True
        return False

    async def _remove(self, name: str, untouched_for: float) -> bool:
        last, meta = await self._meta(name)
        if last is None or last.seq is None:
            return False
        marked: int | None = last.seq
        if not meta.get("deleted"):
            if self._age(last) < untouched_for:
                return False
            gone = meta | {"deleted": True, "size": 0, "chunks": 0, "digest": "", "mtime": ""}
            marked = await self._write(name, gone, after=last)
        if marked is None:
            return False
        stream = self._context()
        await stream.purge_stream(_STREAM, subject=_CHUNKS + meta["nuid"])
        # The mark too, but nothing that was put there after it.
        await stream.purge_stream(_STREAM, seq=marked + 1, subject=_subject(name))
        return True

    async def _meta(self, name: str) -> tuple[RawStreamMsg | None, dict[str, Any]]:
        """The last message about an archive, and what it says."""
        try:
            last = await self._context().get_last_msg(_STREAM, _subject(name))
        except nats.js.errors.NotFoundError:
            return None, {}
        return last, json.loads(last.data or b"{}")

    async def _write(self, name: str, meta: dict[str, Any], *, after: RawStreamMsg) -> int | None:
        """Say something else about an archive; None if somebody has said something since then."""
        headers = {
            Header.ROLLUP.value: "sub",
            Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(after.seq),
        }
        try:
            done = await self._context().publish(_subject(name), json.dumps(meta).encode(), headers=headers)
        except nats.js.errors.APIError as error:
            if error.err_code == _WRONG_SEQUENCE:
                return None
            raise
        return done.seq

    def _age(self, message: RawStreamMsg) -> float:
        return self._clock() - message.time.timestamp() if message.time else 0.0

    def _unavailable(self, error: BaseException) -> StoreUnavailableError:
        # It may have lost the bucket, and does not say so in words of its own: the next one looks for it.
        self._bucket = None
        return StoreUnavailableError(words(error))

    def _context(self) -> JetStreamContext:
        return self._connection.jetstream(timeout=_CALL_TIME)

    async def _open(self) -> ObjectStore:
        stream = self._context()
        if self._bucket is None:
            try:
                self._bucket = await stream.object_store(BUCKET)
            except nats.js.errors.BucketNotFoundError:
                self._bucket = await stream.create_object_store(BUCKET)
        return self._bucket


def _subject(name: str) -> str:
    return _META + base64.urlsafe_b64encode(name.encode()).decode()
