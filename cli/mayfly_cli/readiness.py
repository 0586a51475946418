"""Whether a Function, a Version or an Alias is ready, read from the object that the cluster has.

Rule: pure. A condition counts only for the generation that it was found for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mayfly_model.conditions import ConditionType, Reason

FINAL: Final = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.FUNCTION_NAME_CONFLICT,
        Reason.RUNTIME_NOT_FOUND,
        Reason.CODE_INVALID,
        Reason.CODE_DIGEST_MISMATCH,
        Reason.VERSION_NUMBER_USED,
        Reason.VERSION_CHANGED,
    }
)
"""Reasons that do not pass while one waits: somebody must change something."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`final`: it will not get better by itself."""

    ready: bool
    reason: str
    message: str

    @property
    def final(self) -> bool:
        """Whether waiting helps no more."""
        return not self.ready and self.reason in FINAL


def readiness(found: Mapping[str, Any] | None) -> Readiness:
    """How an object is doing; None is one that is not there."""
    if found is None:
        return Readiness(False, "NotFound", "somebody has deleted it")
    conditions = (found.get("status") or {}).get("conditions") or ()
    ready = next((each for each in conditions if each["type"] == ConditionType.READY), None)
    if ready is None or ready.get("observedGeneration") != found["metadata"]["generation"]:
        return Readiness(False, "NotReconciled", "the operator has not looked at it yet: does it run?")
    coming = _provisioning(found) if ready["status"] == "True" else None
    return coming or Readiness(ready["status"] == "True", ready["reason"], ready.get("message", ""))


def _provisioning(found: Mapping[str, Any]) -> Readiness | None:
    """How its provisioned instances are doing while some are missing; None where none are wanted either."""
    told = (found.get("status") or {}).get("provisionedConcurrency") or {}
    spec = found.get("spec") or {}
    scaled = spec.get("provisionedConcurrencyScaling") is not None
    wanted = told.get("requested") if scaled else spec.get("provisionedConcurrentExecutions")
    if wanted is None or (told.get("requested") == wanted and told.get("status") == "READY"):
        return None
    there = told.get("available", 0) if told.get("requested") == wanted else 0
    return Readiness(False, "Provisioning", f"{there} of {wanted} provisioned instances are ready")
