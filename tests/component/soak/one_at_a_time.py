"""Agents that take one invocation at a time, as real ones do, and whose INIT and invocations take a moment."""

import asyncio
import json
import random
from collections import Counter

from tests.component.kubernetes.agents import Connection, PodAgent

TIMES = (0.001, 0.01, 0.05, 0.2, 0.001, 0.01, 0.05, 0.2, 0.001, 0.01, 0.05, 0.2, 3.0)
"""Seconds; the longest is longer than a pod that is of no use is left alone."""


class OneAtATime(PodAgent):
    """One agent; all of them count in `executed` how often each invocation has reached one.

    `running`: the invocation that it runs.
    """

    def __init__(self, uid: str, address: str, executed: Counter[int], chance: random.Random) -> None:
        super().__init__(uid, address)
        self.executed = executed
        self.chance = chance
        self.closing = False
        self.running: int | None = None

    def connection(self) -> "Served":
        return Served(self)


class Served(Connection):
    """A gateway's connection to one."""

    agent: OneAtATime

    def serve(self, path: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        known = headers.get(b"Authorization") == b"Bearer " + (self.agent.token or "-").encode()
        if path == b"/close" and known:
            self.agent.closing = True
            self.reply(202, {"running": int(not self.agent.free.is_set())})
            self.end_when_free()
        else:
            super().serve(path, headers, body)

    def reply(self, status: int, content: dict) -> None:
        if not self.transport.is_closing():
            super().reply(status, content)

    def specialise(self, headers: dict[bytes, bytes], body: bytes) -> None:
        if self.agent.specialised is not None:
            super().specialise(headers, body)
            return
        length = int(headers[b"Mayfly-Instruction-Length"])
        self.agent.specialised = json.loads(body[:length])
        self.occupy(self.agent.chance.uniform(0.005, 0.1), lambda: self.reply(200, {}))

    def invoke(self, body: bytes) -> None:
        if self.agent.closing:
            self.reply(503, {"reason": "Closing"})
        elif not self.agent.free.is_set():
            self.reply(409, {"reason": "Busy"})
        else:
            self.agent.running = json.loads(body)["n"]
            self.agent.executed[self.agent.running] += 1
            self.occupy(
                self.agent.chance.choice(TIMES), lambda: self.transport.is_closing() or self.finish(body)
            )

    def occupy(self, seconds: float, then) -> None:
        self.agent.free.clear()

        def over() -> None:
            self.agent.free.set()
            self.agent.running = None
            then()

        asyncio.get_running_loop().call_later(seconds, over)

    async def adopt(self) -> None:
        while not self.agent.free.is_set():
            await self.agent.free.wait()
        if self.agent.closing:
            self.reply(503, {"reason": "Closing"})
        else:
            await super().adopt()

    def end_when_free(self) -> None:
        if not self.agent.free.is_set():
            asyncio.get_running_loop().call_later(0.01, self.end_when_free)
        elif not self.agent.closed:
            self.agent.closed = True
            self.agent.die()
            asyncio.get_running_loop().call_later(self.agent.chance.uniform(0, 0.3), self.agent.on_close)
