"""What the gateway asks of the instance: specialise, invoke, close, health.

Rule: once the instance has got its function, nobody without its token gets anything from it but its health.
"""

from __future__ import annotations

import binascii
import json
import re
from _operator import _compare_digest

from .http import Limits, Request, head
from .invocation import Invocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .failures import Failure
    from .report import Measured

    class Instance(Protocol):
        """The side of the instance that the control API needs."""

        token: bytes | None

        def specialise(self, function: Function, ready: Callable[[Failure | None], None]) -> None:
            """Become the function; `ready` is called once its INIT is over, with the failure if it failed."""

        def invoke(self, invocation: Invocation, *, tail: bool) -> str | None:
            """Take on an invocation, or say why not."""

        def close(self) -> None:
            """Finish what runs, then end."""

        def running(self) -> int:
            """How many invocations it has."""

        def initialization(self) -> str:
            """How it was initialised, as its function is told."""

        def state(self) -> str:
            """One word for people."""

        def when_free(self, done: Callable[[Function | None], None]) -> None:
            """Call back with the function once nothing runs, with None if it closes."""

    class Signed(Protocol):
        """The way in for those who must hold a permit."""

        def admit(self, request: Request) -> int:
            """How many bytes of body the call may bring."""

        def serve(self, request: Request) -> None:
            """Serve it."""


PAYLOAD_LIMIT = 6 * 1024 * 1024
SPECIALISE_LIMIT = 1024 * 1024
CONNECTIONS = 256
STRANGERS = 64
REQUEST_ID = re.compile(rb"[A-Za-z0-9-]{1,64}")
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST = 86_400
"""Seconds: more than any timeout may be, and few enough for any clock."""
TRACE = (b"lambda-runtime-trace-id", b"Lambda-Runtime-Trace-Id")
TO_RUNTIME = (
    (b"lambda-runtime-aws-request-id", b"Lambda-Runtime-Aws-Request-Id"),
    (b"lambda-runtime-invoked-function-arn", b"Lambda-Runtime-Invoked-Function-Arn"),
    TRACE,
    (b"lambda-runtime-client-context", b"Lambda-Runtime-Client-Context"),
    (b"lambda-runtime-cognito-identity", b"Lambda-Runtime-Cognito-Identity"),
)


class Function:
    """What the instance becomes, from a body that may be anything.

    Raises KeyError, TypeError, ValueError or AttributeError where it is not what it should be.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        about = body["function"]
        self.token = text(body["token"]).encode("ascii")
        self.revision = text(body.get("revision", ""))
        self.version_name = text(body.get("versionName", ""))
        self.version = text(about["version"])
        self.memory_size = int(number(about["memorySize"], 1, 2**32))
        self.timeout = int(number(about["timeout"], 1, LONGEST))
        self.command = [text(word) for word in body["command"]]
        self.directory = text(body["directory"])
        self.code = None if body.get("code") is None else CodePackage(body["code"])
        self.environment = {text(name): text(value) for name, value in body["environment"].items()}
        self.runtime_version = text(body["runtimeVersion"])
        self.json_log = body.get("logFormat") == "JSON"
        self.concurrency = int(number(body.get("maxConcurrency", 1), 1, 1000))
        self.init_timeout = number(body.get("initTimeout", 10), 0, LONGEST)
        self.enforce_memory = body.get("enforceMemory") is True
        if not self.token or not isinstance(body["command"], list) or not all(self.command[:1] or [""]):
            raise ValueError("token and command may not be empty")
        if any("=" in name or not name for name in self.environment):
            raise ValueError("the name of a variable may not be empty or hold '='")


class CodePackage:
    """What follows the instruction: `format` "zip" or "files" (JSON of a text by each path), and its SHA-256."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.format = text(body["format"])
        self.sha256 = text(body["sha256"])
        if self.format not in ("zip", "files") or not SHA256.fullmatch(self.sha256):
            raise ValueError("the code should have the format zip or files, and a SHA-256 in hexadecimal")


