"""How a message leaves: the cheapest way that copies no large body."""

import asyncio

_SMALL = 64 * 1024


def send(transport: asyncio.Transport, head: bytes, body: bytes) -> None:
    """Write a head and its body."""
    if len(body) < _SMALL:
        transport.write(head + body)
    else:
        transport.writelines((head, body))
