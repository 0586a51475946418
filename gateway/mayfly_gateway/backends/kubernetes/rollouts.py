"""How far rollouts are, in the status of Aliases: read from there, and written down there. Pure.

Rule: what another gateway has written meanwhile is overwritten by the owner, which hears of it by its watch.
"""

from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from mayfly_gateway.backends.kubernetes.objects import AliasObject
from mayfly_gateway.backends.kubernetes.scaled import read_scaled
from mayfly_gateway.rollout import Progress, Said, plan_of
from mayfly_model.function import API_VERSION
from mayfly_model.objects import as_applied
from mayfly_model.rollout import Rollout, RolloutStatus


class BrokenAliasError(ValueError):
    """The Alias asks for something that this release does not know."""


def read_said(alias: AliasObject) -> Said:
    """What an Alias says of rollouts, and how far its last one is.

    Raises:
        BrokenAliasError: its spec says something that cannot be.
    """
    try:
        plan = plan_of(None if alias.spec.rollout is None else Rollout.model_validate(alias.spec.rollout))
    except ValidationError as error:
        raise BrokenAliasError(str(error)) from error
    metadata = alias.metadata
    return Said(
        plan=plan,
        generation=metadata.generation,
        progress=_read_progress(alias),
        serves=alias.status.function_version or None,
        scaled=read_scaled(alias),
        source=metadata.name,
        uid=metadata.uid,
    )


def _read_progress(alias: AliasObject) -> Progress | None:
    if alias.status.rollout is None:
        return None
    try:
        told = RolloutStatus.model_validate(alias.status.rollout)
    except ValidationError:
        return None
    progress = Progress(
        generation=told.observed_generation,
        origin=told.from_version,
        goal=told.to_version,
        weight=told.weight,
        step=told.step,
        started_at=told.started_at.timestamp(),
        stepped_at=told.stepped_at.timestamp(),
        phase=told.phase,
        message=told.message,
    )
    return None if _overtaken(alias, progress) else progress


def _overtaken(alias: AliasObject, progress: Progress) -> bool:
    """Whether the Alias was led elsewhere without a rollout since."""
    later = alias.status.observed_generation > progress.generation
    return later and alias.status.function_version not in ("", progress.origin, progress.goal)


def applied(namespace: str, said: Said, progress: Progress | None) -> dict[str, Any]:
    """What is written down: the gateways' part of the status, of this very object."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Alias",
        "metadata": {"namespace": namespace, "name": said.source, "uid": said.uid},
        "status": {} if progress is None else {"rollout": as_applied(_status(progress))},
    }


def _status(progress: Progress) -> RolloutStatus:
    return RolloutStatus(
        observed_generation=progress.generation,
        from_version=progress.origin,
        to_version=progress.goal,
        weight=progress.weight,
        step=progress.step,
        started_at=_time(progress.started_at),
        stepped_at=_time(progress.stepped_at),
        phase=progress.phase,
        message=progress.message,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
