"""How a bare instance in a pod becomes a function's: a signed call that brings the code.

Rule: the head of the call says who calls and for which body, so of a body that nobody here signed not one byte is kept.
An instance is claimed once; one whose code cannot be used ends, for it could serve nobody.
"""

from __future__ import annotations

import json
import time
from _operator import _compare_digest

from .control import Function, initialised, refuse
from .http import Request
from .permits import Permits
from .spool import Spool
from .unpacking import Unpacker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .instance import Instance

INSTRUCTION_LIMIT = 2 * 1024 * 1024
BODY_LIMIT = 64 * 1024 * 1024 + INSTRUCTION_LIMIT
BODIES = 4
"""Bodies that come in at once: two gateways may want the same instance, and a call whose end is lost is made again."""
INVALID_FUNCTION = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
CODE_REFUSED = 65
"""The agent's exit status (EX_DATAERR of sysexits.h) when the code was not what it should be."""


class SignedSpecialise:
    """`POST /specialise` where the caller must hold a permit. `inherited`: variables from Secrets and ConfigMaps."""

    def __init__(
        self, instance: Instance, permits: Permits, unpacker: Unpacker, *, inherited: dict[str, str]
    ) -> None:
        self._instance = instance
        self._permits = permits
        self._unpacker = unpacker
        self._inherited = inherited
        self._spools: set[Spool] = set()

    def admit(self, request: Request) -> int:
        """How many bytes of body the call may bring, as its head tells."""
        answer = self._refusal(request)
        if isinstance(answer, Spool):
            self._spools.add(answer)
            request.connection.trust()
            request.sink = answer
            return BODY_LIMIT
        request.refusal = answer
        return 0

    def _refusal(self, request: Request) -> Spool | tuple[int, str]:
        digest = self._permits.body_digest(request.headers.get(b"authorization", b""), time.time())
        length = request.headers.get(b"mayfly-instruction-length")
        self._spools = {spool for spool in self._spools if not spool.closed}
        if digest is None:
            return 401, "Unauthorized"
        if self._instance.token is not None:
            return 409, "AlreadySpecialised"
        if length is not None and not (length.isdigit() and 0 < int(length[:9]) <= INSTRUCTION_LIMIT):
            return 400, f"InvalidInstructionLength: should be from 1 to {INSTRUCTION_LIMIT}"
        if len(self._spools) >= BODIES:
            return 503, "Busy"
        return Spool(
            instruction_length=None if length is None else int(length),
            digest=digest,
            instruction_limit=INSTRUCTION_LIMIT,
        )

    def serve(self, request: Request) -> None:
        """Serve a call whose body is whole, or of which none is wanted."""
        spool = request.sink
        if request.refusal is not None:
            refuse(request, *request.refusal)
        elif spool is None or request.oversized:
            refuse(request, 413, "TooLarge")
        elif spool.problem is not None:
            self._end(request, spool, f"CodeInvalid: it cannot be stored: {spool.problem}")
        elif not spool.complete():
            spool.close()
            refuse(
                request, 400, "InvalidFunction: the body is shorter than its instruction, or it is too long"
            )
        elif (found := spool.digests()) is not None:
            self._hashed(request, spool, found)
        else:
            self._unpacker.digest(spool, lambda found: self._hashed(request, spool, found))

    def _hashed(self, request: Request, spool: Spool, found: dict[str, Any]) -> None:
        refusal = self._wrong_body(spool, found)
        if refusal is not None:
            spool.close()
            refuse(request, *refusal)
            return
        try:
            body = json.loads(spool.instruction)
            function = Function({**body, "environment": self._environment(body)})
        except INVALID_FUNCTION as error:
            spool.close()
            refuse(request, 400, f"InvalidFunction: {error!r}")
            return
        if function.code is None:
            self._instance.claim(function)
            self._start(request)
            spool.close()
        elif not _compare_digest(function.code.sha256, found["code"]):
            self._end(request, spool, "CodeDigestMismatch")
        else:
            self._instance.claim(function)
            kind, directory = function.code.format, function.directory
            self._unpacker.unpack(
                spool, kind, directory, lambda outcome: self._unpacked(request, spool, outcome)
            )

    def _wrong_body(self, spool: Spool, found: dict[str, Any]) -> tuple[int, str] | None:
        if self._instance.token is not None:
            return 409, "AlreadySpecialised"
        if "problem" in found:
            return 503, f"Closing: {found['problem']}"
        return None if _compare_digest(found["whole"], spool.digest) else (401, "Unauthorized")

    def _environment(self, body: Any) -> dict[str, Any]:
        """The more particular wins: what every function has, Secrets and ConfigMaps, what the gateway sets."""
        return {**body.get("defaultEnvironment", {}), **self._inherited, **body["environment"]}

    def _unpacked(self, request: Request, spool: Spool, outcome: dict[str, Any]) -> None:
        if "problem" in outcome:
            self._end(request, spool, f"CodeInvalid: {outcome['problem']}")
            return
        self._start(request)
        # While the runtime begins.
        spool.close()

    def _start(self, request: Request) -> None:
        self._instance.start(lambda failure: initialised(request, failure))
        self._unpacker.close()

    def _end(self, request: Request, spool: Spool, reason: str) -> None:
        spool.close()
        refuse(request, 422, reason)
        self._instance.give_up(reason, CODE_REFUSED)
