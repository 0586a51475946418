"""A listening socket: accepts peers and serves each, whoever else is there.

Rule: however many strangers connect, and however long they stay, there is room for a peer that says who it is.
"""

from __future__ import annotations

import errno
import socket

from .connection import Connection
from .http import Limits, Request
from .loop import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .loop import Loop

    # In the order in which they came.
    Crowd = dict[Connection, None]

BACKLOG = 1024
DRAIN_READS = 256
ACCEPT_PAUSE = 0.05
FAREWELL = 2.0
"""Seconds that peers have to fetch the rest of their answers when the agent ends."""
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
"""Seconds of silence, seconds between questions, questions; milliseconds in which what is sent must be acknowledged."""


class Server:
    """Accepts connections on a listening socket and serves each with `handle`.

    Peers are strangers until a handler trusts them: of the strangers from within the pod, from elsewhere, and of the
    trusted ones there may be so many each, and who comes last takes the place of who has been there longest.
    """

    def __init__(
        self, loop: Loop, sock: socket.socket, *, limits: Limits, handle: Callable[[Request], None]
    ) -> None:
        self._loop = loop
        self._sock = sock
        self.handle = handle
        self.limits = limits
        self.held = 0
        self.trusted: Crowd = {}
        self._inside: Crowd = {}
        self._outside: Crowd = {}
        sock.setblocking(False)
        loop.on_readable(sock, self._accept_all)

    @property
    def connections(self) -> list[Connection]:
        """All that are open."""
        return [*self.trusted, *self._outside, *self._inside]

    def drain(self) -> None:
        """Read all that peers sent before now: a process that has ended may have left an answer behind.

        It has an end even if somebody goes on sending.
        """
        self._accept_all()
        reads = DRAIN_READS
        for connection in self.connections:
            while reads and connection.read():
                reads -= 1

    def finish(self) -> None:
        """Send what is still to be sent, without the loop, to peers that fetch it."""
        deadline = monotonic() + FAREWELL
        for connection in self.connections:
            connection.finish(deadline)

    def close_all(self) -> None:
        """Forget every peer, those included that nobody has greeted yet."""
        self._accept_all()
        for connection in self.connections:
            connection.close()

    def _accept_all(self) -> None:
        # All of a crowd at once: where the queue is full, the next peer waits for a second.
        for _ in range(BACKLOG):
            if not self._accept():
                break

    def _accept(self) -> bool:
        try:
            peer, address = self._sock.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                # The peer stays in the queue and would wake the loop again at once.
                self._loop.on_readable(self._sock, None)
                self._loop.call_later(ACCEPT_PAUSE, self._accept_again)
            return False
        crowd = self._crowd_of(peer, address)
        if not self._make_room(crowd):
            peer.close()
            return True
        peer.setblocking(False)
        if peer.family != socket.AF_UNIX:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self._loop, peer, self, crowd=crowd)
        if crowd is self._outside:
            notice_silence(peer)
            # The gateway's head is there already: it need not stand among strangers for a moment.
            connection.read()
        return True

    def _crowd_of(self, peer: socket.socket, address: Any) -> Crowd:
        if self.limits.strangers is None:
            return self.trusted
        return self._inside if from_inside(peer, address) else self._outside

    def _make_room(self, crowd: Crowd) -> bool:
        """Whether one more finds room."""
        if self.limits.strangers is None:
            return len(crowd) < self.limits.connections
        for full, most in ((crowd, self.limits.strangers), (self.trusted, self.limits.connections)):
            if len(full) >= most:
                oldest = next((one for one in full if full is not self.trusted or one.idle()), None)
                if oldest is None:
                    return False
                oldest.close()
        return True

    def _accept_again(self) -> None:
        self._loop.on_readable(self._sock, self._accept_all)


def from_inside(peer: socket.socket, address: Any) -> bool:
    """Whether who connects is in this pod, as user code is: it cannot give itself another machine's address."""
    if peer.family == socket.AF_UNIX:
        return True
    own = peer.getsockname()[0]
    return address[0] == own or any(is_loopback(host) for host in (own, address[0]))


def is_loopback(host: str) -> bool:
    """Whether the address is this machine's own."""
    return host.startswith(("127.", "::ffff:127.")) or host == "::1"


def notice_silence(peer: socket.socket) -> None:
    """Have the system close the connection to a peer that is gone without a word, as when its machine is."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        # Not every system knows each of them.
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
