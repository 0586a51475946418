"""Bodies in and answers out on aiohttp's connections, within bounds, whatever a client does."""

import asyncio

from aiohttp import web

from mayfly_gateway.bodies import Bodies, too_many_bodies
from mayfly_gateway.http_errors import RequestTimeoutException
from mayfly_model.errors import RequestTooLargeException


async def received(
    request: web.Request, bodies: Bodies, *, most: int, within: float, too_large: RequestTooLargeException
) -> bytes:
    """The body of a request. Its size is taken of `bodies`, and whoever gets it gives that back.

    Args:
        request: whose body.
        bodies: the budget of all bodies together.
        most: bytes that it may have.
        within: seconds until it is here.
        too_large: what to raise if it has more.

    Raises:
        RequestTooLargeException: `too_large`.
        ServiceUnavailableException: all bodies together are too many.
        RequestTimeoutException: it did not come in time.
    """
    if (request.content_length or 0) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            async for part in request.content.iter_any():
                if len(body) + len(part) > most:
                    raise too_large
                if not bodies.take(len(part)):
                    raise too_many_bodies()
                body += part
    except BaseException as error:
        bodies.give_back(len(body))
        if isinstance(error, TimeoutError):
            raise RequestTimeoutException("The request did not arrive in time.") from None
        raise
    return bytes(body)


async def sent(request: web.Request, response: web.Response, *, within: float) -> web.Response:
    """The response once the client has taken it; aiohttp by itself would wait for ever for one that does not."""
    try:
        async with asyncio.timeout(within):
            await response.prepare(request)
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    return response
