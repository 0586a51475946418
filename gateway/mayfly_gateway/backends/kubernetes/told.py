"""What the API server says, in AWS's terms, and what it has made of a change by the time that an answer is due."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from mayfly_gateway.backends.kubernetes.api import ApiRefusedError, ApiUnavailableError
from mayfly_gateway.http_errors import AccessDeniedException
from mayfly_model.errors import (
    InvalidParameterValueException,
    LambdaError,
    ResourceNotFoundException,
    ServiceException,
)
from mayfly_model.objects import RefusedError

_SEEN_TIME: Final = 1.0
"""Seconds that an answer waits for the watches to show what was written."""
_LOOK: Final = 0.01


async def seen(condition: Callable[[], bool]) -> None:
    """Wait until the watches have shown something; not for long, for it is written in any case."""
    for _ in range(round(_SEEN_TIME / _LOOK)):
        if condition():
            return
        await asyncio.sleep(_LOOK)


@contextmanager
def told() -> Iterator[None]:
    """Have what the API server says said in AWS's terms.

    Raises:
        LambdaError: it is away or refused, or has an object that cannot be read.
    """
    try:
        yield
    except ApiUnavailableError as error:
        raise ServiceException(f"The Kubernetes API server cannot be asked just now: {error}") from error
    except RefusedError as error:
        raise InvalidParameterValueException(f"The object cannot be read: {error.message}") from error
    except ApiRefusedError as error:
        raise _refusal(error) from error


def _refusal(error: ApiRefusedError) -> LambdaError:
    message = str(error).partition(": ")[2]
    if error.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        return InvalidParameterValueException(message)
    if error.status == HTTPStatus.FORBIDDEN:
        return AccessDeniedException(message)
    if error.status == HTTPStatus.NOT_FOUND:
        return ResourceNotFoundException(message)
    return ServiceException(f"The Kubernetes API server refused: {error}")
