"""How a runtime process begins: its standard streams, its signals, its process group, its environment."""

from __future__ import annotations

import os

from . import processes

TELEMETRY = 3
"""The descriptor on which runtime clients write framed log messages."""
STANDBY = 4
"""The descriptor at which a standby waits."""


class Spawn:
    """What to run: argument vector, working directory, environment."""

    __slots__ = ("argv", "directory", "environment")

    def __init__(self, argv: list[str], *, directory: str, environment: dict[str, str]) -> None:
        self.argv = argv
        self.directory = directory
        self.environment = {**environment, "_LAMBDA_TELEMETRY_LOG_FD": str(TELEMETRY)}


def launch(spawn: Spawn, output: int, *, standby: int | None = None) -> int:
    """Start the process with `output` as its standard output, error and telemetry descriptor; its pid.

    `standby`: what it gets as the descriptor STANDBY. Raises OSError when the directory or the program is not there or
    may not be run.
    """
    telemetry = reopened(output)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
        (os.POSIX_SPAWN_DUP2, telemetry, TELEMETRY),
        *([] if standby is None else [(os.POSIX_SPAWN_DUP2, standby, STANDBY)]),
    ]
    try:
        os.chdir(spawn.directory)
        with processes.expendable():
            return os.posix_spawn(
                spawn.argv[0],
                spawn.argv,
                spawn.environment,
                file_actions=actions,
                setpgroup=0,
                setsigmask=[],
                setsigdef=processes.SHIELDED,
            )
    finally:
        os.chdir("/")
        os.close(telemetry)


def reopened(pipe: int) -> int:
    """Another descriptor of the pipe with flags of its own, where the system can.

    Node.js makes its standard output non-blocking; the stock client would then lose what it writes to a telemetry
    descriptor that shares the flags.
    """
    try:
        return os.open(f"/dev/fd/{pipe}", os.O_WRONLY)
    except OSError:
        return os.dup(pipe)
