"""The open connections to the other gateways, kept for the next call.

Rule: a connection is given up before the other side would end it for being idle, so that no call meets its end.
"""

import asyncio
from collections.abc import Iterable

from mayfly_gateway.peers.connection import PeerConnection
from mayfly_gateway.peers.ownership import Peer

_IDLE_TIME = 30.0
"""Seconds; less than any gateway's `Bounds.idle_time`."""
_CONNECT_TIME = 1.0
"""Seconds until a replica that does not answer the call to connect is taken for unreachable."""
_KEPT = 256
"""Idle connections kept for each replica."""


class Links:
    """Connections by replica, the ones used last first."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Peer, list[PeerConnection]] = {}

    def take(self, peer: Peer) -> PeerConnection | None:
        """A connection that is open already, if there is one."""
        idle = self._idle.get(peer)
        while idle:
            connection = idle.pop()
            if connection.usable and self._loop.time() - connection.idle_since < _IDLE_TIME:
                return connection
            connection.close()
        return None

    async def open(self, peer: Peer) -> PeerConnection:
        """A new connection.

        Raises:
            OSError: the replica cannot be reached.
        """
        async with asyncio.timeout(_CONNECT_TIME):
            _, connection = await self._loop.create_connection(PeerConnection, *peer.address)
        return connection

    def give_back(self, peer: Peer, connection: PeerConnection) -> None:
        """Keep a connection for the next call."""
        idle = self._idle.setdefault(peer, [])
        if connection.usable and len(idle) < _KEPT:
            connection.idle_since = self._loop.time()
            idle.append(connection)
        else:
            connection.close()

    def keep_only(self, peers: Iterable[Peer]) -> None:
        """End the idle connections to every replica that is not among these."""
        for peer in set(self._idle).difference(peers):
            for connection in self._idle.pop(peer):
                connection.close()
