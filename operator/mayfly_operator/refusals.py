"""Why the API server takes no pod, in words of ours."""

import asyncio
from collections.abc import Awaitable, Iterable
from http import HTTPStatus
from typing import Final

from mayfly_model.conditions import Reason
from mayfly_operator.apply import RefusedByServerError
from mayfly_operator.views import Trouble


class NamespaceEndsError(Exception):
    """The namespace is being deleted: nothing in it is worth a retry."""


TERMINATING_PAUSE: Final = 30.0
"""Seconds after which a namespace that ends is looked at again."""


async def all_made(creations: Iterable[Awaitable[Trouble | None]]) -> list[Trouble]:
    """Do all of it at once; returns what the API server refused, one for each, after nothing else went wrong."""
    made = await asyncio.gather(*creations, return_exceptions=True)
    for each in made:
        if isinstance(each, BaseException):
            raise each
    return [each for each in made if isinstance(each, Trouble)]


def refusal(error: RefusedByServerError) -> Trouble:
    """What a refused creation is told as.

    Raises:
        NamespaceEndsError: it is not worth telling.
        RefusedByServerError: it is nobody's fault.
    """
    if "NamespaceTerminating" in error.causes or (
        error.status == HTTPStatus.NOT_FOUND and "namespaces" in error.message
    ):
        raise NamespaceEndsError
    if (
        error.status == HTTPStatus.FORBIDDEN
        and "serviceaccount" in error.message
        and "not found" in error.message
    ):
        return Trouble(Reason.SERVICE_ACCOUNT_NOT_FOUND, error.message)
    if error.status == HTTPStatus.FORBIDDEN and "exceeded quota" in error.message:
        return Trouble(Reason.QUOTA_EXCEEDED, error.message)
    if error.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY):
        return Trouble(Reason.POD_FORBIDDEN, error.message)
    raise error
