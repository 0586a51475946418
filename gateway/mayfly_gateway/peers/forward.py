"""Runs a call where its function's owner is: here, or in another gateway.

Rules: a call is forwarded once; a gateway that is asked for a function that it does not own, or has not heard of, says
so, and nothing of the call has happened. Only such a call, or one that could not be delivered, is tried again, until
the replicas agree.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from mayfly_gateway.answers import OnAnswer, Reply
from mayfly_gateway.catalogue import Target
from mayfly_gateway.http_errors import MisdirectedRequestException
from mayfly_gateway.invoke import Run
from mayfly_gateway.peers.connection import PeerConnection
from mayfly_gateway.peers.links import Links
from mayfly_gateway.peers.ownership import Ownership, Peer
from mayfly_gateway.peers.request import forwarded_head
from mayfly_gateway.request import Call
from mayfly_model.errors import (
    LambdaError,
    ServiceException,
    ServiceUnavailableException,
    function_not_found,
)
from mayfly_model.names import LATEST

_PAUSE = 0.02
"""Seconds between two attempts to find the owner."""


class _Forwarded:
    """A call on its way to its owner. `undelivered_until`: by then it must have been delivered to one.

    A gateway that had it for a while before it gave it back was its owner; that time does not count.
    """

    __slots__ = ("call", "on_answer", "payload", "target", "undelivered_until")

    def __init__(
        self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer, undelivered_until: float
    ) -> None:
        self.target = target
        self.call = call
        self.payload = payload
        self.on_answer = on_answer
        self.undelivered_until = undelivered_until


class Forwarder:
    """The way to a function's owner."""

    def __init__(
        self,
        *,
        ownership: Ownership,
        token: str,
        run: Run,
        exists: Callable[[Call], bool] = lambda _: True,
        agreement_time: float = 10.0,
    ) -> None:
        """`run` is the dispatcher's; `token` is known to the gateways alone; `exists` asks this one's own catalogue.

        `agreement_time`: seconds that the replicas may take to agree on an owner who can be reached.
        """
        self._loop = asyncio.get_running_loop()
        self._ownership = ownership
        self._token = token
        self._run = run
        self._exists = exists
        self._agreement_time = agreement_time
        self._links = Links()
        self._opening: set[asyncio.Task[None]] = set()
        self._carrying: set[PeerConnection] = set()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        ownership.on_change(lambda: self._links.keep_only(ownership.peers))

    def invoke(self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer) -> None:
        """Run the function where its owner is; `on_answer` is called once, however it ends.

        Raises:
            LambdaError: what the owner here refuses, and 421 for a forwarded call of a function that it does not own.
        """
        owner = self._ownership.owner(target.function)
        if owner is None:
            self._run(target, call, payload, on_answer)
        elif call.forwarded:
            raise MisdirectedRequestException("Another gateway owns the function.")
        else:
            self.forward(target, call, payload, on_answer)

    def hand_over(self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer) -> None:
        """As `invoke`, and what that refuses is the answer: the call was taken on before."""
        try:
            self.invoke(target, call, payload, on_answer)
        except LambdaError as error:
            on_answer(error)

    def forward(self, target: Target, call: Call, payload: bytes, on_answer: OnAnswer) -> None:
        """Have the owner run it, whoever that is by the time it gets there."""
        self._under_way += 1
        self._idle.clear()
        until = self._loop.time() + self._agreement_time
        self._try(_Forwarded(target, call, payload, on_answer, until))

    async def finish(self, patience: float) -> None:
        """Wait at most `patience` seconds for the calls that others are running, then give up on the rest."""
        try:
            async with asyncio.timeout(patience):
                await self._idle.wait()
        except TimeoutError:
            pass
        for task in self._opening:
            task.cancel()
        for connection in tuple(self._carrying):
            connection.close()
        self._links.keep_only(())

    def _try(self, forwarded: _Forwarded) -> None:
        owner = self._ownership.owner(forwarded.target.function)
        if owner is None:
            self._run_here(forwarded)
        elif (connection := self._links.take(owner)) is not None:
            self._send(forwarded, owner, connection)
        else:
            task = self._loop.create_task(self._open(forwarded, owner))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _run_here(self, forwarded: _Forwarded) -> None:
        """Run it: this gateway has become the owner meanwhile."""
        self._left()
        try:
            self._run(forwarded.target, forwarded.call, forwarded.payload, forwarded.on_answer)
        except LambdaError as error:
            forwarded.on_answer(error)

    async def _open(self, forwarded: _Forwarded, owner: Peer) -> None:
        try:
            connection = await self._links.open(owner)
        except OSError:
            self._ownership.suspect(owner)
            self._again(forwarded)
        except asyncio.CancelledError:
            self._answer(forwarded, _stopping())
            raise
        else:
            self._send(forwarded, owner, connection)

    def _send(self, forwarded: _Forwarded, owner: Peer, connection: PeerConnection) -> None:
        head = forwarded_head(
            forwarded.call, host=owner.address, token=self._token, size=len(forwarded.payload)
        )
        self._carrying.add(connection)
        sent = self._loop.time()

        def on_reply(reply: Reply | None) -> None:
            self._carrying.discard(connection)
            if reply is None:
                self._lost(forwarded, owner)
                return
            self._links.give_back(owner, connection)
            if reply.status == HTTPStatus.MISDIRECTED_REQUEST:
                forwarded.undelivered_until += self._loop.time() - sent
                self._again(forwarded)
            else:
                self._answer(forwarded, reply)

        connection.request(head, forwarded.payload, on_reply)

    def _again(self, forwarded: _Forwarded) -> None:
        if not self._exists(forwarded.call):
            qualifier = forwarded.call.reference.qualifier or LATEST
            self._answer(forwarded, function_not_found(forwarded.target.called(qualifier)))
        elif self._loop.time() > forwarded.undelivered_until:
            error = ServiceUnavailableException("No gateway that owns the function could be reached.")
            self._answer(forwarded, error)
        else:
            self._loop.call_later(_PAUSE, self._try, forwarded)

    def _lost(self, forwarded: _Forwarded, owner: Peer) -> None:
        """It may have run: it is the caller who knows whether it may run twice."""
        self._ownership.suspect(owner)
        self._answer(
            forwarded, ServiceException("The gateway that ran the invocation ended before it answered.")
        )

    def _answer(self, forwarded: _Forwarded, outcome: LambdaError | Reply) -> None:
        self._left()
        forwarded.on_answer(outcome)

    def _left(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()


def _stopping() -> LambdaError:
    return ServiceUnavailableException("The gateway is stopping and takes no more invocations.")
