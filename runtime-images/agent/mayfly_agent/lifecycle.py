"""The life of an instance, decided: INIT, INVOKE and the ways in which they end. No I/O, no clock of its own.

    BARE ──specialise──▶ INIT ──first next──▶ READY ◀─▶ (invocations)
                          ▲ │ error, exit, timeout │ exit, timeout
                          │ ▼                      ▼
             invoke ── DOWN ◀────── killed ───── ENDING

Rules: an invocation is answered exactly once and finished exactly once, in that order; the runtime sees an
invocation only through a `next`; after a failure nothing of the old runtime is alive before a new one starts.
Source of the behaviour: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

from . import failures
from .failures import Failure
from .invocation import ANSWERED, DELIVERED, WAITING, Invocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Effects(Protocol):
        """What the machine makes happen; the machine is told the outcome by an event."""

        def start_runtime(self, *, inside: bool) -> str | None:
            """Start the runtime process, inside an invocation or not. Returns why it could not be started."""

        def start_init_clock(self) -> None:
            """Call `init_timed_out` when the INIT phase has lasted too long."""

        def init_ended(self, *, inside: bool, failure: Failure | None) -> None:
            """The INIT phase is over."""

        def start_clock(self, invocation: Invocation) -> None:
            """The invocation's time runs from now: call `timed_out` at its end."""

        def deliver(self, poll: object, invocation: Invocation) -> bool:
            """Answer the runtime's `next`. False if whoever asked is gone."""

        def answer(self, invocation: Invocation, payload: bytes) -> None:
            """Send the caller its payload. `invocation.error_type` is None unless the function failed."""

        def finish(self, invocation: Invocation) -> None:
            """The runtime is done with the invocation: report it and tell the caller that the instance is free."""

        def rest(self) -> None:
            """The runtime waits and there is nothing to do."""

        def kill(self, done: Callable[[], None], *, gently: bool) -> None:
            """End the runtime and all that it started, then call `done`, but not from within this call.

            `gently`: the runtime is about to end by itself and gets a moment to.
            """

        def shut_down(self) -> None:
            """The instance has been closed and nothing runs any more. May be said more than once."""


BARE, INIT, READY, ENDING, DOWN = "Bare", "Initialising", "Ready", "Ending", "Down"


