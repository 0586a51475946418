"""How messages leave: the cheapest way that copies no large body, to somebody whose silence is noticed."""

import asyncio
import socket

_SMALL = 64 * 1024
_SILENCE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
"""Seconds of silence, seconds between questions, questions; milliseconds in which what is sent must be acknowledged."""


def send(transport: asyncio.Transport, head: bytes, body: bytes) -> None:
    """Write a head and its body."""
    if len(body) < _SMALL:
        transport.write(head + body)
    else:
        transport.writelines((head, body))


def notice_silence(transport: asyncio.BaseTransport) -> None:
    """Have the system end the connection to a peer that is gone without a word, as when its machine is."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SILENCE.items():
        # Not every system knows each of them.
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
