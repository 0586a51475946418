"""`State` and `LastUpdateStatus` of functions and versions, from the conditions of the objects. Pure.

Rule: a function that answers calls is Active. Failed is what stays so until somebody changes something; what passes by
itself, or is the function's own error in its INIT, is an error of calls and no state.
"""

from dataclasses import dataclass
from typing import Final

from mayfly_gateway.lambda_api.registry import Stored
from mayfly_model.conditions import Condition, Conditions, ConditionType, Reason, find
from mayfly_model.function import Function
from mayfly_model.version import Version

_CODES: Final[dict[str, str]] = {
    Reason.INVALID_SPEC: "InvalidConfiguration",
    Reason.FUNCTION_NAME_CONFLICT: "InvalidConfiguration",
    Reason.RUNTIME_NOT_FOUND: "InvalidRuntime",
    Reason.CODE_NOT_FOUND: "InvalidZipFileException",
    Reason.CODE_DIGEST_MISMATCH: "InvalidZipFileException",
    Reason.CODE_INVALID: "InvalidZipFileException",
    Reason.CONFIG_MAP_NOT_FOUND: "InvalidConfiguration",
    Reason.ENVIRONMENT_NOT_FOUND: "InvalidConfiguration",
    Reason.SERVICE_ACCOUNT_NOT_FOUND: "InsufficientRolePermissions",
    Reason.IMAGE_PULL_FAILED: "InvalidImage",
    Reason.POD_FORBIDDEN: "InvalidConfiguration",
    Reason.VERSION_CHANGED: "InvalidConfiguration",
}
"""The reasons that are a failed state, by AWS's code for it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A value of `State` or of `LastUpdateStatus`, and why if it is no good one."""

    word: str
    reason: str | None = None
    code: str | None = None

    def members(self, name: str) -> dict[str, str]:
        """As members of a configuration, `name` being `State` or `LastUpdateStatus`."""
        given = {name: self.word, f"{name}Reason": self.reason, f"{name}ReasonCode": self.code}
        return {member: value for member, value in given.items() if value is not None}


ACTIVE: Final = Outcome("Active")
CREATING: Final = Outcome("Pending", "The function is being created.", "Creating")
SUCCESSFUL: Final = Outcome("Successful")
IN_PROGRESS: Final = Outcome("InProgress")


def state(version: Stored[Version] | None) -> Outcome:
    """`State` of a version; None for a `$LATEST` that does not exist yet."""
    if version is None:
        return CREATING
    failed = _failed(version.item.status.conditions)
    return ACTIVE if failed is None else _outcome(failed)


def latest_state(function: Stored[Function], version: Stored[Version] | None) -> Outcome:
    """`State` of a function: a change that failed leaves the one before it in place."""
    trouble = own_trouble(function)
    return _outcome(trouble) if version is None and trouble is not None else state(version)


def update_status(function: Stored[Function]) -> Outcome:
    """`LastUpdateStatus` of a function."""
    if not is_settled(function):
        return IN_PROGRESS
    failed = _failed(function.item.status.conditions)
    return SUCCESSFUL if failed is None else _outcome(failed)


def is_settled(function: Stored[Function]) -> bool:
    """Whether what the Function says now has become its `$LATEST`, or is known not to."""
    return function.item.status.observed_generation == function.generation


def own_trouble(function: Stored[Function]) -> Condition | None:
    """Why a Function does not become its `$LATEST`; None if it does."""
    ready = find(function.item.status.conditions, ConditionType.READY)
    # What is said of a content is said of a `$LATEST` that there is.
    failed = ready is not None and ready.status == "False" and ready.revision is None
    return ready if failed else None


def _failed(conditions: Conditions) -> Condition | None:
    ready = find(conditions, ConditionType.READY)
    lasting = ready is not None and ready.status == "False" and ready.reason in _CODES
    return ready if lasting else None


def _outcome(failed: Condition) -> Outcome:
    message = f"{failed.reason}: {failed.message}" if failed.message else failed.reason
    return Outcome("Failed", message, _CODES.get(failed.reason, "InternalError"))
