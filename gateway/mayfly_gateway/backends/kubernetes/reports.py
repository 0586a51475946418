"""Writes what the gateway has found into the status of Versions.

Rule: nothing on an invocation's way waits for it.
"""

import asyncio

from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.findings import Findings
from mayfly_gateway.backends.kubernetes.scale import Key, Scale, version_path
from mayfly_gateway.backends.kubernetes.status_writing import Body, write_status

_SCALE_TIME = 5.0


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
        async def due() -> Body | None:
            if not findings.changed:
                return None
            findings.changed = False
            # Who is told of a pod's end before its number is lowered would replace it.
            await self._scale.said(key, within=_SCALE_TIME)
            return findings.applied(*key)

        def failed(_: Body) -> None:
            # A pod that is to be deleted stays one, whoever refuses to hear of it just now.
            findings.changed = True

        try:
            await write_status(self._api, version_path(key, "status"), due=due, failed=failed)
        finally:
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key]
