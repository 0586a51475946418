"""What a pod's object says of the instance in it. Pure."""

from dataclasses import dataclass

from mayfly_gateway.backends.kubernetes.objects import ContainerState, PodCondition, PodObject
from mayfly_model.conditions import Reason
from mayfly_model.labels import POOL_LABEL, POOL_TEMPLATE_ANNOTATION, REVISION_ANNOTATION, VERSION_LABEL

_UNSCHEDULABLE_AFTER = 3.0
"""Seconds after which a pod without a node is in trouble: until then a scheduler may only be busy."""
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_OUT_OF_MEMORY = "OOMKilled"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an instance cannot start; `after` is how long that must last until it counts, in seconds."""

    reason: str
    message: str
    after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """An instance's pod. `version` is its Version's object name, `revision` the content it was made for.

    `pool` is the runtime in whose pool it waits, empty for a Version's; what waits is made of a `template`. `ended`:
    nothing runs in it any more; `leaving`: it was told to end; `unresizable`: its node does not give what is asked for.
    """

    namespace: str
    name: str
    uid: str
    version: str
    revision: str
    ip: str
    running: bool
    leaving: bool
    ended: bool
    out_of_memory: bool
    trouble: Trouble | None
    pool: str = ""
    template: str = ""
    created: str = ""
    unresizable: bool = False


def read_pod(item: PodObject) -> Pod:
    """A pod as its object describes it."""
    metadata, status = item.metadata, item.status
    state = _container(item)
    ended = status.phase in ("Succeeded", "Failed") or state.terminated is not None
    return Pod(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        version=metadata.labels.get(VERSION_LABEL, ""),
        revision=metadata.annotations.get(REVISION_ANNOTATION, ""),
        ip=status.pod_ip,
        running=state.running is not None and bool(status.pod_ip) and not ended,
        leaving=metadata.deletion_timestamp is not None,
        ended=ended,
        out_of_memory=state.terminated is not None and state.terminated.reason == _OUT_OF_MEMORY,
        trouble=_trouble(item, state),
        pool=metadata.labels.get(POOL_LABEL, ""),
        template=metadata.annotations.get(POOL_TEMPLATE_ANNOTATION, ""),
        created=metadata.creation_timestamp,
        unresizable=any(map(_is_no_resize, item.status.conditions or ())),
    )


def _container(item: PodObject) -> ContainerState:
    statuses = item.status.container_statuses or ()
    return statuses[0].state if statuses else ContainerState()


def _trouble(item: PodObject, state: ContainerState) -> Trouble | None:
    if state.terminated is not None or item.status.phase == "Failed":
        return _end(item, state)
    if state.waiting is not None and (reason := _waiting_reason(state.waiting.reason)) is not None:
        return Trouble(reason, state.waiting.message or state.waiting.reason)
    for each in item.status.conditions or ():
        if each.type == "PodScheduled" and each.status == "False" and each.reason == "Unschedulable":
            return Trouble(Reason.UNSCHEDULABLE, each.message, _UNSCHEDULABLE_AFTER)
    return None


def _is_no_resize(condition: PodCondition) -> bool:
    """Deferred, or not to be had on this node, or given up since more is in use than there would be."""
    failed = condition.type == "PodResizeInProgress" and condition.reason == "Error"
    return condition.status == "True" and (condition.type == "PodResizePending" or failed)


def _waiting_reason(reason: str) -> Reason | None:
    if reason in _IMAGE:
        return Reason.IMAGE_PULL_FAILED
    if reason == "CreateContainerConfigError":
        return Reason.ENVIRONMENT_NOT_FOUND
    if reason in ("CreateContainerError", "RunContainerError", "CrashLoopBackOff"):
        return Reason.INSTANCES_CRASHING
    return None


def _end(item: PodObject, state: ContainerState) -> Trouble | None:
    ended = state.terminated
    if ended is not None and ended.exit_code == 0:
        # It was told to close, maybe by a former owner, before it was seen to run.
        return None
    if ended is None:
        return Trouble(Reason.INSTANCES_CRASHING, f"{item.status.reason}: {item.status.message}".strip(": "))
    how = ended.reason if ended.reason not in ("", "Error", "Completed") else f"exit status {ended.exit_code}"
    return Trouble(Reason.INSTANCES_CRASHING, f"the instance ended: {how} {ended.message}".strip())
