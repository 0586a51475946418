"""Writes the gateways' part of an object's status by server-side apply, for as long as there is something to write.

Rule: one request at a time per object and a pause between two, with the newest word alone; what could not be written is
written again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from mayfly_gateway.backends.kubernetes.api import APPLY, Api, ApiRefusedError, ApiUnavailableError
from mayfly_model.labels import GATEWAY_FIELD_MANAGER

_PAUSE = 0.5
_LONGEST_PAUSE = 10.0

_log = logging.getLogger(__name__)

Body = Mapping[str, Any]


async def write_status(
    api: Api,
    path: str,
    *,
    manager: str = GATEWAY_FIELD_MANAGER,
    due: Callable[[], Awaitable[Body | None]],
    failed: Callable[[Body], None],
) -> None:
    """Apply what `due()` gives until that is None, as this field manager.

    `failed(body)` is told what has to come again, unless that is newer.
    Returns also when the object is gone, or another one has its name.
    """
    pause = _PAUSE
    while (body := await due()) is not None:
        try:
            await api.patch(path, body, kind=APPLY, query={"fieldManager": manager, "force": "true"})
            pause = _PAUSE
        except (ApiUnavailableError, ApiRefusedError) as error:
            if isinstance(error, ApiRefusedError) and _gone(error):
                return
            failed(body)
            pause = min(_LONGEST_PAUSE, pause * 2)
            _log.warning("%s: %s", path, error)
        await asyncio.sleep(pause)


def _gone(error: ApiRefusedError) -> bool:
    return error.not_found or (error.status == HTTPStatus.CONFLICT and "UID in precondition" in str(error))
