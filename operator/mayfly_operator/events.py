"""Kubernetes Events on Functions and Aliases, for people: what went wrong, and that it is well again.

Rule: the same thing said again raises the count of the Event that says it, and not more often than once a minute.
An Event that cannot be written is no trouble of the function's.
"""

import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from mayfly_operator import resources
from mayfly_operator.apply import Cluster, NotLeadingError, RefusedByServerError, UnavailableError
from mayfly_operator.views import Identity

_REMEMBERED: Final = 2000
_PAUSE: Final = 60.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Told:
    name: str
    first: float
    last: float
    count: int
    untold: int = 0


class Events:
    """Writes Events."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._told: OrderedDict[tuple[str, str, str], _Told] = OrderedDict()

    async def tell(
        self, about: Identity, *, kind: str = "Function", warning: bool, reason: str, message: str, now: float
    ) -> None:
        """Say something of an object of this kind; `now` is a POSIX time."""
        key = about.uid, reason, message
        told = self._told.get(key)
        if told is not None and now - told.last < _PAUSE:
            told.untold += 1
            return
        try:
            if told is None or not await self._again(about, told, now):
                told = await self._anew(about, kind, warning, reason, message, now)
        except (RefusedByServerError, UnavailableError, NotLeadingError) as error:
            _log.info("no event %s for %s/%s: %s", reason, about.namespace, about.name, error)
            return
        self._told[key] = told
        self._told.move_to_end(key)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    async def _anew(
        self, about: Identity, kind: str, warning: bool, reason: str, message: str, now: float
    ) -> _Told:
        word = hashlib.sha256(f"{about.uid}{reason}{message}{now}".encode()).hexdigest()[:16]
        told = _Told(name=f"{about.name}.{word}", first=now, last=now, count=1)
        manifest = resources.event(
            about, kind=kind, name=told.name, warning=warning, reason=reason, message=message, time=now
        )
        await self._cluster.create("events", manifest)
        return told

    async def _again(self, about: Identity, told: _Told, now: float) -> bool:
        """Raise the count; False if the Event is forgotten by now."""
        count = told.count + told.untold + 1
        try:
            await self._cluster.merge(
                "events", (about.namespace, told.name), resources.event_again(count, now)
            )
        except RefusedByServerError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        told.last, told.count, told.untold = now, count, 0
        return True
