"""One instance: the lifecycle's decisions carried out on the supervisor, the clocks, the log and both HTTP servers."""

from __future__ import annotations

import os
import socket
import time

from . import control, frames, oom, runtime_api
from .http import Request, Server
from .lifecycle import BARE, INIT, READY, Invocation, Lifecycle
from .log import Log
from .loop import Loop, Timer, monotonic
from .report import JsonReporter, Measured, TextReporter
from .supervisor import Spawn, Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .failures import Failure

FREEZE_AFTER = 0.01
"""Seconds of rest before the tree is stopped: a busy instance shall not pay for signals between its invocations."""
MEMORY_CHECK = 0.02
SHUTDOWN = 2.0
"""Seconds that the runtime has between SIGTERM and SIGKILL when the instance is closed (the SHUTDOWN phase)."""
PIPE = 64 * 1024


class Clock:
    """When an invocation began, and the timers that watch it."""

    __slots__ = ("answered", "began", "timers")

    def __init__(self, timers: list[Timer]) -> None:
        self.began = monotonic()
        self.answered: float | None = None
        self.timers = timers


class Instance:
    """Bare until `specialise`, then one function's for life."""

    def __init__(self, loop: Loop, log: Log, *, runtime_listener: socket.socket) -> None:
        self._loop = loop
        self._log = log
        self._listener = runtime_listener
        self._supervisor = Supervisor(loop, on_exit=self._on_exit)
        self._framer = frames.Framer()
        self._clocks: dict[str, Clock] = {}
        self._freeze: Timer | None = None
        self._init_timer: Timer | None = None
        self._init_ms: float | None = None
        self._ending = False
        self.token: bytes | None = None
        self._output, self._output_write = os.pipe()
        os.set_blocking(self._output, False)
        self._reading = True
        loop.on_readable(self._output, self._read_output)
        loop.before_wait(self._resume_output)

    # What the control API calls.

    def specialise(self, function: control.Function) -> None:
        """Become the function and begin its INIT."""
        self.token = function.token
        self._function = function
        reporter = JsonReporter if function.json_log else TextReporter
        self._reporter = reporter(
            version=function.version,
            memory_size=function.memory_size,
            runtime_version=function.runtime_version,
        )
        self._lifecycle = Lifecycle(self, timeout=function.timeout, concurrency=function.concurrency)
        api = runtime_api.RuntimeApi(self._lifecycle)
        self._server = Server(self._loop, self._listener, limits=runtime_api.LIMITS, handle=api.handle)
        self._oom = oom.KernelKills()
        self._lifecycle.specialise()

    def invoke(self, invocation: Invocation, *, tail: bool) -> str | None:
        """Take on an invocation. Returns the reason if it is refused."""
        if self._directory_lost():
            self.close()
        if self._freeze is not None:
            self._freeze.cancel()
            self._freeze = None
        if tail:
            self._log.keep_tail(invocation.request_id)
        self._supervisor.thaw()
        refusal = self._lifecycle.invoke(invocation)
        if refusal is not None and tail:
            self._log.take_tail(invocation.request_id)
        return refusal

    def close(self) -> None:
        """Finish what runs, then end the agent."""
        if self.token is None:
            self._loop.stop()
        else:
            self._lifecycle.close()

    def state(self) -> str:
        """Bare, Initialising, Idle, Busy or Closing."""
        if self.token is None:
            return BARE
        if self._lifecycle.closing:
            return "Closing"
        if self._lifecycle.active:
            return "Busy"
        return INIT if self._lifecycle.phase == INIT else "Idle"

    def end_now(self) -> None:
        """The gateway is gone: kill everything and end."""
        self._supervisor.kill(self._loop.stop)

    # The lifecycle's effects.

    def start_runtime(self) -> str | None:
        """Start the runtime process. Returns why it could not be started."""
        self._init_began = monotonic()
        self._write(self._reporter.init_start(), None)
        host, port = self._listener.getsockname()[:2]
        environment = {**self._function.environment, "AWS_LAMBDA_RUNTIME_API": f"{host}:{port}"}
        spawn = Spawn(self._function.command, directory=self._function.directory, environment=environment)
        try:
            self._supervisor.start(spawn, self._output_write)
        except OSError as error:
            return f"fork/exec {spawn.argv[0]}: {(error.strerror or str(error)).lower()}"
        return None

    def start_init_clock(self) -> None:
        """Watch the INIT phase."""
        self._init_timer = self._loop.call_later(
            self._function.init_timeout, lambda: self._lifecycle.init_timed_out()
        )

    def init_ended(self, *, inside: bool, failure: Failure | None) -> None:
        """INIT is over: its duration counts for the first report, or is reported by itself if it failed."""
        milliseconds = (monotonic() - self._init_began) * 1000
        if self._init_timer is not None:
            self._init_timer.cancel()
        if failure is None:
            self._init_ms = None if inside else milliseconds
            return
        self._drain_output()
        status = "timeout" if failure.message == "INIT timed out" else "error"
        self._write(
            self._reporter.init_report(
                milliseconds, inside=inside, status=status, error_type=failure.error_type
            ),
            None,
        )

    def start_clock(self, invocation: Invocation) -> None:
        """START, and the timers of the invocation."""
        self._drain_output()
        self._write(self._reporter.start(invocation.request_id), invocation.request_id)
        seconds = self._function.timeout
        timers = [self._loop.call_later(seconds, lambda: self._on_timeout(invocation))]
        clock = self._clocks[invocation.request_id] = Clock(timers)
        deadline = b"%d" % int((time.time() + seconds) * 1000)
        invocation.headers = (*invocation.headers[:-1], (b"Lambda-Runtime-Deadline-Ms", deadline))
        if self._function.enforce_memory:
            clock.timers.append(self._loop.call_later(MEMORY_CHECK, lambda: self._check_memory(clock)))

    def deliver(self, poll: object, invocation: Invocation) -> None:
        """Hand the invocation to the runtime."""
        assert isinstance(poll, Request)
        runtime_api.deliver(poll, invocation)

    def answer(self, invocation: Invocation, payload: bytes) -> None:
        """Send the payload to the caller before anything else is done."""
        assert isinstance(invocation.caller, Request)
        failed = invocation.error_type is not None
        control.send_payload(invocation.caller, payload, failed=failed)
        clock = self._clocks[invocation.request_id]
        clock.answered = monotonic()

    def finish(self, invocation: Invocation) -> None:
        """END, REPORT, and the end of the message to the caller."""
        assert isinstance(invocation.caller, Request)
        self._drain_output()
        request_id = invocation.request_id
        measured = self._measure(invocation, self._clocks.pop(request_id))
        self._write(self._reporter.report(request_id, measured), request_id)
        control.send_end(invocation.caller, measured, self._log.take_tail(request_id))

    def rest(self) -> None:
        """Freeze the tree if no invocation comes at once."""
        if not self._lifecycle.closing:
            self._freeze = self._loop.call_later(FREEZE_AFTER, self._supervisor.freeze)

    def kill(self, done: Callable[[], None]) -> None:
        """End the tree; what it wrote before counts."""
        self._supervisor.kill(done)

    def shut_down(self) -> None:
        """SIGTERM, then SIGKILL, then the agent ends."""
        if self._ending:
            return
        self._ending = True
        self._supervisor.thaw()
        self._supervisor.terminate()
        grace = SHUTDOWN if self._supervisor.alive else 0
        self._loop.call_later(grace, self.end_now)

    # Inner workings.

    def _measure(self, invocation: Invocation, clock: Clock) -> Measured:
        for timer in clock.timers:
            timer.cancel()
        failed = invocation.error_type is not None
        ended = clock.answered if failed and clock.answered is not None else monotonic()
        init_ms, self._init_ms = self._init_ms, None
        duration_ms = (ended - clock.began) * 1000
        if invocation.status == "timeout":
            duration_ms = min(duration_ms, self._function.timeout * 1000.0)
        return Measured(
            duration_ms=duration_ms,
            init_ms=init_ms,
            max_memory_mb=max(1, round(self._supervisor.peak_memory() / 1024 / 1024)),
            status=invocation.status,
            error_type=invocation.error_type,
        )

    def _on_timeout(self, invocation: Invocation) -> None:
        self._server.drain()
        if (
            invocation.request_id not in self._clocks
            or self._clocks[invocation.request_id].answered is not None
        ):
            self._lifecycle.timed_out(invocation)
            return
        self._drain_output()
        self._write(
            self._reporter.timed_out(invocation.request_id, self._function.timeout), invocation.request_id
        )
        self._lifecycle.timed_out(invocation)

    def _check_memory(self, clock: Clock) -> None:
        if self._supervisor.over(self._function.memory_size * 1024 * 1024):
            self._lifecycle.out_of_memory()
        else:
            clock.timers[1] = self._loop.call_later(MEMORY_CHECK, lambda: self._check_memory(clock))

    def _on_exit(self, status: int) -> None:
        """The runtime ended by itself: what it had sent before is heard first."""
        self._server.drain()
        self._drain_output()
        if self._ending:
            self.end_now()
        elif os.WIFSIGNALED(status) and self._oom.happened():
            self._lifecycle.out_of_memory()
        else:
            self._lifecycle.exited(status)

    def _directory_lost(self) -> bool:
        """Whether a new runtime is needed but the function has deleted its own code: then only a new instance helps."""
        return self._lifecycle.phase not in (INIT, READY) and not os.path.isdir(self._function.directory)

    # The runtime's output.

    def _read_output(self) -> bool:
        try:
            data = os.read(self._output, PIPE)
        except BlockingIOError:
            return False
        for message in self._framer.feed(data):
            self._write([frames.readable(message)], self._current())
        if self._log.full and self._reading:
            self._reading = False
            self._loop.on_readable(self._output, None)
        return True

    def _resume_output(self) -> None:
        if not self._reading and not self._log.full:
            self._reading = True
            self._loop.on_readable(self._output, self._read_output)

    def _drain_output(self) -> None:
        """Read what was written before now: one pipe full, and not what a thread goes on writing for ever."""
        for _ in range(2):
            if not self._read_output():
                break
        for message in self._framer.flush():
            self._write([frames.readable(message)], self._current())

    def _current(self) -> str | None:
        return self._lifecycle.current if self.token is not None else None

    def _write(self, messages: list[str], request_id: str | None) -> None:
        for message in messages:
            self._log.write(message, request_id)
