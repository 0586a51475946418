"""Asks the agent in a pool's pod whose it is, and ends one that is nobody's any more.

Rule: whatever answers, which may be user code that took an agent over, is read in part and for a moment.
"""

import json
from dataclasses import dataclass

import aiohttp

from mayfly_gateway.backends.kubernetes.dial import PORT

_TIME = aiohttp.ClientTimeout(total=2.0)
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent says: whether it is bare, or the content and the Version that it is an instance of."""

    bare: bool = False
    revision: str = ""
    version: str = ""


class Asking:
    """Connections to agents, none of which is kept."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True), timeout=_TIME, trust_env=False
        )

    async def whose(self, ip: str, token: str) -> Said | None:
        """What the agent says; None if it says nothing, for example while it is busy."""
        if (await self._ask("GET", ip, "/health")).get("state") == "Bare":
            return Said(bare=True)
        told = await self._ask("POST", ip, "/adopt", token)
        revision, version = told.get("revision"), told.get("versionName")
        if isinstance(revision, str) and isinstance(version, str) and version:
            return Said(revision=revision, version=version)
        return None

    async def end(self, ip: str, token: str) -> None:
        """Have the agent finish what it runs, and exit."""
        await self._ask("POST", ip, "/close", token)

    async def close(self) -> None:
        """Ask nothing more."""
        await self._session.close()

    async def _ask(self, method: str, ip: str, path: str, token: str = "") -> dict[str, object]:
        host = f"[{ip}]" if ":" in ip else ip
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._session.request(
                method, f"http://{host}:{PORT}{path}", headers=headers
            ) as answer:
                content = await answer.content.read(_MOST) if answer.ok else b""
                told = json.loads(content or b"{}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}
