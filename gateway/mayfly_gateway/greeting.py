"""What is said to an agent before it gets calls: the connection, its function, and the question what it is."""

import asyncio
import json
import logging
import socket
from collections.abc import Callable

from mayfly_gateway import agent_calls
from mayfly_gateway.backends import Instance
from mayfly_gateway.catalogue import PROVISIONED
from mayfly_gateway.live import LiveInstance
from mayfly_gateway.upstream import AgentConnection
from mayfly_model.errors import LambdaError, ServiceException

_OK, _UNKNOWN_TO_US, _SUPERSEDED = 200, 401, 409
_AGAIN = 0.05
_BARE = "Bare"

Epoch = Callable[[], int | None]
"""The epoch under which this gateway counts the instance's function now; None where it counts nothing exactly."""

_log = logging.getLogger(__name__)


async def connect(instance: Instance, connection: AgentConnection, sock: socket.socket | None = None) -> None:
    """Open a connection to the instance's agent, on a socket that is connected already if there is one."""
    loop = asyncio.get_running_loop()
    if sock is not None:
        await loop.create_connection(lambda: connection, sock=sock)
    elif isinstance(instance.address, str):
        await loop.create_unix_connection(lambda: connection, instance.address)
    else:
        await loop.create_connection(lambda: connection, *instance.address)


async def specialise(connection: AgentConnection, instance: Instance) -> str | None:
    """Make the instance the function's, and wait until its INIT is over; returns how that failed, if it did.

    Raises:
        ConnectionAbortedError: the connection was lost.
        LambdaError: the agent refused, or what the backend makes of its answer.
    """
    status, content = await ask(connection, instance.specialise, instance.code)
    if status == 0:
        raise ConnectionAbortedError("its agent ended")
    if instance.on_specialised is not None:
        instance.on_specialised(status, content)
    if status != 200:
        raise start_failed(f"its agent answered {status} {content[:200].decode(errors='replace')}")
    return _word(content, "initMessage") or _word(content, "initError") or None


async def ask(connection: AgentConnection, request: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of the agent's answer; status 0 if the connection was lost instead."""
    reply: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def on_reply(status: int, content: bytes) -> None:
        if not reply.done():
            reply.set_result((status, content))

    if not connection.control(request, on_reply, body):
        raise ConnectionAbortedError("its agent closed the connection")
    return await reply


async def identity(live: LiveInstance, epoch: Epoch) -> tuple[int, bytes]:
    """An agent's answer to who it is: 200, 401 if it is nobody's yet, or another status if it is of no use.

    It is asked again where `epoch()` has changed meanwhile, and where it knows of a higher one, until that changes.
    """
    while True:
        asked_under = epoch()
        status, content = await _identity(live, asked_under)
        if status == _SUPERSEDED:
            await asyncio.sleep(_AGAIN)
        elif status != _OK or epoch() in (asked_under, None):
            return status, content


async def _identity(live: LiveInstance, epoch: int | None) -> tuple[int, bytes]:
    status, content = await ask(live.connection, agent_calls.adopt(live.token, epoch))
    if status != _UNKNOWN_TO_US:
        return status, content
    _, told = await ask(live.connection, agent_calls.HEALTH)
    if _word(told, "state") == _BARE:
        return status, content
    # Another gateway may have made it the function's just now: then it knows the word by which we all are known.
    status, content = await ask(live.connection, agent_calls.adopt(live.token, epoch))
    if status == _UNKNOWN_TO_US:
        _log.warning("the instance %s was specialised under another key than this gateway's", live.id)
        return 0, b""
    return status, content


def revision(content: bytes) -> str:
    """What an agent that was adopted is of; what is no revision of ours is retired like any other that is old."""
    return _word(content, "revision")


def was_provisioned(content: bytes) -> bool:
    """Whether an agent that was adopted says that its instance was initialised ahead of calls."""
    return _word(content, "initialization") == PROVISIONED


def runs(content: bytes) -> bool:
    """Whether an agent that was closed says that it runs something first."""
    return bool(_said(content, "running"))


def _word(content: bytes, name: str) -> str:
    word = _said(content, name)
    return word if isinstance(word, str) else ""


def _said(content: bytes, name: str) -> object:
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    return answer.get(name) if isinstance(answer, dict) else None


def start_failed(reason: str) -> LambdaError:
    """The answer to calls that waited for an instance which could not start."""
    return ServiceException(f"An instance of the function could not be started: {reason}.")
