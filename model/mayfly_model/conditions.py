"""Conditions: what is the matter with a Function or a Version, and why.

Rule: a condition says what is, never what somebody is about to do; its reason names the cause in one word that
people can look up. `lastTransitionTime` moves only when the status does. At zero instances a function is ready.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from mayfly_model import limits
from mayfly_model.part import Observed, text, whole_number

MESSAGE_LENGTH: Final = 4096
Status = Literal["True", "False", "Unknown"]


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    """Whether calls are answered; the operator's. On Functions and Versions it is folded from the others."""
    INSTANCES_AVAILABLE = "InstancesAvailable"
    """Whether pods can run; the operator's, on Versions."""
    CODE_AVAILABLE = "CodeAvailable"
    """Whether the code was found and is what its digest says; the gateway's, on Versions."""
    INITIALIZED = "Initialized"
    """Whether the last INIT went well; the gateway's, on Versions."""
    PROGRESSING = "Progressing"
    """Whether an alias is on its way from one version to another; the operator's, from what the gateway does."""


class Reason(StrEnum):
    """Why a condition has its status."""

    AVAILABLE = "Available"
    """Nothing is wrong; at zero instances too."""
    INVALID_SPEC = "InvalidSpec"
    """The object says something that cannot be."""
    FUNCTION_NAME_CONFLICT = "FunctionNameConflict"
    """An older Function of the namespace has the Lambda name."""
    RUNTIME_NOT_FOUND = "RuntimeNotFound"
    """The runtime is not in this installation's list."""
    CODE_NOT_FOUND = "CodeNotFound"
    """The archive was not uploaded, or its address does not answer."""
    CODE_DIGEST_MISMATCH = "CodeDigestMismatch"
    """The code is another than its digest says."""
    CODE_INVALID = "CodeInvalid"
    """The code cannot be unpacked, or is too large."""
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    """The ConfigMap that holds the code does not exist."""
    ENVIRONMENT_NOT_FOUND = "EnvironmentNotFound"
    """A Secret or ConfigMap of the environment does not exist."""
    SERVICE_ACCOUNT_NOT_FOUND = "ServiceAccountNotFound"
    """The execution role does not exist."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """The container image cannot be pulled."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """The namespace's ResourceQuota has no room for another instance."""
    UNSCHEDULABLE = "Unschedulable"
    """No node has room for another instance."""
    POD_FORBIDDEN = "PodForbidden"
    """An admission rule of the cluster refuses the instance's pod."""
    INSTANCES_CRASHING = "InstancesCrashing"
    """Instances end again and again before they are of use."""
    INIT_FAILED = "InitFailed"
    """The function's own code failed while it was loaded."""
    PROVISIONING_FAILED = "ProvisioningFailed"
    """Instances that are to be kept initialised ahead of calls cannot be had; calls may be answered without."""
    FUNCTION_NOT_FOUND = "FunctionNotFound"
    """The Function of a version or an alias does not exist."""
    VERSION_NOT_FOUND = "VersionNotFound"
    """An alias names a version that does not exist."""
    VERSION_NUMBER_USED = "VersionNumberUsed"
    """The number, or a higher one, was published before; numbers are never given twice."""
    VERSION_CHANGED = "VersionChanged"
    """A published version's configuration is no longer the one that was published: it is not used."""
    ROLLING_OUT = "RollingOut"
    """A rollout goes on, or is about to begin."""
    COMPLETED = "Completed"
    """A rollout has ended well: all calls go to the new version."""
    ROLLED_BACK = "RolledBack"
    """The new version was not good enough for the rollout's alarm: all calls go to the old one."""


class Condition(Observed):
    """One aspect of the object's state."""

    type: Annotated[str, text("a condition's type", pattern=r"^[A-Za-z]+$", most=316)]
    """What the condition is about; `Ready` comes first."""
    status: Status
    """Whether it holds: True, False or Unknown."""
    observed_generation: Annotated[int | None, whole_number(0, limits.GENERATION_MAX)] = None
    """Generation of the object that the condition was found for."""
    revision: Annotated[str | None, text("64 hex digits", pattern=r"^[0-9a-f]{64}$", most=64)] = None
    """Content (`spec.revision` of the Version) that the condition is about; any content when absent."""
    last_transition_time: datetime
    """When the status changed last."""
    reason: Annotated[str, text("one word", pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", most=1024)]
    """Why the condition has its status, in one word."""
    message: Annotated[str, text("any text", least=0, most=MESSAGE_LENGTH)] = ""
    """The same for people, with what to do about it."""

    def since(self, older: "Condition") -> "Condition":
        """The condition with the older one's time of transition, if there was no transition."""
        if older.status != self.status:
            return self
        return self.model_copy(update={"last_transition_time": older.last_transition_time})


_ON_THE_WAY: Final = (
    ConditionType.CODE_AVAILABLE,
    ConditionType.INSTANCES_AVAILABLE,
    ConditionType.INITIALIZED,
)

Conditions = Annotated[tuple[Condition, ...], Field(max_length=16)]


def condition(
    kind: ConditionType,
    *,
    holds: bool | None,
    reason: Reason,
    message: str = "",
    now: datetime,
    generation: int | None = None,
    revision: str | None = None,
) -> Condition:
    """A condition as it is found now; `holds` is `None` where nobody can tell. A message too long is cut."""
    status: Status = "Unknown" if holds is None else "True" if holds else "False"
    return Condition(
        type=kind.value,
        status=status,
        observed_generation=generation,
        revision=revision,
        last_transition_time=now.astimezone(UTC).replace(microsecond=0),
        reason=reason.value,
        message=message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…",
    )


def find(conditions: Iterable[Condition], kind: ConditionType) -> Condition | None:
    """The condition of this type."""
    return next((each for each in conditions if each.type == kind), None)


def with_condition(conditions: Iterable[Condition], new: Condition) -> tuple[Condition, ...]:
    """The conditions with this one in the place of the one of its type, `Ready` first.

    It keeps the older time of transition if its status is the older one's.
    """
    found = tuple(conditions)
    kept = [new.since(each) if each.type == new.type else each for each in found]
    if all(each.type != new.type for each in found):
        kept.append(new)
    return tuple(sorted(kept, key=lambda each: each.type != ConditionType.READY))


def fold(
    conditions: Iterable[Condition], *, now: datetime, generation: int | None, revision: str | None
) -> Condition:
    """`Ready` of a Version, from what operator and gateway found out about it.

    The first cause on an instance's way decides: its code, its pod, its INIT. What was found for another content
    than `revision` is passed over.
    """
    found = tuple(conditions)
    ready = condition(
        ConditionType.READY,
        holds=True,
        reason=Reason.AVAILABLE,
        now=now,
        generation=generation,
        revision=revision,
    )
    for kind in _ON_THE_WAY:
        cause = find(found, kind)
        if cause is not None and cause.status == "False" and cause.revision in (None, revision):
            # As it was found: a newer gateway may know reasons that are not listed here.
            return ready.model_copy(
                update={"status": "False", "reason": cause.reason, "message": cause.message}
            )
    return ready
