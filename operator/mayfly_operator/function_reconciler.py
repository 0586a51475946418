"""Brings a Function's `$LATEST` and its status to what the Function asks for.

Rule: one path for a new, a changed and a resumed Function, and for one whose ConfigMap or rival changed; what is as it
should be costs no request.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from mayfly_model.conditions import ConditionType, Reason, find
from mayfly_model.keyed_values import BrokenValueError, read_values
from mayfly_model.labels import latest_version_name
from mayfly_model.objects import RefusedError
from mayfly_operator import functions, resources, statuses
from mayfly_operator.apply import RefusedByServerError
from mayfly_operator.network_policies import NetworkPolicies
from mayfly_operator.publisher import Publisher
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.views import FunctionView, Key, Trouble, VersionView, digest

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A ConfigMap's code as it was taken over, so that it is not read again while nothing changed."""

    generation: int
    config_map: str
    wanted: str


class FunctionReconciler:
    """Works on Functions, one at a time each."""

    def __init__(self, around: Surroundings, *, policies: NetworkPolicies, publisher: Publisher) -> None:
        self._around = around
        self._policies = policies
        self._publisher = publisher
        self._config_maps: dict[Key, _Seen] = {}
        # What the API server made of a digest, where it filled in something of its own.
        self._same: dict[Key, tuple[str, str]] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Work on a Function; in how many seconds to look again."""
        function = self._around.cache.functions.get(key)
        if function is None or function.deleting:
            self._config_maps.pop(key, None)
            self._same.pop(key, None)
            return None
        trouble = self._conflict(function) or function.refused
        if trouble is None:
            await self._policies.ensure(function.namespace)
            trouble = await self._ensure_latest(function)
        if trouble is not None:
            await self._give_up_name(function)
        # First, for what cannot be published must not keep people from being told the rest.
        await self._report(key, trouble)
        again = await self._publisher.next_step(function) if trouble is None else None
        return self._around.settings.config_map_interval if function.config_map and again is None else again

    def _conflict(self, function: FunctionView) -> Trouble | None:
        winner = functions.rival(
            function, self._around.cache.claimants(function.namespace, function.lambda_name)
        )
        return functions.conflict(function, winner) if winner else None

    def _latest(self, function: FunctionView) -> VersionView | None:
        return self._around.cache.versions.get((function.namespace, latest_version_name(function.name)))

    async def _ensure_latest(self, function: FunctionView) -> Trouble | None:
        """Apply its `$LATEST` unless that is there; why it cannot be, if it cannot."""
        try:
            if function.config_map is not None:
                await self._from_config_map(function, function.config_map)
            elif not functions.is_settled(function, self._latest(function), self._known(function)):
                await self._from_itself(function)
        except RefusedError as error:
            return Trouble(error.reason, error.message)
        except RefusedByServerError as error:
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                return Trouble(Reason.INVALID_SPEC, error.message)
            raise
        return None

    def _known(self, function: FunctionView) -> str | None:
        wanted, same = self._same.get(function.key, ("", ""))
        return same if wanted == function.wanted else None

    async def _from_itself(self, function: FunctionView) -> None:
        item = await self._around.cluster.get("functions", function.key)
        if item is not None and item["metadata"]["uid"] == function.uid:
            self._around.intake.function(item)
            await self._apply(function, functions.version_spec(item))

    async def _from_config_map(self, function: FunctionView, name: str) -> None:
        config_map = await self._around.cluster.get("configmaps", (function.namespace, name))
        if config_map is None:
            raise RefusedError(Reason.CONFIG_MAP_NOT_FOUND, f"ConfigMap {name} does not exist")
        state = config_map["metadata"]["uid"] + config_map["metadata"]["resourceVersion"]
        seen, latest = self._config_maps.get(function.key), self._latest(function)
        same = seen is not None and (seen.generation, seen.config_map) == (function.generation, state)
        if same and seen and latest and (latest.digest, latest.owner) == (seen.wanted, function.uid):
            return
        item = await self._around.cluster.get("functions", function.key)
        if item is None or item["metadata"]["uid"] != function.uid:
            return
        try:
            values = read_values("ConfigMap", config_map)
        except BrokenValueError as error:
            raise RefusedError(Reason.CODE_INVALID, f"ConfigMap {name}: {error.message}") from None
        applied = await self._apply(function, functions.version_spec(item, values))
        self._config_maps[function.key] = _Seen(item["metadata"].get("generation", 0), state, applied)

    async def _apply(self, function: FunctionView, spec: dict[str, Any]) -> str:
        """Apply its `$LATEST`; returns the digest of what the API server made of it."""
        answer = await self._around.cluster.apply("versions", resources.version(function, spec))
        self._around.intake.version(answer)
        wanted, same = digest(spec), digest(answer.get("spec") or {})
        self._same[function.key] = wanted, same
        _log.info("%s/%s: $LATEST is %s", function.namespace, function.name, spec["revision"][:8])
        return same

    async def _give_up_name(self, function: FunctionView) -> None:
        """End its old `$LATEST` where the name by which that is called belongs to another Function now."""
        latest = self._latest(function)
        if latest is None or latest.lambda_name is None or latest.owner != function.uid:
            return
        others = self._around.cache.claimants(function.namespace, latest.lambda_name)
        if any(each.key != function.key for each in others):
            await self._around.cluster.delete("versions", latest)

    async def _report(self, key: Key, trouble: Trouble | None) -> None:
        function = self._around.cache.functions.get(key)
        if function is None:
            return
        now = self._around.clock()
        new = statuses.function_status(
            function, self._latest(function), trouble, datetime.fromtimestamp(now, UTC)
        )
        if new is None:
            return
        try:
            answer = await self._around.cluster.apply(
                "functions", resources.status(function, "Function", new.fields), "status"
            )
        except RefusedByServerError as error:
            if error.is_another:
                return
            raise
        self._around.intake.function(answer)
        await self._tell(function, new, now)

    async def _tell(self, function: FunctionView, new: statuses.NewStatus, now: float) -> None:
        """An Event where `Ready` turned, or fails for another cause than before."""
        before = find(statuses.conditions(function.status), ConditionType.READY)
        ready = new.fields["conditions"][0]
        is_well = ready["status"] == "True"
        if is_well and (before is None or before.status == "True"):
            return
        if before is not None and (before.status, before.reason) == (ready["status"], ready["reason"]):
            return
        message = ready.get("message") or "The function answers again."
        await self._around.events.tell(
            function, warning=not is_well, reason=ready["reason"], message=message, now=now
        )
