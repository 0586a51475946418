"""Asks for pods: writes the number of wanted instances into the scale of Versions.

Rule: one request at a time per Version, carrying the number that is wanted when it leaves, so that a burst is one
request; what could not be said, or was said otherwise by somebody else, is said again until it holds, or nobody wants
it any more.
"""

import asyncio
import logging
import random

import msgspec

from mayfly_gateway.backends.kubernetes.api import MERGE, Api, ApiRefusedError, ApiUnavailableError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
_DOUBT, _LONGEST_DOUBT = 0.3, 10.0
"""Seconds after which a number that is seen and is not the wanted one is no echo of what was said earlier.

Twice as long each time: it may be another gateway's that takes itself for the owner, and neither must storm.
"""

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name of a Version."""


def version_path(key: Key, subresource: str) -> str:
    """Where a part of a Version is in the API."""
    namespace, name = key
    return f"/apis/mayfly.dev/v1beta1/namespaces/{namespace}/versions/{name}/{subresource}"


class _Wish:
    """What one Version is to have, what it was last said, and who waits until that is the same."""

    def __init__(self, said: int | None) -> None:
        self.wanted = 0
        self.said = self.seen = said
        self.task: asyncio.Task[None] | None = None
        self.doubt: asyncio.TimerHandle | None = None
        self.doubt_time = _DOUBT


class Scale:
    """The wishes for all Versions."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._wishes: dict[Key, _Wish] = {}

    def want(self, key: Key, instances: int, *, at_first: int | None) -> None:
        """From now on the Version is to have so many instances; `at_first` is what it has if nothing was said yet."""
        wish = self._wishes.get(key)
        if wish is None:
            wish = self._wishes[key] = _Wish(at_first)
        if wish.wanted != instances:
            wish.wanted, wish.doubt_time = instances, _DOUBT
        if wish.wanted != wish.said and wish.task is None:
            wish.task = asyncio.get_running_loop().create_task(self._say(key, wish))

    def see(self, key: Key, instances: int) -> None:
        """The Version has so many: a former owner may have said so after us."""
        wish = self._wishes.get(key)
        if wish is None:
            return
        wish.seen = instances
        if instances != wish.wanted and wish.doubt is None:
            wish.doubt = asyncio.get_running_loop().call_later(wish.doubt_time, self._check, key, wish)

    def _check(self, key: Key, wish: _Wish) -> None:
        wish.doubt = None
        if wish.seen != wish.wanted and wish.task is None:
            wish.doubt_time = min(_LONGEST_DOUBT, wish.doubt_time * 2)
            wish.said = None
            wish.task = asyncio.get_running_loop().create_task(self._say(key, wish))

    async def said(self, key: Key, *, within: float) -> bool:
        """Whether what is wanted has reached the API server, waiting for it for some seconds."""
        wish = self._wishes.get(key)
        if wish is None or wish.task is None:
            return True
        await asyncio.wait((wish.task,), timeout=within)
        return wish.said == wish.wanted

    def forget(self, key: Key) -> None:
        """Say nothing more about the Version."""
        wish = self._wishes.pop(key, None)
        if wish is None:
            return
        for pending in (wish.task, wish.doubt):
            if pending is not None:
                pending.cancel()

    def close(self) -> None:
        """Say nothing more at all."""
        for key in tuple(self._wishes):
            self.forget(key)

    async def _say(self, key: Key, wish: _Wish) -> None:
        pause = _FIRST_PAUSE
        try:
            while wish.said != wish.wanted:
                try:
                    wish.said = await self._patch(key, wish.wanted)
                    pause = _FIRST_PAUSE
                except (ApiUnavailableError, ApiRefusedError) as error:
                    # It may have been written all the same.
                    wish.said = None
                    if isinstance(error, ApiRefusedError) and error.not_found:
                        return
                    _log.warning("scaling %s/%s: %s", *key, error)
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
                    pause = min(_LONGEST_PAUSE, pause * 2)
        finally:
            wish.task = None

    async def _patch(self, key: Key, instances: int) -> int:
        body = {"spec": {"replicas": instances}}
        answer = await self._api.patch(version_path(key, "scale"), body, kind=MERGE)
        replicas = msgspec.json.decode(answer, type=_Scale).spec.replicas
        _log.debug("%s/%s shall have %d instances", *key, replicas)
        return replicas


class _Spec(msgspec.Struct):
    replicas: int = 0


class _Scale(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)
