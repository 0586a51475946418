"""The calls that this gateway has taken on: counted from then on, and answered once, however they end.

Rule: a call counts as running until its payload is complete, or until somebody else has it.
"""

import asyncio
from collections.abc import Iterable

from mayfly_gateway.answers import Answer, OnAnswer
from mayfly_gateway.catalogue import Target
from mayfly_gateway.counts import Counts
from mayfly_gateway.http_errors import MisdirectedRequestException
from mayfly_gateway.invoke import Run, to_nobody
from mayfly_gateway.live import Invocation
from mayfly_gateway.request import Call
from mayfly_gateway.watching import Watching
from mayfly_model.errors import LambdaError, ServiceUnavailableException


class Calls:
    """All of them. `hand_over` takes those of functions that are another gateway's meanwhile."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self.watching = Watching()
        self.hand_over: Run = to_nobody
        self._under_way = 0
        self._stopped: asyncio.Future[None] | None = None

    def begin(self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer) -> Invocation:
        """Take a call on; `on_answer` is called once.

        Raises:
            TooManyRequestsException: a concurrency limit is reached.
            ServiceUnavailableException: the gateway is stopping; for a call that another one has sent on it is the
                MisdirectedRequestException, after which that one finds the next owner.
        """
        if self._stopped is not None:
            refused = MisdirectedRequestException if call.forwarded else ServiceUnavailableException
            raise refused("The gateway is stopping and takes no more invocations.")
        counted = self._counts.admit(target)
        self._under_way += 1
        watched = self.watching.find(target, call.reference.qualifier) if self.watching.versions else None
        return Invocation(call, payload, on_answer, counted=counted, watched=watched)

    def finish(
        self,
        invocation: Invocation,
        outcome: tuple[bytes, bool],
        *,
        version: str,
        log_tail: bytes | None = None,
    ) -> None:
        """Answer with what the function's `version`, or the platform in its place, had to say."""
        payload, function_error = outcome
        answer = Answer(payload=payload, function_error=function_error, log_tail=log_tail, version=version)
        self.answer(invocation, answer)

    def answer(self, invocation: Invocation, outcome: Answer | LambdaError) -> None:
        """Answer, unless that was done."""
        on_answer, invocation.on_answer = invocation.on_answer, None
        if on_answer is None:
            return
        self.leave(invocation)
        on_answer(outcome)
        if invocation.watched is not None:
            invocation.watched.tell(outcome)

    def fail(self, invocations: Iterable[Invocation], error: LambdaError) -> None:
        """Answer them all alike."""
        for invocation in invocations:
            self.answer(invocation, error)

    def pass_on(self, target: Target, invocation: Invocation) -> None:
        """Let another gateway have the call, which is no more counted here."""
        on_answer, invocation.on_answer = invocation.on_answer, None
        if on_answer is None:
            return
        self.leave(invocation)
        self.hand_over(target, invocation.call, invocation.payload, on_answer)

    def leave(self, invocation: Invocation) -> None:
        """Count the invocation as running no more."""
        if not invocation.running:
            return
        invocation.running = False
        self._counts.release(invocation.counted)
        self._under_way -= 1
        if self._stopped is not None and not self._under_way and not self._stopped.done():
            self._stopped.set_result(None)

    async def stop(self, grace: float) -> None:
        """Take nothing more on, and give what there is `grace` seconds to end."""
        self._stopped = asyncio.get_running_loop().create_future()
        if self._under_way:
            await asyncio.wait((self._stopped,), timeout=grace)
