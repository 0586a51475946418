"""What the gateway asks of the instance: specialise, invoke, close, health.

Rule: once the instance has got its function, nobody without its token gets anything from it but its health.
"""

from __future__ import annotations

import binascii
import json
from _operator import _compare_digest

from .http import Limits, Request, head
from .lifecycle import Invocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .report import Measured

    class Instance(Protocol):
        """The side of the instance that the control API needs."""

        token: bytes | None

        def specialise(self, function: Function) -> None:
            """Become the function."""

        def invoke(self, invocation: Invocation, *, tail: bool) -> str | None:
            """Take on an invocation, or say why not."""

        def close(self) -> None:
            """Finish what runs, then end."""

        def state(self) -> str:
            """One word for people."""


PAYLOAD_LIMIT = 6 * 1024 * 1024
LIMITS = Limits(head=32 * 1024, body=PAYLOAD_LIMIT, held=512 * 1024 * 1024, connections=256)
TO_RUNTIME = (
    (b"lambda-runtime-aws-request-id", b"Lambda-Runtime-Aws-Request-Id"),
    (b"lambda-runtime-invoked-function-arn", b"Lambda-Runtime-Invoked-Function-Arn"),
    (b"lambda-runtime-trace-id", b"Lambda-Runtime-Trace-Id"),
    (b"lambda-runtime-client-context", b"Lambda-Runtime-Client-Context"),
    (b"lambda-runtime-cognito-identity", b"Lambda-Runtime-Cognito-Identity"),
)


class Function:
    """What the instance becomes. Raises KeyError, TypeError or ValueError for a body that is not one."""

    def __init__(self, body: dict[str, Any]) -> None:
        about = body["function"]
        self.token = str(body["token"]).encode("ascii")
        self.version = str(about["version"])
        self.memory_size = int(about["memorySize"])
        self.timeout = int(about["timeout"])
        self.command = [str(word) for word in body["command"]]
        self.directory = str(body["directory"])
        self.environment = {str(name): str(value) for name, value in body["environment"].items()}
        self.runtime_version = str(body["runtimeVersion"])
        self.json_log = body.get("logFormat") == "JSON"
        self.concurrency = int(body.get("maxConcurrency", 1))
        self.init_timeout = float(body.get("initTimeout", 10))
        self.enforce_memory = bool(body.get("enforceMemory", False))
        if not self.command or self.concurrency < 1 or self.timeout < 1:
            raise ValueError("command, maxConcurrency and timeout may not be empty or zero")


class ControlApi:
    """Routes the gateway's requests to the instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def handle(self, request: Request) -> None:
        """Serve one request of the gateway."""
        match request.method, request.path:
            case b"POST", b"/invoke":
                self._with_token(request, self._invoke)
            case b"POST", b"/specialise":
                self._specialise(request)
            case b"POST", b"/close":
                self._with_token(request, self._close)
            case b"GET", b"/health":
                request.respond(200, json.dumps({"state": self._instance.state()}).encode("ascii"))
            case _, (b"/invoke" | b"/specialise" | b"/close" | b"/health"):
                refuse(request, 405, "MethodNotAllowed")
            case _:
                refuse(request, 404, "NotFound")

    def _with_token(self, request: Request, serve: Serve) -> None:
        given = request.headers.get(b"authorization", b"")
        token = self._instance.token
        if token is None or not _compare_digest(given, b"Bearer " + token):
            refuse(request, 401, "Unauthorized")
        elif request.oversized:
            refuse(request, 413, "TooLarge")
        else:
            serve(request)

    def _specialise(self, request: Request) -> None:
        if self._instance.token is not None:
            refuse(request, 409, "AlreadySpecialised")
            return
        try:
            function = Function(json.loads(request.body))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            refuse(request, 400, f"InvalidFunction: {error!r}")
            return
        self._instance.specialise(function)
        request.respond(200, b"{}")

    def _invoke(self, request: Request) -> None:
        request_id = request.headers.get(b"lambda-runtime-aws-request-id", b"").decode("latin-1")
        if not request_id:
            refuse(request, 400, "MissingRequestId")
            return
        given = request.headers
        headers = tuple((name, given[key]) for key, name in TO_RUNTIME if key in given)
        headers += ((b"Lambda-Runtime-Deadline-Ms", b"0"),)
        invocation = Invocation(request_id, payload=request.body, headers=headers, caller=request)
        refusal = self._instance.invoke(invocation, tail=b"mayfly-log-tail" in given)
        if refusal is not None:
            refuse(request, 409 if refusal == "Busy" else 503, refusal)

    def _close(self, request: Request) -> None:
        request.respond(202, b"{}")
        self._instance.close()


def send_payload(request: Request, payload: bytes, *, failed: bool) -> None:
    """The head of the answer and the payload; the message ends when the instance is free."""
    headers = [
        (b"Transfer-Encoding", b"chunked"),
        (b"Mayfly-Payload-Length", b"%d" % len(payload)),
    ]
    if failed:
        headers.append((b"Mayfly-Function-Error", b"Unhandled"))
    chunk = b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""
    request.connection.send(head(200, tuple(headers)) + chunk)


def send_end(request: Request, measured: Measured, tail: bytes | None) -> None:
    """The end of the answer: the instance is free."""
    trailer = b"Mayfly-Report: " + measured.trailer() + b"\r\n"
    if tail is not None:
        trailer += b"Mayfly-Log-Tail: " + binascii.b2a_base64(tail, newline=False) + b"\r\n"
    request.connection.send(b"0\r\n" + trailer + b"\r\n")
    request.connection.next_request()


def refuse(request: Request, status: int, reason: str) -> None:
    """Answer that nothing was done, and why."""
    request.respond(status, json.dumps({"reason": reason}).encode("ascii"))


if TYPE_CHECKING:
    from collections.abc import Callable

    Serve = Callable[[Request], None]
