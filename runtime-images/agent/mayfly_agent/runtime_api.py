"""The Lambda Runtime API, 2018-06-01: what the runtime asks, turned into events of the lifecycle.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

from . import failures
from .http import Limits, Request
from .invocation import Invocation
from .lifecycle import Lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Serve = Callable[[Request], None]

HEAD_LIMIT = 1280 * 1024
"""A head may carry an X-Ray cause of up to 1 MiB."""
CONNECTIONS = 256
SPARE_BODIES = 8
PREFIX = b"/2018-06-01/runtime/"
ERROR_TYPE = b"lambda-runtime-function-error-type"


def limits(*, concurrency: int) -> Limits:
    """What is taken in: all responses at once, and a few bodies that are none."""
    held = (concurrency + SPARE_BODIES) * failures.RESPONSE_LIMIT
    connections = max(CONNECTIONS, 2 * concurrency)
    return Limits(
        head=HEAD_LIMIT, held=held, connections=connections, admit=lambda _: failures.RESPONSE_LIMIT
    )


class RuntimeApi:
    """Routes the runtime's requests; a waiting `next` is the unanswered request itself."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def handle(self, request: Request) -> None:
        """Serve one request of the runtime."""
        if not request.path.startswith(PREFIX):
            refuse(request, 404, "NotFound")
            return
        match request.path.removeprefix(PREFIX).split(b"/"):
            case [b"invocation", b"next"]:
                self._when(request, b"GET", self._next)
            case [b"invocation", request_id, b"response"]:
                self._when(request, b"POST", lambda call: self._response(call, request_id.decode("latin-1")))
            case [b"invocation", request_id, b"error"]:
                self._when(request, b"POST", lambda call: self._error(call, request_id.decode("latin-1")))
            case [b"init", b"error"]:
                self._when(request, b"POST", self._init_error)
            case _:
                refuse(request, 404, "NotFound")

    @staticmethod
    def _when(request: Request, method: bytes, serve: Serve) -> None:
        if request.method == method:
            serve(request)
        else:
            refuse(request, 405, "MethodNotAllowed")

    def _next(self, request: Request) -> None:
        request.connection.on_close = lambda: self._lifecycle.poll_gone(request)
        if not self._lifecycle.next(request):
            request.connection.close()

    def _response(self, request: Request, request_id: str) -> None:
        if request.oversized:
            status = self._lifecycle.respond_too_large(request_id)
        else:
            status = self._lifecycle.respond(request_id, request.body)
        answer(request, status)

    def _error(self, request: Request, request_id: str) -> None:
        if request.oversized:
            status = self._lifecycle.respond_too_large(request_id)
        else:
            error_type = failures.reported_type(request.headers.get(ERROR_TYPE))
            status = self._lifecycle.fail(request_id, request.body, error_type)
        answer(request, status)

    def _init_error(self, request: Request) -> None:
        error_type = failures.reported_type(request.headers.get(ERROR_TYPE))
        payload = failures.response_too_large().payload if request.oversized else request.body
        answer(request, self._lifecycle.init_error(payload, error_type))


def deliver(poll: Request, invocation: Invocation) -> bool:
    """Answer a `next` with an invocation. False if whoever asked is gone."""
    if not poll.connection.alive():
        return False
    poll.connection.on_close = None
    poll.respond(200, invocation.payload, invocation.headers)
    return True


def answer(request: Request, status: int) -> None:
    """Answer a response or an error with the status that the lifecycle gave."""
    if status == 202:
        request.respond(202, b'{"status":"OK"}')
    else:
        types = {400: "InvalidRequestID", 403: "InvalidStateTransition", 413: "RequestEntityTooLarge"}
        refuse(request, status, types[status])


def refuse(request: Request, status: int, error_type: str) -> None:
    """Answer with an error in the Runtime API's form."""
    request.respond(status, b'{"errorMessage":"%s","errorType":"%s"}' % ((error_type.encode("ascii"),) * 2))
