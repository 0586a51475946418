"""What an agent's answer to the specialise call says of the function. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from mayfly_gateway.backends import InstanceForeignError, InstanceTakenError
from mayfly_gateway.backends.kubernetes import troubles
from mayfly_gateway.backends.kubernetes.pods import Trouble
from mayfly_model.conditions import Reason

_CODE_REFUSED = 422
_TAKEN = 409
_FOREIGN = 401


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is known now: that it is well or, with a trouble, that it is not."""

    trouble: Trouble | None = None


def judge(status: int, body: bytes) -> tuple[Finding | None, Finding | None, Exception | None]:
    """What is known of the code, what of the function's INIT, and the error that stands for a refusal."""
    answer = _read(body)
    if status == 200:
        return Finding(), _init(answer), None
    reason = str(answer.get("reason", ""))
    if status == _CODE_REFUSED:
        trouble = _code(reason)
        return Finding(trouble), None, troubles.error(trouble)
    if status == _TAKEN:
        # By a former owner, at the last moment: another pod will do.
        return None, None, InstanceTakenError("another gateway has it")
    if status == _FOREIGN:
        # The installation's key has changed since the pod was made: another pod will do.
        return None, None, InstanceForeignError("it was made under another key than this gateway's")
    return None, None, None


def _init(answer: dict[str, Any]) -> Finding | None:
    if not answer.get("initError"):
        return Finding()
    told = (str(answer.get(name) or "") for name in ("initError", "initMessage"))
    return Finding(Trouble(Reason.INIT_FAILED, ": ".join(text for text in told if text)))


def _code(reason: str) -> Trouble:
    word, _, message = reason.partition(": ")
    kind = Reason.CODE_DIGEST_MISMATCH if word == Reason.CODE_DIGEST_MISMATCH else Reason.CODE_INVALID
    return Trouble(kind, message or "the code that arrived is not what its digest says")


def _read(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
