"""Agent processes: started bare, each with a socket on which only this gateway calls, and ended for good."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BACKLOG = 128
END_TIME = 3.0
"""Seconds that an agent has to end its runtime after its standing pipe was closed."""

Output = Callable[[bytes], None]


@dataclass(slots=True, kw_only=True)
class Agent:
    """One agent process. `home` is its directory: the socket, the function's code and its /tmp."""

    id: str
    home: Path
    pid: int
    transport: asyncio.SubprocessTransport = field(repr=False)
    ended: asyncio.Event = field(repr=False)
    protocol: "AgentProtocol" = field(repr=False)

    @property
    def address(self) -> str:
        """The path of the socket on which it listens."""
        return str(self.home / "agent.sock")


class AgentProtocol(asyncio.SubprocessProtocol):
    """Passes on what an agent writes: its log (standard output) and its own trouble (standard error)."""

    def __init__(self, *, on_trouble: Output, on_exit: Callable[[], None]) -> None:
        self._on_trouble = on_trouble
        self._on_exit = on_exit
        self._early: list[bytes] = []
        self._on_log: Output = self._early.append

    def follow(self, on_log: Output) -> None:
        """Give the log, from its beginning, to `on_log`."""
        self._on_log = on_log
        for data in self._early:
            on_log(data)
        self._early.clear()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """A part of the log or of the trouble."""
        (self._on_log if fd == 1 else self._on_trouble)(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """A pipe has ended; the end of the log is told as empty data."""
        if fd == 1:
            self._on_log(b"")

    def process_exited(self) -> None:
        """The agent has ended; its pipes may still hold a rest."""
        self._on_exit()


async def start(home: Path, *, on_trouble: Output, standby: Mapping[str, object] | None = None) -> Agent:
    """Start a bare agent that lives in `home`, which must not exist yet. `standby` describes what it has waiting.

    Raises:
        OSError: no more processes, descriptors or room.
    """
    home.mkdir(mode=0o700, parents=True)  # noqa: ASYNC240 - one call on a local directory
    described = home / "standby.json"
    if standby:
        # The runtime's linker looks once whether the code's folder is there.
        (home / "task").mkdir()
        described.write_text(json.dumps(standby))
    ended = asyncio.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(home / "agent.sock"))
        listener.listen(BACKLOG)
        transport, protocol = await asyncio.get_running_loop().subprocess_exec(
            lambda: AgentProtocol(on_trouble=on_trouble, on_exit=ended.set),
            *(sys.executable, "-I", "-m", "mayfly_agent", "--listen-fd", str(listener.fileno())),
            pass_fds=(listener.fileno(),),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={"PATH": os.defpath, **({"MAYFLY_STANDBY": str(described)} if standby else {})},
        )
    return Agent(
        id=home.name, home=home, pid=transport.get_pid(), transport=transport, ended=ended, protocol=protocol
    )


async def end(agent: Agent) -> None:
    """End the agent and what it runs: closing its standing pipe asks it to, SIGKILL makes it."""
    standing = agent.transport.get_pipe_transport(0)
    if standing is not None:
        standing.close()
    try:
        await asyncio.wait_for(agent.ended.wait(), END_TIME)
    except TimeoutError:
        # Its session holds what did not leave it; the strays' sweep finds the rest.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(agent.pid, signal.SIGKILL)
        await agent.ended.wait()
    agent.transport.close()
    await asyncio.to_thread(remove, agent.home)


def remove(tree: Path) -> None:
    """Remove a directory, also where a function has closed it or one below it to everybody."""
    shutil.rmtree(tree, ignore_errors=True)
    if not tree.exists():
        return
    with contextlib.suppress(OSError):
        tree.chmod(0o700)
        for folder, folders, _ in os.walk(tree):
            for place in (Path(folder, name) for name in folders):
                # A link may lead to what is not ours to open.
                if not place.is_symlink():
                    place.chmod(0o700)
    shutil.rmtree(tree, ignore_errors=True)
