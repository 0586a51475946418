"""A runtime process that was started before its function was known, and waits for it.

Rule: it is used only where nobody can tell it from a fresh one. Whether it fits is decided here, by what the image says
of it; that it has become the function it says itself, and while it has not a fresh process can still take its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket

from . import processes
from .spawning import STANDBY, Spawn, launch

HANDLER = "$_HANDLER"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Description:
    """What the image says of its standby, a JSON object.

    `command` and `environment`: how it is started, the same command as a function's; the word `$_HANDLER` stands for
    the function's handler, and is empty until there is one. `decisive`: the names of variables that only a new process
    would heed; with a `*` at its end a name stands for all that begin so.
    """

    def __init__(self, content: str) -> None:
        """Raises ValueError, KeyError, TypeError or AttributeError where it is not what it should be."""
        body = json.loads(content)
        self._command = [str(word) for word in body["command"]]
        self.environment = {str(name): str(value) for name, value in body["environment"].items()}
        names = [str(name) for name in body["decisive"]]
        self.names = {name for name in names if not name.endswith("*")}
        self.prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
        if not self._command:
            raise ValueError("command may not be empty")

    def command(self, handler: str) -> list[str]:
        """The argument vector for a function with this handler."""
        return [handler if word == HANDLER else word for word in self._command]


class Standby:
    """The process, from its start until it has become a function. Raises OSError if it cannot be started."""

    def __init__(self, description: Description, output: int, *, runtime_api: str) -> None:
        self._description = description
        self._given = {
            **description.environment,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "MAYFLY_STANDBY_FD": str(STANDBY),
        }
        self._missing = missing(description.environment)
        # A message is there whole or not at all, and the agent never waits.
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        spawn = Spawn(description.command(""), directory="/", environment=self._given)
        with theirs:
            self.pid = launch(spawn, output, standby=theirs.fileno())

    def take(self, spawn: Spawn) -> bool:
        """Let it become this. False, and it is ended, if it cannot."""
        try:
            if self._fits(spawn):
                self._socket.send(self._message(spawn))
                return True
        except OSError:
            # It has ended, or so much does not go through.
            pass
        self.end()
        return False

    def taken(self) -> bool:
        """Whether it had become what it was told, now that it has ended."""
        with contextlib.closing(self._socket), contextlib.suppress(OSError):
            return bool(self._socket.recv(1))
        return False

    def close(self) -> None:
        """It has ended."""
        self._socket.close()

    def end(self) -> None:
        """Kill it."""
        self.close()
        processes.send([self.pid], signal.SIGKILL)

    def _message(self, spawn: Spawn) -> bytes:
        given = [*self._given, "_LAMBDA_TELEMETRY_LOG_FD"]
        told = {"directory": spawn.directory, "environment": spawn.environment, "given": given}
        return json.dumps(told).encode("ascii")

    def _fits(self, spawn: Spawn) -> bool:
        return (
            fits(self._description, spawn)
            and not any(map(has_libraries, self._missing))
            and os.access(spawn.directory, os.X_OK)
            and os.path.isdir(spawn.directory)
        )


def fits(description: Description, spawn: Spawn) -> bool:
    """Whether the standby was started as this one has to be, as far as a process cannot change it afterwards."""
    return (
        spawn.argv == description.command(spawn.environment.get("_HANDLER", ""))
        and decisive(description, spawn.environment) == decisive(description, description.environment)
        # A bootstrap is a shell's, which passes no others on.
        and all(map(NAME.fullmatch, spawn.environment))
    )


def decisive(description: Description, environment: dict[str, str]) -> dict[str, str]:
    """What of the environment only a new process would heed."""
    names, prefixes = description.names, description.prefixes
    return {k: value for k, value in environment.items() if k in names or k.startswith(prefixes)}


def missing(environment: dict[str, str]) -> list[str]:
    """The folders of libraries that are not there. A process that has looked there once never looks again."""
    return [
        folder for folder in environment.get("LD_LIBRARY_PATH", "").split(":") if not os.path.isdir(folder)
    ]


def has_libraries(folder: str) -> bool:
    """Whether a program that starts now would find libraries there."""
    try:
        return any(".so" in name or name == "glibc-hwcaps" for name in os.listdir(folder))
    except OSError:
        return False
