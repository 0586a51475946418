"""Whether the archives that Versions name were uploaded, found out before anybody calls them.

Rule: what is there is looked for once, and written only where it was missing before; what is missing is looked for
until it is there. While the store is away nobody can tell.
"""

import asyncio

from mayfly_gateway.archives import StoreUnavailableError
from mayfly_gateway.backends.kubernetes.code import Packages
from mayfly_gateway.backends.kubernetes.pods import Trouble
from mayfly_gateway.backends.kubernetes.sites import Sites
from mayfly_gateway.backends.kubernetes.versions import version_key
from mayfly_gateway.catalogue import Target
from mayfly_model.conditions import ConditionType

_AGAIN = 5.0


class Uploads:
    """Looks for the archives of the Versions that are this gateway's."""

    def __init__(self, packages: Packages, sites: Sites, *, again: float = _AGAIN) -> None:
        """`again`: seconds between two looks for what is missing."""
        self._packages = packages
        self._sites = sites
        self._again = again
        self._open: dict[tuple[str, str], Target] = {}
        self._news = asyncio.Event()

    def look_for(self, target: Target) -> None:
        """A Version is new here, or is another than it was."""
        if target.spec.code.archive is not None:
            self._open[version_key(target)] = target
            self._news.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            self._news.clear()
            for target in tuple(self._open.values()):
                await self._look(target)
            try:
                async with asyncio.timeout(self._again if self._open else None):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _look(self, target: Target) -> None:
        try:
            trouble = await self._packages.missing(target.namespace, target.spec.code)
        except StoreUnavailableError:
            return
        if self._say(target, trouble) and self._open.get(version_key(target)) is target:
            del self._open[version_key(target)]

    def _say(self, target: Target, trouble: Trouble | None) -> bool:
        """Whether that was the last word of this content."""
        site = self._sites.find(version_key(target))
        if site is None or site.target.digest != target.digest:
            return True
        kind = ConditionType.CODE_AVAILABLE
        if trouble is not None or site.findings.fails(kind, target.digest):
            self._sites.found(site, kind, trouble, target.digest)
        return trouble is None
