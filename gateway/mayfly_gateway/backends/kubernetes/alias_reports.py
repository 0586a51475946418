"""Writes down what gateways decide of Aliases, in their status.

Rule: nothing waits for it. Each kind of decision has a field manager of its own, so that no apply takes away another's.
"""

import asyncio

from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.status_writing import Body, write_status


class AliasReports:
    """The writers of all Aliases, for one kind of decision."""

    def __init__(self, api: Api, manager: str) -> None:
        self._api = api
        self._manager = manager
        self._wanted: dict[tuple[str, str], Body] = {}
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def write(self, namespace: str, name: str, body: Body) -> None:
        """Apply this to the status of an Alias, soon."""
        item = namespace, name
        self._wanted[item] = body
        if item not in self._tasks:
            self._tasks[item] = asyncio.get_running_loop().create_task(self._write(item))

    def close(self) -> None:
        """Write nothing more."""
        for task in tuple(self._tasks.values()):
            task.cancel()

    async def _write(self, item: tuple[str, str]) -> None:
        async def due() -> Body | None:
            return self._wanted.pop(item, None)

        def failed(body: Body) -> None:
            self._wanted.setdefault(item, body)

        path = "/apis/mayfly.dev/v1beta1/namespaces/{}/aliases/{}/status".format(*item)
        try:
            await write_status(self._api, path, manager=self._manager, due=due, failed=failed)
        finally:
            self._wanted.pop(item, None)
            self._tasks.pop(item, None)
