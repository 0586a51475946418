"""Whether what a Version names is there, before anybody calls it, and what was found to be missing once.

Rule: what was found stays until something disproves it: a pod that is there, a pod that runs, or another look. Of a
Secret only an instance can tell, since nothing here may read one. A pod is asked for on trial: nothing is created.
"""

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from mayfly_model.conditions import ConditionType, Reason, find
from mayfly_model.labels import pod_name
from mayfly_operator import pod_manifests
from mayfly_operator.apply import RefusedByServerError
from mayfly_operator.refusals import refusal
from mayfly_operator.statuses import conditions
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.versions import alive, runnable
from mayfly_operator.views import Key, PodView, Shape, Trouble, VersionView

AGAIN_AFTER: Final = 30.0
"""Seconds after which what was missing is looked for again."""
_BEFORE_A_POD: Final = frozenset(
    {Reason.SERVICE_ACCOUNT_NOT_FOUND, Reason.QUOTA_EXCEEDED, Reason.POD_FORBIDDEN}
)
"""Disproved by any pod."""
_IN_A_POD: Final = frozenset({Reason.ENVIRONMENT_NOT_FOUND, Reason.IMAGE_PULL_FAILED, Reason.UNSCHEDULABLE})
"""Disproved by a pod that runs."""


def told(version: VersionView) -> Trouble | None:
    """What its status says of why its present content cannot run."""
    found = find(conditions(version.status), ConditionType.INSTANCES_AVAILABLE)
    if found is None or found.status != "False" or found.revision != version.revision:
        return None
    lasting = _BEFORE_A_POD | _IN_A_POD
    return Trouble(Reason(found.reason), found.message) if found.reason in lasting else None


def is_judged(version: VersionView) -> bool:
    """Whether its status says anything of its present content."""
    found = find(conditions(version.status), ConditionType.INSTANCES_AVAILABLE)
    return found is not None and found.revision == version.revision


def lasting(trouble: Trouble | None, version: VersionView, pods: Collection[PodView]) -> Trouble | None:
    """A trouble of the past, if no pod disproves it."""
    current = alive(version, pods)
    if trouble is None or any(each.running_since is not None for each in current):
        return None
    return None if current and trouble.reason in _BEFORE_A_POD else trouble


def outlives_a_look(trouble: Trouble | None, shape: Shape) -> bool:
    """Whether a look that finds nothing missing is no answer to it."""
    if trouble is None or trouble.reason in _BEFORE_A_POD:
        return False
    return trouble.reason is not Reason.ENVIRONMENT_NOT_FOUND or bool(shape.secrets)


@dataclass(frozen=True, slots=True)
class _Look:
    revision: str | None
    trouble: Trouble | None
    at: float


class References:
    """Remembers what was looked at."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._looks: dict[Key, _Look] = {}

    def forget(self, key: Key) -> None:
        """The Version is no more."""
        self._looks.pop(key, None)

    async def trouble(
        self, version: VersionView, pods: Collection[PodView]
    ) -> tuple[Trouble | None, float | None]:
        """Why no instance could run, while none says so itself, and in how many seconds to look again."""
        last, now = self._looks.get(version.key), self._around.clock()
        if last is not None and last.revision != version.revision:
            last = None
        found = lasting(told(version) or (last.trouble if last else None), version, pods)
        if found is None and (last is not None or is_judged(version)):
            return None, None
        if last is None or now - last.at >= AGAIN_AFTER:
            found = await self._look(version, found)
            last = self._looks[version.key] = _Look(version.revision, found, now)
        return found, None if found is None else last.at + AGAIN_AFTER - now

    async def _look(self, version: VersionView, before: Trouble | None) -> Trouble | None:
        shape = version.shape
        if shape is None or runnable(version, self._around.settings.runtimes) is not None:
            return None
        missing = await self._missing_config_map(version, shape)
        if missing is not None:
            return missing
        if shape.service_account or (before is not None and before.reason in _BEFORE_A_POD):
            refused = await self._trial(version, shape, before)
            if refused is not None:
                return refused
        return before if outlives_a_look(before, shape) else None

    async def _missing_config_map(self, version: VersionView, shape: Shape) -> Trouble | None:
        for name in shape.config_maps:
            try:
                found = await self._around.cluster.get("configmaps", (version.namespace, name), brief=True)
            except RefusedByServerError:
                # An administrator lets it read none: an instance will tell.
                return None
            if found is None:
                return Trouble(Reason.ENVIRONMENT_NOT_FOUND, f'configmap "{name}" not found')
        return None

    async def _trial(self, version: VersionView, shape: Shape, before: Trouble | None) -> Trouble | None:
        """What the API server would say to a pod of this Version now."""
        runtime = self._around.settings.runtimes[shape.runtime or ""]
        name = pod_name(version.name, version.revision or "", 0)
        manifest = pod_manifests.pod(name, version, shape, runtime, self._around.settings)
        try:
            await self._around.cluster.create("pods", manifest, on_trial=True)
        except RefusedByServerError as error:
            if error.reason == "AlreadyExists":
                return None
            # A webhook that takes no trials refuses them so.
            found = refusal(error) if error.status == HTTPStatus.FORBIDDEN else before
            full = found is not None and found.reason is Reason.QUOTA_EXCEEDED
            # What others use of a quota now says nothing of the calls to come.
            return None if full and before is None else found
        return None
