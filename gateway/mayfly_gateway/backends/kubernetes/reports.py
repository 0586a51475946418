"""Writes what the gateway has found into the status of Versions.

Rule: one request at a time per Version and a pause between two, however much is found meanwhile; nothing on an
invocation's way waits for it.
"""

import asyncio
import logging

from mayfly_gateway.backends.kubernetes.api import APPLY, Api, ApiRefusedError, ApiUnavailableError
from mayfly_gateway.backends.kubernetes.findings import Findings
from mayfly_gateway.backends.kubernetes.scale import Key, Scale, version_path
from mayfly_model.labels import GATEWAY_FIELD_MANAGER

_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_SCALE_TIME = 5.0
_QUERY = {"fieldManager": GATEWAY_FIELD_MANAGER, "force": "true"}

_log = logging.getLogger(__name__)


class Reports:
    """The writers of all Versions."""

    def __init__(self, api: Api, scale: Scale) -> None:
        self._api = api
        self._scale = scale
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    def write(self, key: Key, findings: Findings) -> None:
        """Write the findings soon, if they have changed."""
        if findings.changed and key not in self._tasks:
            self._tasks[key] = asyncio.get_running_loop().create_task(self._write(key, findings))

    def forget(self, key: Key) -> None:
        """Write nothing more about the Version."""
        if (task := self._tasks.pop(key, None)) is not None:
            task.cancel()

    def close(self) -> None:
        """Write nothing more at all."""
        for key in tuple(self._tasks):
            self.forget(key)

    async def _write(self, key: Key, findings: Findings) -> None:
        pause = _PAUSE
        try:
            while findings.changed:
                findings.changed = False
                # Who is told of a pod's end before its number is lowered would replace it.
                await self._scale.said(key, within=_SCALE_TIME)
                try:
                    body = findings.applied(*key)
                    await self._api.patch(version_path(key, "status"), body, kind=APPLY, query=_QUERY)
                    pause = _PAUSE
                except (ApiUnavailableError, ApiRefusedError) as error:
                    if isinstance(error, ApiRefusedError) and error.not_found:
                        return
                    # A pod that is to be deleted stays one, whoever refuses to hear of it just now.
                    findings.changed = True
                    pause = min(_LONGEST_PAUSE, pause * 2)
                    _log.warning("the status of %s/%s: %s", *key, error)
                await asyncio.sleep(pause)
        finally:
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key]
