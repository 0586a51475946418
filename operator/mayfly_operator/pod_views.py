"""What the operator keeps of a pod, read from the API's JSON.

Rule: pure, and forgiving: a pod that another release or a person wrote is read as far as it can be.
"""

from datetime import datetime

from mayfly_model.conditions import Reason
from mayfly_model.labels import (
    FUNCTION_LABEL,
    POOL_LABEL,
    POOL_LIFETIME_ANNOTATION,
    POOL_TEMPLATE_ANNOTATION,
    REVISION_ANNOTATION,
    VERSION_LABEL,
)
from mayfly_operator.views import Ending, Json, PodView, Trouble, identity, owner


def read_pod(item: Json) -> PodView:
    """An instance's pod as the API gives it."""
    metadata, status = item["metadata"], item.get("status") or {}
    labels = metadata.get("labels") or {}
    state = _container(status)
    running = state.get("running") or {}
    annotations = metadata.get("annotations") or {}
    created = _time(metadata["creationTimestamp"]) if metadata.get("creationTimestamp") else 0.0
    return PodView(
        **identity(item),
        version=labels.get(VERSION_LABEL, ""),
        function=labels.get(FUNCTION_LABEL, ""),
        owner=owner(item),
        revision=annotations.get(REVISION_ANNOTATION, ""),
        pool=labels.get(POOL_LABEL, ""),
        template=annotations.get(POOL_TEMPLATE_ANNOTATION, ""),
        created=created,
        expires=created + _seconds(annotations.get(POOL_LIFETIME_ANNOTATION, "")),
        running_since=_time(running["startedAt"]) if running.get("startedAt") else None,
        trouble=_trouble(status, state),
        ending=_ending(status, state),
    )


def _container(status: Json) -> Json:
    statuses = status.get("containerStatuses") or ()
    return statuses[0].get("state") or {} if statuses else {}


_PULLS = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_STARTS = frozenset({"CreateContainerError", "RunContainerError", "CrashLoopBackOff"})
_CONFIGURATION = "CreateContainerConfigError"


def _trouble(status: Json, state: Json) -> Trouble | None:
    waiting = state.get("waiting") or {}
    word, message = waiting.get("reason", ""), waiting.get("message") or waiting.get("reason", "")
    if word in _PULLS:
        return Trouble(Reason.IMAGE_PULL_FAILED, message)
    if word == _CONFIGURATION and "not found" in message:
        return Trouble(Reason.ENVIRONMENT_NOT_FOUND, message)
    if word == _CONFIGURATION or word in _STARTS:
        return Trouble(Reason.INSTANCES_CRASHING, message)
    for each in status.get("conditions") or ():
        if each["type"] == "PodScheduled" and each["status"] == "False":
            return _unscheduled(each)
    return None


def _unscheduled(condition: Json) -> Trouble | None:
    if condition.get("reason") != "Unschedulable":
        return None
    return Trouble(Reason.UNSCHEDULABLE, condition.get("message", ""))


def _ending(status: Json, state: Json) -> Ending | None:
    phase = status.get("phase")
    terminated = state.get("terminated")
    if phase not in ("Succeeded", "Failed") and terminated is None:
        return None
    terminated = terminated or {}
    failed = phase == "Failed" or terminated.get("exitCode", 0) != 0
    return Ending(
        failed=failed,
        word=_word(status, terminated),
        message=status.get("message") or terminated.get("message") or "",
        lived=_lived(terminated),
    )


def _word(status: Json, terminated: Json) -> str:
    """Evicted and the like say it in the status, an out-of-memory kill in the container's state."""
    word = status.get("reason") or terminated.get("reason") or ""
    if word in ("", "Error") and terminated.get("exitCode"):
        return f"ExitCode{terminated['exitCode']}"
    return str(word)


def _lived(terminated: Json) -> float:
    started, finished = terminated.get("startedAt"), terminated.get("finishedAt")
    return max(_time(finished) - _time(started), 0.0) if started and finished else 0.0


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