def text(value: object) -> str:
    """A string that the system takes as a path, an argument or a variable."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{value!r:.80} should be a text without NUL")
    value.encode("utf-8")
    return value


def number(value: object, least: int, most: int) -> float:
    """A number within these bounds, which no infinity and no NaN is."""
    if not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{value!r:.80} should be a number from {least} to {most}")
    return value


class ControlApi:
    """Routes the gateway's requests to the instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._signed: Signed | None = None
        self._epoch = 0

    def demand_permit(self, signed: Signed) -> None:
        """From now on only a signed call can specialise."""
        self._signed = signed

    def limits(self) -> Limits:
        """What is taken in: of a body not one byte from those who have no business here."""
        return Limits(
            head=32 * 1024,
            held=512 * 1024 * 1024,
            connections=CONNECTIONS,
            strangers=STRANGERS,
            admit=self._admit,
        )

    def _admit(self, request: Request) -> int:
        if request.path == b"/specialise":
            if self._signed is not None:
                return self._signed.admit(request)
            return SPECIALISE_LIMIT if self._instance.token is None else 0
        return PAYLOAD_LIMIT if self._trusts(request) else 0

    def _trusts(self, request: Request) -> bool:
        token = self._instance.token
        given = request.headers.get(b"authorization", b"")
        trusted = token is not None and _compare_digest(given, b"Bearer " + token)
        if trusted:
            request.connection.trust()
        return trusted

    def handle(self, request: Request) -> None:
        """Serve one request of the gateway."""
        match request.method, request.path:
            case b"POST", b"/invoke":
                self._with_token(request, self._invoke)
            case b"POST", b"/specialise":
                self._specialise(request)
            case b"POST", b"/close":
                self._with_token(request, self._close)
            case b"POST", b"/adopt":
                self._with_token(request, self._adopt)
            case b"GET", b"/health":
                request.respond(200, json.dumps({"state": self._instance.state()}).encode("ascii"))
            case _, (b"/invoke" | b"/specialise" | b"/adopt" | b"/close" | b"/health"):
                refuse(request, 405, "MethodNotAllowed")
            case _:
                refuse(request, 404, "NotFound")

    def _with_token(self, request: Request, serve: Serve) -> None:
        if not self._trusts(request):
            refuse(request, 401, "Unauthorized")
        elif request.oversized:
            refuse(request, 413, "TooLarge")
        else:
            serve(request)

    def _specialise(self, request: Request) -> None:
        if self._signed is not None:
            self._signed.serve(request)
            return
        if self._instance.token is not None:
            refuse(request, 409, "AlreadySpecialised")
            return
        if request.oversized:
            refuse(request, 413, "TooLarge")
            return
        try:
            function = Function(json.loads(request.body))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            refuse(request, 400, f"InvalidFunction: {error!r}")
            return
        request.connection.trust()
        # Answered only then: until the runtime can take it, an invocation is better served by another instance.
        self._instance.specialise(function, lambda failure: initialised(request, failure))

    def _invoke(self, request: Request) -> None:
        given = request.headers
        request_id = given.get(b"lambda-runtime-aws-request-id", b"")
        if not REQUEST_ID.fullmatch(request_id):
            refuse(request, 400, "InvalidRequestId")
            return
        if not self._is_latest(request):
            refuse(request, 409, "Superseded")
            return
        # The trace header is there also when it is empty; without the others the clients know what to do.
        headers = tuple([(name, given[key]) for key, name in TO_RUNTIME if given.get(key)])
        if not given.get(TRACE[0]):
            headers += ((TRACE[1], b""),)
        invocation = Invocation(
            request_id.decode("ascii"), payload=request.body, headers=headers, caller=request
        )
        refusal = self._instance.invoke(invocation, tail=b"mayfly-log-tail" in given)
        if refusal is not None:
            refuse(request, 409 if refusal == "Busy" else 503, refusal)

    def _is_latest(self, request: Request) -> bool:
        """Whether no gateway that counts the function exactly has taken over from the one that calls."""
        epoch = request.headers.get(b"mayfly-epoch")
        if epoch is None:
            return True
        if not epoch.isdigit() or len(epoch) > 20 or int(epoch) < self._epoch:
            return False
        self._epoch = int(epoch)
        return True

    def _adopt(self, request: Request) -> None:
        """Tell a new owner what this instance is, at a moment when nobody else's invocation runs.

        From now on none of an earlier owner's begins, where the new one says under which epoch it counts.
        """
        if not self._is_latest(request):
            refuse(request, 409, "Superseded")
            return

        def free(function: Function | None) -> None:
            if function is None:
                refuse(request, 503, "Closing")
            else:
                told = {"revision": function.revision, "versionName": function.version_name}
                told["initialization"] = self._instance.initialization()
                request.respond(200, json.dumps(told).encode("ascii"))

        self._instance.when_free(free)

    def _close(self, request: Request) -> None:
        """Say how much it runs, too: who closes it may not know of another gateway's invocation."""
        request.respond(202, json.dumps({"running": self._instance.running()}).encode("ascii"))
        self._instance.close()


def initialised(request: Request, failure: Failure | None) -> None:
    """Answer `/specialise`: INIT is over, well or with this failure."""
    told = {} if failure is None else {"initError": failure.error_type, "initMessage": failure.told()}
    request.respond(200, json.dumps(told).encode("ascii"))


def send_payload(request: Request, payload: bytes, *, failed: bool) -> None:
    """The head of the answer and the payload; the message ends when the instance is free."""
    failure = ((b"Mayfly-Function-Error", b"Unhandled"),) if failed else ()
    length = (b"Mayfly-Payload-Length", b"%d" % len(payload))
    parts = [head(200, ((b"Transfer-Encoding", b"chunked"), length, *failure))]
    if payload:
        parts += [b"%x\r\n" % len(payload), payload, b"\r\n"]
    request.connection.send(b"".join(parts))


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
