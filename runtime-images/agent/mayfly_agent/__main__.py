"""Wiring: the listening sockets, the standing pipe to the gateway, the loop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys

from . import processes, settings
from .control import ControlApi
from .instance import Instance
from .log import Log
from .loop import Loop
from .server import BACKLOG, Server

MISCONFIGURED = 78
"""The exit status (EX_CONFIG of sysexits.h) of an agent that cannot start as it is told to."""


def main() -> None:
    """Run one instance until it is closed, or cannot go on, or its gateway goes away."""
    try:
        told = settings.read(sys.argv[1:], os.environ)
    except settings.SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        raise SystemExit(MISCONFIGURED) from None
    listener = control_listener(told)
    forget_working_directory()
    # Before it listens: from here on user code of the same user cannot read this process's memory.
    processes.guard_self()
    loop = Loop()
    log = Log(loop, sys.stdout.fileno(), plain=told.permits is not None)
    instance = Instance(loop, log, runtime_listener=runtime_listener())
    api = ControlApi(instance)
    server = Server(loop, listener, limits=api.limits(), handle=api.handle)
    if processes.is_first():
        processes.on_outside_signal(loop, signal.SIGTERM, instance.close)
    if told.permits is None:
        watch_gateway(loop, instance)
    else:
        listener.listen(BACKLOG)
        demand_permit(loop, instance, api, told)
        if told.lifetime is not None:
            loop.call_later(told.lifetime, instance.close_unclaimed)
    stand_by(instance, told)
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
    raise SystemExit(instance.exit_status)


def control_listener(told: settings.Settings) -> socket.socket:
    """The socket on which the gateway calls: inherited and already listening, or bound and not listening yet."""
    if told.address is None:
        listener = socket.socket(fileno=told.descriptor)
        os.set_inheritable(listener.fileno(), False)
        return listener
    family = socket.AF_INET6 if ":" in told.address[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(told.address)
    return listener


def forget_working_directory() -> None:
    """Import nothing from where the agent was started: in a pod that is where the function's code will be."""
    here = os.getcwd()
    sys.path[:] = [place for place in sys.path if place not in ("", here)]
    os.chdir("/")


def demand_permit(loop: Loop, instance: Instance, api: ControlApi, told: settings.Settings) -> None:
    """In a pod: whoever specialises must hold a permit, and brings the code."""
    # Not for the local mode: it takes time and, with the process that unpacks, memory.
    from .specialising import SignedSpecialise
    from .unpacking import Unpacker

    assert told.permits is not None
    api.demand_permit(SignedSpecialise(instance, told.permits, Unpacker(loop), inherited=told.variables))


def stand_by(instance: Instance, told: settings.Settings) -> None:
    """Start the image's standby. Without one the function's runtime is started when it is known."""
    if told.standby is not None:
        with contextlib.suppress(OSError):
            instance.stand_by(told.standby)


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
