"""One instance: the lifecycle's decisions carried out on the supervisor, the clocks, the log and both HTTP servers."""

from __future__ import annotations

import os
import socket
import time

from . import control, failures, oom, runtime_api
from .failures import TIMEOUT
from .http import Request
from .invocation import Invocation
from .lifecycle import BARE, INIT, READY, Lifecycle
from .log import Log
from .loop import Loop, Timer, monotonic
from .memory import MemoryWatch
from .output import Output
from .report import JsonReporter, Measured, TextReporter
from .server import Server
from .spawning import Spawn
from .supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .failures import Failure
    from .standby import Description

    Ready = Callable[[Failure | None], None]

FREEZE_AFTER = 0.01
"""Seconds of rest before the tree is stopped: a busy instance shall not pay for signals between its invocations."""
WAKING = 0.02
"""Seconds for a stopped runtime to run again before it is asked to end: a signal that comes while its main thread is
not awake yet goes to another of its threads, and an interpreter does not notice."""
FAREWELL = 0.1
"""Seconds that a runtime which has reported that it cannot initialise may take to end by itself."""
SHUTDOWN = 2.0
"""Seconds that the runtime has between SIGTERM and SIGKILL when the instance is closed (the SHUTDOWN phase)."""
MEGABYTE = 1024 * 1024


class Clock:
    """When an invocation began and was answered, the timer of its timeout, and what its handler raised."""

    __slots__ = ("answered", "began", "raised", "timer")

    def __init__(self, timer: Timer) -> None:
        self.began = monotonic()
        self.answered = 0.0
        self.raised: str | None = None
        self.timer = timer


