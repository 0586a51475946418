"""The one connection of a gateway to NATS.

Rule: NATS may be away at any time. Connecting goes on for ever in the background, and whoever needs it meanwhile is
told at once.
"""

import asyncio
import logging

import nats.errors
from nats.aio.client import Client
from nats.js.client import JetStreamContext

_CONNECT_TIME = 2
_AGAIN = 2.0
TROUBLE = (nats.errors.Error, OSError, asyncio.TimeoutError)
"""What a call through the connection may raise when NATS, or a part of it, does not do what it is asked."""

_log = logging.getLogger(__name__)


class NotConnectedError(ConnectionError):
    """NATS is away."""


class NatsConnection:
    """A connection that is made again whenever it is lost."""

    def __init__(self, url: str, *, username: str | None = None, password: str | None = None) -> None:
        self._url = url
        self._username, self._password = username, password
        self._client = Client()
        self._connecting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, however long that takes; returns at once."""
        self._connecting = asyncio.create_task(self._connect())

    async def close(self) -> None:
        """Let go of NATS."""
        if self._connecting is not None:
            self._connecting.cancel()
        await asyncio.gather(self._client.close(), return_exceptions=True)

    def jetstream(self, *, timeout: float) -> JetStreamContext:
        """JetStream, each of whose calls may take so many seconds.

        Raises:
            NotConnectedError: NATS is away.
        """
        if not self._client.is_connected:
            raise NotConnectedError("no connection to NATS")
        return self._client.jetstream(timeout=timeout)

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
            except TROUBLE as error:
                _log.warning("NATS: %s", words(error))
                await asyncio.sleep(_AGAIN)
            else:
                return


async def _note(error: Exception) -> None:
    _log.warning("NATS: %s", words(error))


def words(error: BaseException) -> str:
    """What an error says, or is."""
    return str(error) or type(error).__name__
