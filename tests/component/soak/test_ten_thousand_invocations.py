"""10,000 invocations over 20 functions while instances are killed and code changes: each call gets its right answer."""

import asyncio
import contextlib
import json
import random
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from tests.component.local.children import count_from_here, started

from mayfly_gateway.backends.local.deployer import Deployer
from mayfly_gateway.backends.local.instances import LocalBackend
from mayfly_gateway.server import Gateway
from mayfly_gateway.settings import Settings

INVOCATIONS = 10_000
FUNCTIONS = 20
CALLERS = 24
CODE = (Path(__file__).parent / "user_code.py").read_text()
WEIGHTS = {
    "echo": 9300,
    "raise": 300,
    "leave-child": 150,
    "exit": 100,
    "crash": 80,
    "sleep": 40,
    "kill-agent": 28,
    "stop-agent": 2,
}
KILLED = "Runtime exited with error: signal: killed"


class Soak:
    """20 functions whose code changes, and what their callers may see."""

    def __init__(self, home: Path, gateway: Gateway, deployer: Deployer) -> None:
        self.home = home
        self.gateway = gateway
        self.deployer = deployer
        self.random = random.Random(20)
        self.written = dict.fromkeys(range(FUNCTIONS), 0)
        self.served = dict.fromkeys(range(FUNCTIONS), 0)
        self.kills = 0
        self.seen: Counter[str] = Counter()

    def write(self, number: int) -> Path:
        """Write the function's next version."""
        self.written[number] += 1
        code = CODE.replace("VERSION = 0", f"VERSION = {self.written[number]}")
        body = "".join(f"        {line}\n" for line in code.splitlines())
        manifest = self.home / f"f{number}.yaml"
        manifest.write_text(
            f"apiVersion: mayfly.dev/v1beta1\nkind: Function\nmetadata: {{name: f{number}}}\nspec:\n"
            "  runtime: python3.11\n  handler: app.handler\n  timeout: 3\n  memorySize: 256\n"
            f"  code:\n    inline:\n      app.py: |\n{body}"
        )
        return manifest

    async def deploy(self, number: int) -> None:
        """Have the next version served."""
        outcome = await self.deployer.refresh(frozenset({self.write(number)}))
        assert outcome.problems == ()
        self.served[number] = self.written[number]

    async def change_code(self) -> None:
        """Change one function after the other, for ever."""
        while True:
            await self.deploy(self.random.randrange(FUNCTIONS))
            await asyncio.sleep(0.4)

    async def kill_processes(self) -> None:
        """Kill an agent or a runtime now and then, for ever."""
        while True:
            await asyncio.sleep(0.25)
            # What is chosen may have ended by itself since it was listed.
            with contextlib.suppress(psutil.NoSuchProcess):
                agents = started()
                if processes := [
                    *agents,
                    *(below for agent in agents for below in agent.children(recursive=True)),
                ]:
                    self.kills += 1
                    self.random.choice(processes).send_signal(signal.SIGKILL)

    async def call(self, session: aiohttp.ClientSession, n: int) -> None:
        """One invocation and the judgement of its answer."""
        do = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        number = self.random.randrange(FUNCTIONS)
        oldest = self.served[number]
        url = f"{self.gateway.url}/2015-03-31/functions/f{number}/invocations"
        async with session.post(url, data=json.dumps({"do": do, "n": n})) as answer:
            body = await answer.json(content_type=None)
            assert answer.status == 200, (do, answer.status, body)
            failed = answer.headers.get("X-Amz-Function-Error")
        kind = judged(do, n, body, failed, range(oldest, self.written[number] + 1))
        self.seen[f"{do}: {kind}"] += 1

    async def callers(self) -> None:
        """All invocations, so many at a time."""
        numbers = iter(range(INVOCATIONS))
        async with aiohttp.ClientSession() as session:

            async def caller() -> None:
                for n in numbers:
                    await self.call(session, n)

            await asyncio.gather(*(caller() for _ in range(CALLERS)))


def judged(do: str, n: int, body: Any, failed: str | None, versions: range) -> str:
    """What the answer was; fails if it is none of those that this call may have."""
    if failed is None:
        assert do in ("echo", "leave-child"), (do, body)
        assert body["n"] == n
        assert body["version"] in versions
        return "right"
    assert failed == "Unhandled"
    if body["errorType"] == "Runtime.ExitError" and KILLED in body["errorMessage"]:
        return "killed"
    expected = {
        "raise": ("ValueError", rf"{n}"),
        "exit": ("Runtime.ExitError", r"RequestId: \S+ Error: Runtime exited with error: exit status 3"),
        "crash": (
            "Runtime.ExitError",
            r"RequestId: \S+ Error: Runtime exited with error: signal: segmentation fault",
        ),
        "sleep": ("Sandbox.Timedout", r"RequestId: \S+ Error: Task timed out after 3\.00 seconds"),
        "stop-agent": ("Sandbox.Timedout", r"RequestId: \S+ Error: Task timed out after 3\.00 seconds"),
    }
    assert do in expected, (do, body)
    kind, message = expected[do]
    assert body["errorType"] == kind, (do, body)
    assert re.fullmatch(message, body["errorMessage"]), (do, body)
    return "failed as asked"


def descriptors() -> int:
    """How many files this process holds."""
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
async def soak(tmp_path: Path) -> AsyncIterator[Soak]:
    """The local mode in this process; at its end neither process nor descriptor nor file is left."""
    before = descriptors()
    count_from_here()
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    gateway = Gateway(Settings(port=0, stop_time=2.0))
    backend = LocalBackend(tmp_path / "instances", logs=gateway.logs)
    deployer = Deployer(
        [manifests],
        namespace="default",
        cluster="local",
        store=tmp_path / "code",
        catalogue=gateway.catalogue,
        backend=backend,
        progress=print,
    )
    await gateway.start(backend)
    backend.start()
    yield Soak(manifests, gateway, deployer)
    await gateway.stop()
    assert started() == []
    assert not (tmp_path / "instances").exists()
    assert descriptors() <= before


@pytest.mark.timeout(240)
async def test_every_call_gets_its_right_answer_whatever_dies(soak: Soak) -> None:
    for number in range(FUNCTIONS):
        soak.write(number)
    await soak.deployer.refresh()
    soak.served.update(soak.written)
    disturbing = [asyncio.create_task(soak.change_code()), asyncio.create_task(soak.kill_processes())]
    await soak.callers()
    for task in disturbing:
        assert not task.done(), task.exception()
        task.cancel()
    await asyncio.gather(*disturbing, return_exceptions=True)
    assert sum(soak.seen.values()) == INVOCATIONS
    innocent = sum(count for kind, count in soak.seen.items() if kind in ("echo: killed", "raise: killed"))
    # A kill takes along at most the invocations that its instance ran: one.
    assert innocent <= soak.kills
    assert soak.seen["kill-agent: killed"] == sum(
        n for kind, n in soak.seen.items() if kind.startswith("kill-agent")
    )
    for kind in ("echo: right", "raise: failed as asked", "sleep: failed as asked", "crash: failed as asked"):
        assert soak.seen[kind] > 0
