"""Brings an archive from its address, within bounds."""

import aiohttp

from mayfly_gateway.backends.kubernetes.code import CodeError
from mayfly_model.conditions import Reason
from mayfly_model.limits import ZIP_BYTES

_TIME = 30.0
_CONNECT_TIME = 5.0
_REDIRECTS = 5
_MB = 1_048_576


async def fetch(url: str) -> bytes:
    """What is at an http(s) address.

    Raises:
        CodeError: it cannot be had in time, or is larger than an archive may be.
    """
    limits = aiohttp.ClientTimeout(total=_TIME, sock_connect=_CONNECT_TIME)
    try:
        async with (
            aiohttp.ClientSession(timeout=limits, auto_decompress=False) as session,
            session.get(url, max_redirects=_REDIRECTS) as answer,
        ):
            if answer.status != 200:
                raise _not_found(url, f"HTTP {answer.status}")
            return await _content(url, answer)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _not_found(url, str(error) or repr(error)) from error
    except TimeoutError as error:
        raise _not_found(url, f"it did not arrive within {_TIME:g} s") from error


async def _content(url: str, answer: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in answer.content.iter_any():
        content += part
        if len(content) > ZIP_BYTES:
            raise CodeError(
                Reason.CODE_INVALID,
                f"{url} is larger than {ZIP_BYTES // _MB} MB, Lambda's limit for an archive",
            )
    return bytes(content)


def _not_found(url: str, why: str) -> CodeError:
    return CodeError(Reason.CODE_NOT_FOUND, f"{url} cannot be fetched: {why}")
