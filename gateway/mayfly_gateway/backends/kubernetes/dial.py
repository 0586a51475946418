"""Reaches an agent as soon as it listens."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

PORT = 8080
_AGAIN = 0.004
_TRY = 0.5
"""Seconds for one attempt: a packet that was lost on a network just made would cost a whole one."""


async def dial(
    address: tuple[str, int], *, hopeless: Callable[[], bool], listening: bool = False
) -> socket.socket:
    """A connection to the agent, tried again every few milliseconds until it is there.

    `listening`: it has been there for a while, so that one which refuses has ended.

    Raises:
        ConnectionAbortedError: there will be none, or `hopeless()` said so.
    """
    while not hopeless():
        try:
            return await _attempt(address)
        except ConnectionRefusedError:
            if listening:
                break
        except (OSError, TimeoutError):
            pass
        await asyncio.sleep(_AGAIN)
    raise ConnectionAbortedError("its pod ended")


async def _attempt(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(sock.close)
        async with asyncio.timeout(_TRY):
            await asyncio.get_running_loop().sock_connect(sock, address)
        on_failure.pop_all()
    return sock