class Instance:
    """Bare until `specialise`, then one function's for life."""

    def __init__(self, loop: Loop, log: Log, *, runtime_listener: socket.socket) -> None:
        self._loop = loop
        self._log = log
        self._listener = runtime_listener
        self._supervisor = Supervisor(loop, on_exit=self._on_exit)
        self._output = Output(loop, log, owners=self._running)
        self._clocks: dict[str, Clock] = {}
        self._freeze: Timer | None = None
        self._init_timer: Timer | None = None
        self._init_ms: float | None = None
        self._ending = False
        self._stopping = False
        self._farewell: Callable[[], None] | None = None
        self._ready: Ready | None = None
        self._adopters: list[Callable[[control.Function | None], None]] = []
        self.token: bytes | None = None
        self.exit_status = 0
        loop.before_wait(self._tell_adopters)

    def stand_by(self, description: Description) -> None:
        """Start a runtime process that waits for its function. Raises OSError if that cannot be done."""
        from .standby import Standby

        standby = Standby(description, self._output.write_end, runtime_api=self._runtime_api())
        self._supervisor.keep(standby)

    # What the control API calls.

    def specialise(self, function: control.Function, ready: Ready) -> None:
        """Become the function and begin its INIT.

        `ready` is called once that is over, with the failure if it did not end well.
        """
        self.claim(function)
        self.start(ready)

    def claim(self, function: control.Function) -> None:
        """Be this function's, and nobody else's, from now on; its code may still be on the way."""
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
        limits = runtime_api.limits(concurrency=function.concurrency)
        self._server = Server(self._loop, self._listener, limits=limits, handle=api.handle)
        self._memory = MemoryWatch(
            self._loop,
            self._supervisor,
            limit=function.memory_size * MEGABYTE,
            needed=lambda: bool(self._lifecycle.active) or self._lifecycle.phase == INIT,
            exceeded=self._lifecycle.out_of_memory,
        )

    def start(self, ready: Ready) -> None:
        """Begin INIT: the code is there."""
        if self._ending:
            return
        self._ready = ready
        self._files = entries(self._function.directory)
        self._lifecycle.specialise()
        # While the runtime begins.
        self._oom = oom.KernelKills()

    def give_up(self, reason: str, status: int) -> None:
        """End the agent with this exit status: it can serve nobody."""
        self._log.write([reason], None)
        self.exit_status = status
        self.end_now()

    def invoke(self, invocation: Invocation, *, tail: bool) -> str | None:
        """Take on an invocation. Returns the reason if it is refused."""
        if self._lifecycle.phase != BARE and self._directory_lost():
            self.close()
        refusal = "Closing" if self._ending else self._lifecycle.refusal(invocation.request_id)
        if refusal is not None:
            return refusal
        self._thaw()
        if tail:
            self._log.keep_tail(invocation.request_id)
        self._lifecycle.invoke(invocation)
        return None

    def close(self) -> None:
        """Finish what runs, then end the agent."""
        if self.token is None:
            self._loop.stop()
        else:
            self._lifecycle.close()

    def close_unclaimed(self) -> None:
        """End the agent if it is nobody's. From here on nobody can claim it: it is this or that, once."""
        if self.token is None:
            self._loop.stop()

    def state(self) -> str:
        """Bare, Initialising, Idle, Busy or Closing."""
        if self.token is None:
            return BARE
        if self._lifecycle.closing:
            return "Closing"
        if self._lifecycle.active:
            return "Busy"
        return INIT if self._lifecycle.phase in (BARE, INIT) else "Idle"

    def running(self) -> int:
        """How many invocations it has."""
        return 0 if self.token is None else len(self._lifecycle.active)

    def initialization(self) -> str:
        """What the function is told in AWS_LAMBDA_INITIALIZATION_TYPE; empty while there is none."""
        function = self._function
        return "" if function is None else function.environment.get("AWS_LAMBDA_INITIALIZATION_TYPE", "")

    def when_free(self, done: Callable[[control.Function | None], None]) -> None:
        """Call back with the function once INIT is over and nothing runs; with None if the instance then ends."""
        self._adopters.append(done)

    def end_now(self) -> None:
        """The gateway is gone: kill everything and end."""
        self._ending = self._stopping = True

        def over() -> None:
            self._output.end()
            self._loop.stop()

        self._supervisor.kill(over)

    # The lifecycle's effects.

    def start_runtime(self, *, inside: bool) -> str | None:
        """Start the runtime process. Returns why it could not be started."""
        self._init_began = monotonic()
        self._log.write(self._reporter.init_start(inside=inside), None)
        spawn = Spawn(
            self._function.command, directory=self._function.directory, environment=self._environment()
        )
        try:
            self._supervisor.start(spawn, self._output.write_end)
        except OSError as error:
            return f"fork/exec {spawn.argv[0]}: {(error.strerror or str(error)).lower()}"
        self._watch_memory()
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
        ready, self._ready = self._ready, None
        if ready is not None:
            ready(failure)
        if failure is None:
            self._init_ms = None if inside else milliseconds
            return
        self._output.drain()
        status = "timeout" if failure.error_type == TIMEOUT else "error"
        report = self._reporter.init_report(
            milliseconds, inside=inside, status=status, error_type=failure.error_type
        )
        self._log.write(report, None)

    def start_clock(self, invocation: Invocation) -> None:
        """START, and the timer of the invocation."""
        self._output.drain()
        self._log.write(self._reporter.start(invocation.request_id), invocation.request_id)
        seconds = self._function.timeout
        timer = self._loop.call_later(seconds, lambda: self._lifecycle.timed_out(invocation))
        self._clocks[invocation.request_id] = Clock(timer)
        invocation.headers += ((b"Lambda-Runtime-Deadline-Ms", b"%d" % int((time.time() + seconds) * 1000)),)
        self._watch_memory()

    def deliver(self, poll: object, invocation: Invocation) -> bool:
        """Hand the invocation to the runtime."""
        assert isinstance(poll, Request)
        return runtime_api.deliver(poll, invocation)

    def answer(self, invocation: Invocation, payload: bytes) -> None:
        """Send the payload to the caller before anything else is done."""
        assert isinstance(invocation.caller, Request)
        control.send_payload(invocation.caller, payload, failed=invocation.error_type is not None)
        clock = self._clocks[invocation.request_id]
        clock.answered = monotonic()
        if invocation.error_type == failures.UNKNOWN:
            clock.raised = failures.raised_type(payload)

    def finish(self, invocation: Invocation) -> None:
        """END, REPORT, and the end of the message to the caller."""
        assert isinstance(invocation.caller, Request)
        self._output.drain()
        request_id = invocation.request_id
        measured = self._measure(invocation, self._clocks.pop(request_id))
        lines = self._reporter.report(request_id, measured)
        if invocation.error_type == TIMEOUT:
            lines = [*self._reporter.timed_out(request_id, self._function.timeout), *lines]
        self._log.write(lines, request_id)
        control.send_end(invocation.caller, measured, self._log.take_tail(request_id))

    def rest(self) -> None:
        """Freeze the tree if no invocation comes at once."""
        if self._freeze is None and not self._lifecycle.closing:
            self._freeze = self._loop.call_later(FREEZE_AFTER, self._supervisor.freeze)

    def kill(self, done: Callable[[], None], *, gently: bool) -> None:
        """End the tree; what it wrote before counts, and what it sent and nobody has read does not."""

        def over() -> None:
            self._output.end()
            self._server.close_all()
            if not self._stopping:
                done()

        self._farewell = lambda: self._supervisor.kill(over)
        if gently and self._supervisor.alive:
            self._loop.call_later(FAREWELL, self._bid_farewell)
        else:
            self._bid_farewell()

    def _bid_farewell(self) -> None:
        kill, self._farewell = self._farewell, None
        if kill is not None:
            kill()

    def shut_down(self) -> None:
        """SIGTERM, then SIGKILL, then the agent ends."""
        if self._ending:
            return
        self._ending = True
        self._loop.call_later(WAKING if self._thaw() else 0, self._terminate)

    # Inner workings.

    def _tell_adopters(self) -> None:
        if not self._adopters:
            return
        closing = self._ending or self._lifecycle.closing
        busy = self._lifecycle.active or (self._lifecycle.phase in (BARE, INIT) and not closing)
        if self._ending or not busy:
            adopters, self._adopters = self._adopters, []
            for done in adopters:
                done(None if closing else self._function)

    def _environment(self) -> dict[str, str]:
        environment = {**self._function.environment, "AWS_LAMBDA_RUNTIME_API": self._runtime_api()}
        if self._function.concurrency > 1:
            directory = environment.get("TMPDIR", "/tmp")  # noqa: S108 - as the function sees it
            path = self._output.provide(f"{directory}/.mayfly-{os.getpid()}.log")
            environment |= {"_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": path} if path else {}
        return environment

    def _runtime_api(self) -> str:
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    def _terminate(self) -> None:
        self._supervisor.terminate()
        self._loop.call_later(SHUTDOWN if self._supervisor.alive else 0, self.end_now)

    def _running(self) -> list[str]:
        return self._lifecycle.running if self.token is not None else []

    def _thaw(self) -> bool:
        if self._freeze is not None:
            self._freeze.cancel()
            self._freeze = None
        return self._supervisor.thaw()

    def _watch_memory(self) -> None:
        if self._function.enforce_memory:
            self._memory.go_on()

    def _measure(self, invocation: Invocation, clock: Clock) -> Measured:
        clock.timer.cancel()
        failed = invocation.error_type is not None
        ended = clock.answered if failed else monotonic()
        init_ms, self._init_ms = self._init_ms, None
        duration_ms = (ended - clock.began) * 1000
        if invocation.status == "timeout":
            duration_ms = min(duration_ms, self._function.timeout * 1000.0)
        return Measured(
            duration_ms=duration_ms,
            init_ms=init_ms,
            max_memory_mb=max(1, round(self._supervisor.peak_memory() / MEGABYTE)),
            status=invocation.status,
            error_type=invocation.error_type,
            raised=clock.raised,
        )

    def _on_exit(self, status: int) -> None:
        """The runtime ended by itself: what it had sent before is heard first."""
        self._server.drain()
        self._output.drain()
        if self._ending:
            self.end_now()
        elif self._farewell is not None:
            self._bid_farewell()
        elif os.WIFSIGNALED(status) and self._oom.happened():
            self._lifecycle.out_of_memory()
        else:
            self._lifecycle.exited(status)

    def _directory_lost(self) -> bool:
        """Whether a new runtime is needed, but the function has deleted its code: then only a new instance helps."""
        return self._lifecycle.phase not in (INIT, READY) and not self._files <= entries(
            self._function.directory
        )


def entries(directory: str) -> set[str]:
    """The names of what a directory holds; nothing if it is not there or not readable."""
    try:
        return set(os.listdir(directory))
    except OSError:
        return set()
