"""The statuses of Versions and Functions: what is true now, and whether that is news.

Rule: pure. A status is written only when it says something else than before; a time of transition moves only with its
status. What the gateway found out is read and never written.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from mayfly_model.conditions import Condition, ConditionType, Reason, condition, find, fold
from mayfly_model.objects import as_applied
from mayfly_operator import provisioned
from mayfly_operator.resources import selector
from mayfly_operator.versions import alive_of_any_content
from mayfly_operator.views import FunctionView, Json, PodView, Trouble, VersionView

_OURS: Final = ("Ready", "InstancesAvailable")


@dataclass(frozen=True, slots=True)
class NewStatus:
    """A status to write. `urgent`: somebody may be waiting to be told."""

    fields: Json
    urgent: bool


def conditions(status: Json) -> tuple[Condition, ...]:
    """The conditions of a status; what is none is passed over."""
    found = []
    for each in status.get("conditions") or ():
        try:
            found.append(Condition.model_validate(each))
        except ValidationError:
            continue
    return tuple(found)


def version_status(
    version: VersionView,
    pods: Collection[PodView],
    trouble: Trouble | None,
    now: datetime,
    aliases: Iterable[str] = (),
) -> NewStatus | None:
    """What a Version's status must become; None if it says so already. `aliases` are those that refer to it."""
    older = conditions(version.status)
    instances = condition(
        ConditionType.INSTANCES_AVAILABLE,
        holds=trouble is None,
        reason=trouble.reason if trouble else Reason.AVAILABLE,
        message=trouble.message if trouble else "",
        now=now,
        generation=version.generation,
        revision=version.revision,
    )
    others = [each for each in older if each.type not in _OURS]
    ready = fold((*others, instances), now=now, generation=version.generation, revision=version.revision)
    failing = provisioned.trouble(version.status.get("provisionedConcurrency"))
    if ready.status == "True" and failing is not None:
        ready = ready.model_copy(
            update={"status": "False", "reason": failing.reason.value, "message": failing.message}
        )
    new = [since(each, older) for each in (ready, instances)]
    fields = {
        "observedGeneration": version.generation,
        "instances": sum(each.running_since is not None for each in alive_of_any_content(version, pods)),
        "labelSelector": selector(version),
        "aliases": sorted(aliases),
        "conditions": [as_applied(each) for each in new],
    }
    # Who deletes a version is refused by what this says of aliases.
    return news(version.status, fields, urgent=("aliases",))


def since(new: Condition, older: tuple[Condition, ...]) -> Condition:
    """A condition, with the time of transition that it has already."""
    before = next((each for each in older if each.type == new.type), None)
    return new if before is None else new.since(before)


def ready_of(version: VersionView) -> Condition | None:
    """`Ready` of a Version, if that is about what it is now."""
    ready = find(conditions(version.status), ConditionType.READY)
    return ready if ready is not None and ready.revision == version.revision else None


def function_status(
    function: FunctionView, version: VersionView | None, trouble: Trouble | None, now: datetime
) -> NewStatus | None:
    """What a Function's status must become; None if it says so already, or if nothing is known yet.

    Args:
        function: whose status.
        version: its `$LATEST`.
        trouble: why the Function cannot be acted on.
        now: the time.
    """
    ready = _function_ready(function, version, trouble, now)
    if ready is None:
        return None
    older = conditions(function.status)
    fields: dict[str, Any] = {
        "observedGeneration": function.generation,
        "instances": version.status.get("instances", 0) if version else 0,
        "conditions": [as_applied(since(ready, older))],
    }
    if version and version.status.get("lastInvocationTime"):
        fields["lastInvocationTime"] = version.status["lastInvocationTime"]
    return news(function.status, fields)


def _function_ready(
    function: FunctionView, version: VersionView | None, trouble: Trouble | None, now: datetime
) -> Condition | None:
    if trouble is not None:
        return condition(
            ConditionType.READY,
            holds=False,
            reason=trouble.reason,
            message=trouble.message,
            now=now,
            generation=function.generation,
        )
    ready = ready_of(version) if version else None
    return ready and ready.model_copy(update={"observed_generation": function.generation})


def news(
    before: Json, fields: Mapping[str, Any], optional: Iterable[str] = (), urgent: Collection[str] = ()
) -> NewStatus | None:
    """The status to write; None if `before` says all of it.

    `optional` fields are taken back when left out; somebody waits for a change of those that are `urgent`.
    """
    types = [each["type"] for each in fields["conditions"]]
    told = {each.get("type"): each for each in before.get("conditions") or ()}
    changed = [kind for kind, new in zip(types, fields["conditions"], strict=True) if told.get(kind) != new]
    plain = {key for key, value in fields.items() if key != "conditions" and before.get(key) != value}
    plain |= {key for key in optional if key in before and key not in fields}
    if not changed and not plain:
        return None
    waited_for = bool(plain.intersection(urgent))
    return NewStatus(
        fields, urgent=waited_for or any(_differs(told.get(kind), fields, kind) for kind in changed)
    )


def _differs(before: Json | None, fields: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition says something else; that it was looked at again may wait."""
    new = next(each for each in fields["conditions"] if each["type"] == kind)
    words = ("status", "reason", "message", "revision")
    return before is None or any(before.get(word) != new.get(word) for word in words)
