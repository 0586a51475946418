"""Why a function that calls name is not served: there may be a Function of the name that nothing came of yet.

Rule: asked only for what is not known here, and of one name at most once a second; whoever asks for more than a few
names at once is told nothing.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from mayfly_gateway.backends.kubernetes import troubles
from mayfly_gateway.backends.kubernetes.api import Api, ApiRefusedError, ApiUnavailableError
from mayfly_model.errors import LambdaError
from mayfly_model.names import OBJECT_NAME_PATTERN

Told = Callable[[LambdaError | None], None]
_LABEL: Final = re.compile(OBJECT_NAME_PATTERN, re.ASCII)
_KEPT_FOR: Final = 1.0
_AT_ONCE: Final = 8
_KEPT: Final = 1000


class Absent:
    """Asks the API server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, str], tuple[float, LambdaError | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, namespace: str, name: str, told: Told) -> None:
        """Have `told` called once, now or later: with why the function is not served, or None if there is none."""
        now, key = asyncio.get_running_loop().time(), (namespace, name)
        until, error = self._known.get(key, (0.0, None))
        if now < until or len(self._tasks) >= _AT_ONCE or not all(map(_LABEL.fullmatch, key)):
            told(error if now < until else None)
            return
        task = asyncio.create_task(self._ask(key, told))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, key: tuple[str, str], told: Told) -> None:
        error = None
        try:
            error = await self._why(*key)
        except (ApiRefusedError, ApiUnavailableError):
            pass
        finally:
            told(error)
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[key] = asyncio.get_running_loop().time() + _KEPT_FOR, error

    async def _why(self, namespace: str, name: str) -> LambdaError | None:
        path = f"/apis/mayfly.dev/v1beta1/namespaces/{namespace}/functions/{name}"
        return explanation(msgspec.json.decode(await self._api.get(path, {})), name)


def explanation(function: Any, name: str) -> LambdaError | None:
    """What a Function says of why it is not served under this Lambda name. Pure."""
    if (function["spec"].get("functionName") or function["metadata"]["name"]) != name:
        return None
    for each in (function.get("status") or {}).get("conditions") or ():
        if each["type"] == "Ready" and each["status"] == "False":
            return troubles.error_for(each["reason"], each.get("message", ""))
    return None
