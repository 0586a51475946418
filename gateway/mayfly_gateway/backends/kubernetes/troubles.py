"""Why a function cannot start, for its callers: from a reason to the error that AWS's clients know. Pure."""

from mayfly_gateway.backends.kubernetes.objects import Condition, VersionObject
from mayfly_gateway.backends.kubernetes.pods import Trouble
from mayfly_model.conditions import ConditionType, Reason
from mayfly_model.errors import (
    InvalidRuntimeException,
    InvalidZipFileException,
    LambdaError,
    ResourceNotReadyException,
)

_CODE = (Reason.CODE_NOT_FOUND, Reason.CODE_DIGEST_MISMATCH, Reason.CODE_INVALID)
_OURS = (*_CODE, Reason.INIT_FAILED, Reason.PROVISIONING_FAILED)
"""Found by the gateway itself, which tries again at the next call."""


def error(trouble: Trouble) -> LambdaError:
    """The answer to a call that waited for such an instance."""
    return error_for(trouble.reason, trouble.message)


def error_for(reason: str, message: str) -> LambdaError:
    """The answer for a condition's reason and message."""
    text = f"{reason}: {message}" if message else str(reason)
    if reason in _CODE:
        return InvalidZipFileException(text)
    if reason == Reason.RUNTIME_NOT_FOUND:
        return InvalidRuntimeException(text)
    return ResourceNotReadyException(text)


def blocking(version: VersionObject) -> Condition | None:
    """The operator's condition that says that no instance of the Version's present content can start, if one does."""
    found = {each.type: each for each in version.status.conditions or ()}
    for kind in (ConditionType.INSTANCES_AVAILABLE, ConditionType.READY):
        each = found.get(kind)
        if each is None or each.status != "False" or each.reason in _OURS:
            continue
        if each.revision in (None, version.spec.revision):
            return each
    return None
