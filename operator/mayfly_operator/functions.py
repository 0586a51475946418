"""What to do for a Function: which `$LATEST` it asks for, and who has a Lambda name that two ask for.

Rule: pure. A Function that cannot be acted on keeps the `$LATEST` that it had, unless the name under which that is
called has meanwhile become somebody else's.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from mayfly_model.conditions import Reason
from mayfly_model.labels import latest_version_name
from mayfly_model.objects import RefusedError, read_function
from mayfly_model.publishing import applied, latest_version
from mayfly_operator.views import FunctionView, Json, Trouble, VersionView, digest, identity


def read(item: Json) -> FunctionView:
    """A Function as the API gives it, with the digest of what it asks for."""
    spec, metadata = item.get("spec") or {}, item["metadata"]
    config_map = ((spec.get("code") or {}).get("configMap") or {}).get("name")
    wanted, refused = None, None
    try:
        if config_map is None:
            wanted = digest(version_spec(item))
    except RefusedError as error:
        refused = Trouble(error.reason, error.message)
    return FunctionView(
        **identity(item),
        generation=metadata.get("generation", 0),
        created=metadata.get("creationTimestamp") or "",
        lambda_name=spec.get("functionName") or metadata["name"],
        config_map=config_map,
        wanted=wanted,
        refused=refused,
        publish_on_change=spec.get("publish") == "OnChange",
        last=(item.get("status") or {}).get("lastPublishedVersion") or 0,
        status=item.get("status") or {},
    )


def version_spec(item: Json, config_map: Mapping[str, bytes] | None = None) -> dict[str, Any]:
    """Spec of the `$LATEST` that a Function asks for, as it is applied.

    Args:
        item: the Function as the API gives it.
        config_map: the values of the ConfigMap that has its code, if one has.

    Raises:
        RefusedError: the Function, or the ConfigMap, says something that cannot be.
    """
    return applied(latest_version(read_function(item, runtimes=None), config_map))


def rival(function: FunctionView, claimants: Iterable[FunctionView]) -> FunctionView | None:
    """The Function that has the Lambda name instead of this one: the oldest of all that claim it."""
    oldest = min((*claimants, function), key=_age)
    return None if oldest.key == function.key else oldest


def conflict(function: FunctionView, winner: FunctionView) -> Trouble:
    """What a Function is told whose Lambda name is another's."""
    return Trouble(
        Reason.FUNCTION_NAME_CONFLICT,
        f"The Lambda name {function.lambda_name} belongs to the older Function {winner.name}:"
        f" set another spec.functionName, or delete one of the two.",
    )


def _age(function: FunctionView) -> tuple[str, str]:
    return function.created, function.name


def is_settled(function: FunctionView, version: VersionView | None, same: str | None) -> bool:
    """Whether its `$LATEST` is what it asks for.

    Args:
        function: one whose code is in no ConfigMap.
        version: its `$LATEST`, if there is one.
        same: the digest that the API server made of `function.wanted`, where that is known to differ.
    """
    if version is None or version.owner != function.uid or version.deleting:
        return False
    return version.digest in (function.wanted, same)


def is_latest(version: VersionView) -> bool:
    """Whether the operator makes this Version out of a Function."""
    return version.name == latest_version_name(version.function)
