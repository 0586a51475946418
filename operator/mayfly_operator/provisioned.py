"""What becomes of the instances that versions and aliases keep initialised ahead of calls, as the operator tells it.

Rule: pure. How far a version is a gateway says; that it has failed is a cause for not being ready, by the name of what
is behind it where that has one.
"""

from typing import Any

from mayfly_model.conditions import Reason
from mayfly_operator.views import AliasView, Json, Trouble, VersionView


def of_alias(alias: AliasView, version: VersionView | None) -> Json | None:
    """What an alias tells, from what the version that it serves tells; None where it asks for none."""
    if alias.provisioned is None:
        return None
    if version is not None and version.provisioned:
        reason = f"{version.name} has provisioned concurrency of its own: only one of the two can have it"
        return _told(alias.provisioned, {}) | {"status": "FAILED", "statusReason": reason}
    told = (version.status.get("provisionedConcurrency") if version is not None else None) or {}
    if told.get("requested") == alias.provisioned:
        return dict(told)
    return _told(alias.provisioned, told)


def _told(requested: int, counts: Json) -> dict[str, Any]:
    counted = {name: counts.get(name, 0) for name in ("allocated", "available")}
    return {"requested": requested, **counted, "status": "IN_PROGRESS"}


def trouble(told: Json | None) -> Trouble | None:
    """Why provisioned instances cannot be had; None while they can, or nobody knows."""
    if told is None or told.get("status") != "FAILED":
        return None
    available, requested = told.get("available", 0), told.get("requested")
    reason = str(told.get("statusReason") or "no reason is known")
    word, _, message = reason.partition(": ")
    known = word in set(Reason)
    return Trouble(
        Reason(word) if known else Reason.PROVISIONING_FAILED,
        f"{available} of {requested} provisioned instances are ready: {message if known else reason}",
    )
