"""Tells the kubelet whether this process gets on.

Rule: alive means progress: the election is looked at, no piece of work hangs, and what the API server lists is what the
watches told. That the API server is away is no reason to die.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from mayfly_operator.cache import Cache
from mayfly_operator.leadership import Leadership
from mayfly_operator.lists import Lists
from mayfly_operator.work_queue import WorkQueue

_ELECTION_HANGS: Final = 30.0
_WORK_HANGS: Final = 120.0
_ANSWER_IS_OLD: Final = 15.0


@dataclass(slots=True)
class Health:
    """What is looked at. The parts of an active replica are set when it becomes one."""

    leadership: Leadership
    cache: Cache | None = None
    lists: Lists | None = None
    queues: Sequence[WorkQueue] = field(default_factory=tuple)

    def not_alive(self) -> list[str]:
        """Why this process should be restarted; empty if it should not."""
        found = []
        now = asyncio.get_running_loop().time()
        if self.leadership.tried >= 0 and now - self.leadership.tried > _ELECTION_HANGS:
            found.append("the election hangs")
        if any(queue.longest_running() > _WORK_HANGS for queue in self.queues):
            found.append("a piece of work hangs")
        if self.lists is not None and self.lists.deaf:
            found.append(f"the watches of {', '.join(self.lists.deaf)} are deaf")
        return found

    def not_ready(self) -> list[str]:
        """Why this process can neither lead nor take over; empty if it can."""
        now = asyncio.get_running_loop().time()
        found = self.not_alive()
        if self.leadership.answered < 0 or now - self.leadership.answered > _ANSWER_IS_OLD:
            found.append("the API server does not answer")
        if self.leadership.leading.is_set() and (self.cache is None or not self.cache.complete):
            found.append("the lists are not read yet")
        return found


async def serve(health: Health, host: str, port: int) -> web.AppRunner:
    """Answer `GET /healthz` and `GET /readyz`; 503 with the reasons, one a line, where there are any.

    Raises:
        OSError: the port is taken.
    """
    app = web.Application()
    app.router.add_get("/healthz", _answer(health.not_alive))
    app.router.add_get("/readyz", _answer(health.not_ready))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _answer(reasons: Callable[[], list[str]]) -> Callable[[web.Request], "asyncio.Future[web.Response]"]:
    async def handler(_: web.Request) -> web.Response:
        found = reasons()
        return web.Response(status=503 if found else 200, text="\n".join(found or ["ok"]) + "\n")

    return handler  # type: ignore[return-value]