class Lifecycle:
    """The machine. Events are its public methods; see `Effects` for what it does in return."""

    def __init__(self, effects: Effects, *, timeout: int, concurrency: int) -> None:
        self._effects = effects
        self._timeout = timeout
        self._concurrency = concurrency
        self._polls: list[object] = []
        self._init_failure: Failure | None = None
        self._init_inside = False
        self._was_ready = False
        self._over: list[str] = []
        self.phase = BARE
        self.closing = False
        self.active: dict[str, Invocation] = {}

    @property
    def running(self) -> list[str]:
        """The request ids whose time runs: to them output belongs."""
        return [request_id for request_id, invocation in self.active.items() if invocation.started]

    # Events from the gateway.

    def specialise(self) -> None:
        """The instance has got its function: initialise at once."""
        self._begin_init(inside=False)

    def refusal(self, request_id: str) -> str | None:
        """Why an invocation could not be taken on now, None if it could."""
        if self.closing or self.phase == BARE:
            return "Closing" if self.closing else "Bare"
        return "Busy" if len(self.active) >= self._concurrency or request_id in self.active else None

    def invoke(self, invocation: Invocation) -> None:
        """Take on an invocation that `refusal` has nothing against."""
        self.active[invocation.request_id] = invocation
        if self._init_failure is not None:
            failure, self._init_failure = self._init_failure, None
            self._fail(invocation, failure)
            self._finish(invocation)
        elif self.phase == READY:
            self._pump()
        elif self.phase == DOWN:
            self._begin_init(inside=True)
        elif self.phase == INIT and self._init_inside:
            self._start_clock(invocation)

    def close(self) -> None:
        """Take no more on; shut down once nothing runs."""
        self.closing = True
        self._shut_down_if_over()

    # Events from the runtime.

    def next(self, poll: object) -> bool:
        """The runtime asks for its next invocation. False if it is not in a state to be answered any more."""
        if self.phase == INIT:
            self.phase = READY
            self._was_ready = True
            self._effects.init_ended(inside=self._init_inside, failure=None)
        if self.phase != READY:
            return False
        if self._concurrency == 1 and not self._settle(poll):
            return True
        self._polls.append(poll)
        self._pump()
        if not self.active:
            self._effects.rest()
        return True

    def poll_gone(self, poll: object) -> None:
        """The connection of a `next` is gone."""
        if poll in self._polls:
            self._polls.remove(poll)

    def respond(self, request_id: str, payload: bytes) -> int:
        """A response. Returns the HTTP status: 202; 400 unknown request id; 403 responded already."""
        return self._settle_with(request_id, payload, None)

    def fail(self, request_id: str, payload: bytes, error_type: str) -> int:
        """An error. Returns the HTTP status as `respond` does."""
        return self._settle_with(request_id, payload, Failure(error_type, payload))

    def respond_too_large(self, request_id: str) -> int:
        """A response past the size limit. Returns 413, or what `respond` would."""
        failure = failures.response_too_large()
        status = self._settle_with(request_id, failure.payload, failure)
        return 413 if status == 202 else status

    def init_error(self, payload: bytes, error_type: str) -> int:
        """The runtime could not initialise. Returns 202, or 403 outside of INIT."""
        if self.phase != INIT:
            return 403
        self._init_failed(Failure(error_type, payload), gently=True)
        return 202

    # Events from the supervisor and the clocks.

    def exited(self, status: int) -> None:
        """The runtime process ended by itself, with a status as `os.waitpid` gives it."""
        self._broke(failures.exit_error(status))

    def out_of_memory(self) -> None:
        """The tree holds more memory than the function has, or the kernel killed for that reason."""
        self._broke(failures.out_of_memory())

    def init_timed_out(self) -> None:
        """INIT outside of an invocation took too long: it is tried once more inside the first invocation."""
        if self.phase == INIT and not self._init_inside:
            self._effects.init_ended(inside=False, failure=failures.init_timeout())
            self._end()

    def timed_out(self, invocation: Invocation) -> None:
        """The invocation's time is over."""
        if self.active.get(invocation.request_id) is not invocation:
            return
        if self.phase == ENDING and invocation.state == ANSWERED:
            # It has failed for another reason, and the end of the tree takes its time.
            return
        invocation.status = "timeout"
        failure = failures.timeout(self._timeout)
        if invocation.state != ANSWERED:
            self._fail(invocation, failure)
        if self.phase == INIT:
            self._init_over(failure)
        for other in self._in_state(DELIVERED):
            self._fail(other, failures.killed())
        self._end()

    # What follows.

    def _begin_init(self, *, inside: bool) -> None:
        self.phase = INIT
        self._init_inside = inside
        if inside:
            for invocation in self._in_state(WAITING):
                self._start_clock(invocation)
        else:
            self._effects.start_init_clock()
        problem = self._effects.start_runtime(inside=inside)
        if problem is not None:
            self._init_failed(failures.invalid_entrypoint(problem))

    def _init_failed(self, failure: Failure, *, gently: bool = False) -> None:
        self._init_over(failure)
        waiting = self._in_state(WAITING)
        for invocation in waiting:
            self._fail(invocation, failure)
        if not waiting:
            self._init_failure = failure
        self._end(gently=gently)

    def _init_over(self, failure: Failure) -> None:
        self._effects.init_ended(inside=self._init_inside, failure=failure)
        # It could initialise once, so the instance has lost something since: only a fresh one helps.
        self.closing = self.closing or self._was_ready

    def _broke(self, failure: Failure) -> None:
        if self.phase == INIT:
            self._init_failed(failure)
        elif self.phase == READY:
            for invocation in self._in_state(DELIVERED):
                self._fail(invocation, failure)
            self._end()

    def _settle(self, poll: object) -> bool:
        """Whether a `next` is for a new invocation: the one before is over, or is handed out again."""
        for invocation in list(self.active.values()):
            if invocation.state == DELIVERED:
                self._effects.deliver(poll, invocation)
                return False
            if invocation.state == ANSWERED:
                self._finish(invocation)
        return not self.closing or bool(self.active)

    def _settle_with(self, request_id: str, payload: bytes, failure: Failure | None) -> int:
        invocation = self.active.get(request_id)
        if invocation is None or invocation.state != DELIVERED:
            over = request_id in self._over if invocation is None else invocation.state == ANSWERED
            return 403 if over else 400
        if failure is not None:
            self._fail(invocation, failure)
        else:
            invocation.state = ANSWERED
            self._effects.answer(invocation, payload)
        if self._concurrency > 1:
            self._over = [*self._over[1 - self._concurrency :], request_id]
            self._finish(invocation)
        return 202

    def _fail(self, invocation: Invocation, failure: Failure) -> None:
        self._start_clock(invocation)
        invocation.state = ANSWERED
        invocation.error_type = failure.error_type
        if invocation.status == "success":
            invocation.status = "error"
        self._effects.answer(invocation, failure.payload_for(invocation.request_id))

    def _finish(self, invocation: Invocation) -> None:
        # Still active meanwhile: its last output belongs to it.
        self._effects.finish(invocation)
        del self.active[invocation.request_id]
        self._shut_down_if_over()

    def _pump(self) -> None:
        """Hand out what waits. Its time runs even if the runtime does not ask: it may never do so again."""
        for invocation in self._in_state(WAITING):
            self._start_clock(invocation)
            while self._polls and invocation.state == WAITING:
                if self._effects.deliver(self._polls.pop(0), invocation):
                    invocation.state = DELIVERED

    def _start_clock(self, invocation: Invocation) -> None:
        if not invocation.started:
            # In this order: what was written before now is not the invocation's.
            self._effects.start_clock(invocation)
            invocation.started = True

    def _end(self, *, gently: bool = False) -> None:
        if self.phase != ENDING:
            self.phase = ENDING
            self._polls.clear()
            self._effects.kill(self._killed, gently=gently)

    def _killed(self) -> None:
        self.phase = DOWN
        for invocation in self._in_state(ANSWERED):
            self._finish(invocation)
        if self._in_state(WAITING):
            self._begin_init(inside=True)
        else:
            self._shut_down_if_over()

    def _shut_down_if_over(self) -> None:
        if self.closing and not self.active and self.phase != ENDING:
            self._effects.shut_down()

    def _in_state(self, state: str) -> list[Invocation]:
        return [invocation for invocation in self.active.values() if invocation.state == state]
