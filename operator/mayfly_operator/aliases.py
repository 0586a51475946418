"""What to do for an Alias: which versions calls by it reach, and why not those that it names.

Rule: pure. An alias that names a version which does not exist goes on with what it served before. Where it is rolled
out, a gateway says what it serves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mayfly_model import objects
from mayfly_model.conditions import ConditionType, Reason, condition, find
from mayfly_model.labels import version_name
from mayfly_model.objects import RefusedError, as_applied
from mayfly_model.rollout import RolloutPhase, RolloutStatus
from mayfly_operator import provisioned, rollouts
from mayfly_operator.statuses import NewStatus, conditions, news, since
from mayfly_operator.views import (
    AliasView,
    FunctionView,
    Json,
    Trouble,
    VersionView,
    function_owner,
    identity,
)


@dataclass(frozen=True, slots=True)
class Serving:
    """What calls by an alias reach: a version, and with some weight another one. No version: nothing was ever there."""

    function_version: str | None = None
    additional_version: str | None = None
    weight: float = 0.0

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions, as Lambda names them."""
        return tuple(each for each in (self.function_version, self.additional_version) if each)

    def told(self) -> str:
        """In words: `version 3, 10 % of them to version 4`."""
        if self.additional_version is None:
            return f"version {self.function_version}"
        share = f"{self.weight * 100:g} %"
        return f"version {self.function_version}, {share} of them to version {self.additional_version}"


def read(item: Json) -> AliasView:
    """An Alias as the API gives it."""
    spec, metadata = item.get("spec") or {}, item["metadata"]
    routing = spec.get("routing") or {}
    refused = None
    try:
        objects.read_alias(item)
    except RefusedError as error:
        refused = Trouble(error.reason, error.message)
    named = (spec.get("functionVersion"), routing.get("additionalVersion"))
    return AliasView(
        **identity(item),
        generation=metadata.get("generation", 0),
        function=spec.get("functionName", ""),
        owner=function_owner(item),
        alias=metadata["name"].partition(".")[2],
        versions=tuple(str(each) for each in named if each),
        weight=routing.get("weight") or 0.0,
        provisioned=_wanted(spec, item.get("status") or {}),
        scaled=_scaled(spec, item.get("status") or {}),
        gradual=spec.get("rollout") is not None,
        rollout=rollouts.read((item.get("status") or {}).get("rollout")),
        refused=refused,
        status=item.get("status") or {},
    )


def _scaled(spec: Json, status: Json) -> str | None:
    """Why a gateway keeps as many instances as it does, where clock and load say how many."""
    if spec.get("provisionedConcurrencyScaling") is None:
        return None
    return (status.get("provisionedConcurrencyScaling") or {}).get("message")


def _wanted(spec: Json, status: Json) -> int | None:
    """How many instances are to be kept initialised now; None for none."""
    number: int | None = spec.get("provisionedConcurrentExecutions")
    if spec.get("provisionedConcurrencyScaling") is None:
        return number
    told = status.get("provisionedConcurrencyScaling") or {}
    return told.get("requested", number) or None


def served(alias: AliasView) -> Serving:
    """What its status says it serves."""
    routing = alias.status.get("routing") or {}
    return Serving(
        alias.status.get("functionVersion"), routing.get("additionalVersion"), routing.get("weight") or 0.0
    )


def refers_to(alias: AliasView) -> frozenset[str]:
    """The versions that must not go: those that it names, and those that it serves meanwhile."""
    return frozenset((*alias.versions, *served(alias).versions, *rollouts.refers_to(alias)))


def trouble(alias: AliasView, function: FunctionView | None, exists: Callable[[str], bool]) -> Trouble | None:
    """Why it does not serve what it names; `exists` tells of a version, named as Lambda does, whether it is there."""
    if alias.refused is not None:
        return alias.refused
    if function is None:
        return Trouble(Reason.FUNCTION_NOT_FOUND, f"Function {alias.function} does not exist.")
    missing = [each for each in alias.versions if not exists(each)]
    if not missing:
        return None
    which = " and ".join(version_name(alias.function, each) for each in missing)
    lacks = "does not exist" if len(missing) == 1 else "do not exist"
    return Trouble(Reason.VERSION_NOT_FOUND, f"{which} {lacks}: {_meanwhile(alias, exists)}.")


def _meanwhile(alias: AliasView, exists: Callable[[str], bool]) -> str:
    before = served(alias)
    if before.function_version is None or not all(exists(each) for each in before.versions):
        return "calls are refused"
    return f"calls go to {before.told()} as before"


def serving(alias: AliasView, found: Trouble | None) -> Serving:
    """What it serves now."""
    before = served(alias)
    if found is not None:
        return before
    rollout = rollouts.current(alias)
    if rollout is not None:
        return _rolled(rollout)
    if rollouts.is_awaited(alias, before.function_version):
        return before
    if len(alias.versions) == 1:
        return Serving(alias.versions[0])
    return Serving(alias.versions[0], alias.versions[1], alias.weight)


def _rolled(rollout: RolloutStatus) -> Serving:
    if rollout.phase is RolloutPhase.COMPLETED:
        return Serving(rollout.to_version)
    if rollout.phase is RolloutPhase.ROLLED_BACK:
        return Serving(rollout.from_version)
    return Serving(rollout.from_version, rollout.to_version, rollout.weight)


def status(
    alias: AliasView, found: Trouble | None, now: datetime, *, version: VersionView | None = None
) -> NewStatus | None:
    """What its status must become; None if it says so already. `version`: the one that it serves."""
    instances = provisioned.of_alias(alias, version if found is None else None)
    wrong = found or provisioned.trouble(instances)
    ready = condition(
        ConditionType.READY,
        holds=wrong is None,
        reason=wrong.reason if wrong else Reason.AVAILABLE,
        message=wrong.message if wrong else "",
        now=now,
        generation=alias.generation,
    )
    new = serving(alias, found)
    progressing = rollouts.progressing(alias, found, served(alias).function_version, now)
    told = [ready] if progressing is None else [ready, progressing]
    older = conditions(alias.status)
    fields: dict[str, Any] = {
        "observedGeneration": alias.generation,
        "conditions": [as_applied(since(each, older)) for each in told],
    }
    if new.function_version is not None:
        fields["functionVersion"] = new.function_version
    if new.additional_version is not None:
        fields["routing"] = {"additionalVersion": new.additional_version, "weight": new.weight}
    if instances is not None:
        fields["provisionedConcurrency"] = instances
    return news(alias.status, fields, optional=("functionVersion", "routing", "provisionedConcurrency"))


def rescaled(alias: AliasView) -> str | None:
    """What to say where clock and load have changed how many instances are kept since the status told it."""
    before = (alias.status.get("provisionedConcurrency") or {}).get("requested")
    if alias.scaled is None or before == alias.provisioned:
        return None
    return (
        f"Instances kept initialised: {alias.provisioned or 0}, before: {before or 0}. {alias.scaled}".strip()
    )


def moved(before: Serving, now: Serving) -> str:
    """In words, that calls reach something else than before."""
    if before.function_version is None:
        return f"Calls go to {now.told()}."
    if now == Serving(before.function_version):
        other = f"{before.weight * 100:g} % of them went to version {before.additional_version} before"
        return f"All calls go to {now.told()} again; {other}."
    return f"Calls go to {now.told()}, and went to {before.told()} before."


def is_told(alias: AliasView, found: Trouble) -> bool:
    """Whether its status says this trouble already."""
    before = find(conditions(alias.status), ConditionType.READY)
    return before is not None and (before.reason, before.message) == (found.reason, found.message)
