"""Which gateway may count a function exactly: the one that holds its lease, in JetStream's key-value store.

Rules: a process renews one key of its own, however many functions it holds; a function's key changes only when its
holder does. A holder whose own key could not be renewed stops by its own clock before anybody else may take over. An
epoch is the store's revision at which the function was taken, so that a later holder's is always higher.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import nats.js.errors
from nats.js.kv import KeyValue

from mayfly_gateway.nats_connection import TROUBLE, NatsConnection, words
from mayfly_gateway.peers.lease import Lease, LeaseError
from mayfly_gateway.peers.ownership import FunctionKey

BUCKET = "mayfly-leases"
_CALL_TIME = 2.0
_LOOK_AGAIN = 0.2
"""Seconds between two looks at a lease that is another's."""

Running = Callable[[FunctionKey], Mapping[str, int]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """In seconds: how long a process holds what it has after its last renewal, and how often it renews."""

    duration: float = 8.0
    renewal: float = 1.5
    margin: float = 0.5
    """How much earlier than others believe the holder stops, for clocks that do not run alike."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands in a function's key: who holds it, or what was running where when it was released."""

    pod: str = ""
    boot: str = ""
    running: dict[str, int] = {}


class _Member(msgspec.Struct, frozen=True):
    """What stands in a process's own key: which life of its pod this is."""

    boot: str


@dataclass(slots=True)
class _Watched:
    """Another process's own key, since when it has stood as it is."""

    revision: int
    since: float


class Leases:
    """The functions that this process holds."""

    def __init__(
        self, connection: NatsConnection, *, pod: str, boot: str, times: LeaseTimes | None = None
    ) -> None:
        """`pod` is this process's pod by uid, `boot` this life of it."""
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._pod, self._boot = pod, boot
        self._times = times or LeaseTimes()
        self._bucket: KeyValue | None = None
        self._valid_until = 0.0
        self._held: dict[FunctionKey, Lease] = {}
        self._unreleased: dict[FunctionKey, dict[str, int]] = {}
        self._running: Running = _nothing
        self._releasing: set[asyncio.Task[None]] = set()
        self._writing: dict[FunctionKey, asyncio.Task[int]] = {}
        self._renewing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to renew; returns at once."""
        self._renewing = asyncio.create_task(self._renew_for_ever())

    async def close(self) -> None:
        """Give up everything, and have the others told as far as that can be done."""
        for function in (*self._held, *self._unreleased):
            self.release(function)
        if self._releasing:
            await asyncio.wait(self._releasing, timeout=_CALL_TIME)
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)

    def epoch(self, function: FunctionKey) -> int | None:
        """The epoch under which this process may count the function at this moment; None if it may not."""
        lease = self._held.get(function)
        return None if lease is None or self._loop.time() >= self._valid_until else lease.epoch

    async def acquire(self, function: FunctionKey, *, patience: float) -> Lease:
        """Hold the function, once nobody else can believe to; `patience` in seconds.

        Raises:
            LeaseError: the store does not answer, or another holder does not let go.
        """
        # No timeout around it: the client's calls may swallow a cancellation (asyncio.wait_for of Python 3.11).
        until = self._loop.time() + patience
        try:
            bucket = await self._open()
            await self._renewed(bucket)
            watched: dict[str, _Watched] = {}
            while self._loop.time() < until:
                lease = await self._try(bucket, function, watched)
                if lease is not None:
                    self._unreleased.pop(function, None)
                    self._held[function] = lease
                    return lease
                await asyncio.sleep(_LOOK_AGAIN)
        except TROUBLE as error:
            # It may have been written all the same.
            self._unreleased[function] = dict(self._running(function))
            raise LeaseError(words(error)) from error
        except asyncio.CancelledError:
            self._give_back(function)
            raise
        raise LeaseError("another gateway holds the lease")

    def count_by(self, running: Running) -> None:
        """Have `running(function)` say which invocations go on here, by instance, when a lease is given up."""
        self._running = running

    def release(self, function: FunctionKey) -> None:
        """Hold the function no more."""
        if self._held.pop(function, None) is not None or function in self._unreleased:
            self._give_back(function)

    def _give_back(self, function: FunctionKey) -> None:
        self._unreleased[function] = dict(self._running(function))
        task = self._loop.create_task(self._release(function))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def _release(self, function: FunctionKey) -> None:
        """Say so in the store; what fails is done again after the next renewal, for nobody waits this process out."""
        if (writing := self._writing.get(function)) is not None:
            await asyncio.wait((writing,))
        try:
            bucket, key = await self._open(), _function_key(function)
            record, revision = await _read(bucket, key)
            running = self._unreleased.get(function)
            if running is not None and (record.pod, record.boot) == (self._pod, self._boot):
                await bucket.update(key, msgspec.json.encode(Record(running=running)), last=revision)
        except nats.js.errors.KeyWrongLastSequenceError:
            # This process or another one has taken it again.
            pass
        except TROUBLE as error:
            _log.warning("the lease of %s/%s is not released yet: %s", *function, words(error))
            return
        self._unreleased.pop(function, None)

    async def _try(
        self, bucket: KeyValue, function: FunctionKey, watched: dict[str, _Watched]
    ) -> Lease | None:
        """Hold the function if it is nobody's."""
        key, mine = _function_key(function), Record(pod=self._pod, boot=self._boot)
        record, revision = await _read(bucket, key)
        if not await self._is_free(bucket, record, watched):
            return None
        writing = self._loop.create_task(bucket.update(key, msgspec.json.encode(mine), last=revision))
        self._writing[function] = writing
        writing.add_done_callback(lambda done: self._written(function, done))
        try:
            # It is on its way to the store, whoever gives up on it meanwhile.
            epoch = await asyncio.shield(writing)
        except nats.js.errors.KeyWrongLastSequenceError:
            return None
        return Lease(epoch, record.running)

    def _written(self, function: FunctionKey, done: asyncio.Task[int]) -> None:
        if self._writing.get(function) is done:
            del self._writing[function]
        if not done.cancelled():
            # Looked at here too: whoever waited may be gone.
            done.exception()

    async def _is_free(self, bucket: KeyValue, record: Record, watched: dict[str, _Watched]) -> bool:
        """Whether nobody can hold it: it was released, its holder was a former life of this pod, or has lapsed."""
        if not record.pod or record.pod == self._pod:
            return True
        life, revision = await _read_member(bucket, record.pod)
        if life is None or life.boot != record.boot:
            # A pod's container is started anew only after it has ended.
            return True
        now = self._loop.time()
        seen = watched.get(record.pod)
        if seen is None or seen.revision != revision:
            watched[record.pod] = _Watched(revision, now)
            return False
        return now - seen.since > self._times.duration

    async def _renewed(self, bucket: KeyValue) -> None:
        """See to it that this process may hold anything at all."""
        if self._loop.time() >= self._valid_until:
            await self._renew(bucket)

    async def _renew_for_ever(self) -> None:
        while True:
            try:
                await self._renew(await self._open())
                for function in tuple(self._unreleased):
                    await self._release(function)
            except TROUBLE as error:
                # The store may have lost the bucket: the next time it is looked for.
                self._bucket = None
                _log.warning("leases are not renewed: %s", words(error))
            await asyncio.sleep(self._times.renewal)

    async def _renew(self, bucket: KeyValue) -> None:
        before = self._loop.time()
        if before >= self._valid_until:
            # Others may have taken over meanwhile; what they have not must not stay with a process that lives on.
            self._unreleased |= {function: dict(self._running(function)) for function in self._held}
            self._held.clear()
        await bucket.put(_member_key(self._pod), msgspec.json.encode(_Member(self._boot)))
        self._valid_until = before + self._times.duration - self._times.margin

    async def _open(self) -> KeyValue:
        stream = self._connection.jetstream(timeout=_CALL_TIME)
        if self._bucket is None:
            try:
                self._bucket = await stream.key_value(BUCKET)
            except nats.js.errors.BucketNotFoundError:
                self._bucket = await stream.create_key_value(bucket=BUCKET)
        return self._bucket


def _nothing(_function: FunctionKey) -> Mapping[str, int]:
    return {}


def _function_key(function: FunctionKey) -> str:
    return f"functions.{function[0]}.{function[1]}"


def _member_key(pod: str) -> str:
    return f"gateways.{pod}"


async def _read(bucket: KeyValue, key: str) -> tuple[Record, int]:
    """What stands there, and its revision; an empty record and 0 if nothing does."""
    value, revision = await _value(bucket, key)
    return (Record() if value is None else msgspec.json.decode(value, type=Record)), revision


async def _read_member(bucket: KeyValue, pod: str) -> tuple[_Member | None, int]:
    value, revision = await _value(bucket, _member_key(pod))
    return (None if value is None else msgspec.json.decode(value, type=_Member)), revision


async def _value(bucket: KeyValue, key: str) -> tuple[bytes | None, int]:
    try:
        entry = await bucket.get(key)
    except nats.js.errors.KeyDeletedError as error:
        return None, error.entry.revision or 0
    except nats.js.errors.KeyNotFoundError:
        return None, 0
    return entry.value, entry.revision or 0
