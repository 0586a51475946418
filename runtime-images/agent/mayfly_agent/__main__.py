"""Wiring: the listening sockets, the standing pipe to the gateway, the loop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys

from . import processes
from .connection import BACKLOG, Server
from .control import ControlApi
from .instance import Instance
from .log import Log
from .loop import Loop

USAGE = "usage: mayfly_agent --listen-fd N"


def main() -> None:
    """Run one instance until it is closed or its gateway goes away."""
    listener = control_listener(sys.argv[1:])
    os.chdir("/")
    # Before it listens: from here on user code of the same user cannot read this process's memory.
    processes.guard_self()
    loop = Loop()
    log = Log(loop, sys.stdout.fileno())
    instance = Instance(loop, log, runtime_listener=runtime_listener())
    api = ControlApi(instance)
    server = Server(loop, listener, limits=api.limits(), handle=api.handle)
    if os.getpid() == 1:
        # In a pod the kubelet asks so; elsewhere only user code would.
        loop.on_signal(signal.SIGTERM, instance.close)
    watch_gateway(loop, instance)
    try:
        loop.run()
    except BaseException:
        processes.kill_below(os.getpid())
        raise
    finally:
        # Nobody has to fetch one before the other.
        log.finish(patience=0)
        server.finish()
        log.finish()


def control_listener(arguments: list[str]) -> socket.socket:
    """The socket on which the gateway calls, inherited and already listening."""
    match arguments:
        case ["--listen-fd", number] if number.isdigit():
            listener = socket.socket(fileno=int(number))
            os.set_inheritable(listener.fileno(), False)
            return listener
        case _:
            raise SystemExit(USAGE)


def runtime_listener() -> socket.socket:
    """The socket on which the runtime calls: loopback, any free port."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    return listener


def watch_gateway(loop: Loop, instance: Instance) -> None:
    """Standard input is a pipe that the gateway holds open: its end is the gateway's."""
    descriptor = sys.stdin.fileno()
    os.set_blocking(descriptor, False)

    def read() -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(descriptor, 4096):
                loop.on_readable(descriptor, None)
                instance.end_now()

    loop.on_readable(descriptor, read)


if __name__ == "__main__":
    main()
