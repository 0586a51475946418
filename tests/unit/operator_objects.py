"""Functions, Versions, aliases and pods as the API server gives them, for the operator's tests."""

import itertools
from collections.abc import Callable
from typing import Any

from mayfly_model.labels import REVISION_ANNOTATION, instance_labels, latest_version_name, pod_name
from mayfly_model.runtime_list import RuntimeImage
from mayfly_operator import functions
from mayfly_operator.pod_views import read_pod
from mayfly_operator.settings import Settings
from mayfly_operator.views import FunctionView, PodView, VersionView, read_version

NEW, OLD = "0a" * 32, "0b" * 32
PYTHON = RuntimeImage("python3.13", "python", "3.13", "mayfly/python:1", "/var/runtime/bootstrap")
RUNTIMES = {PYTHON.name: PYTHON}
SETTINGS = Settings(identity="operator-0", namespace="mayfly-system", public_key="AQAB", runtimes=RUNTIMES)
NOON = 1_795_600_800.0
"""2026-11-25T10:00:00Z."""

_versions = itertools.count(1)


def function_item(name: str = "hello", **spec: Any) -> dict[str, Any]:
    metadata = {
        "namespace": "shop",
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": str(next(_versions)),
        "generation": 1,
        "creationTimestamp": spec.pop("created", "2026-11-25T09:00:00Z"),
    }
    status = spec.pop("status", {})
    content = {
        "runtime": "python3.13",
        "handler": "app.handler",
        "code": {"inline": {"app.py": "pass"}},
    } | spec
    return {"metadata": metadata, "spec": content, "status": status}


def function(name: str = "hello", **spec: Any) -> FunctionView:
    return functions.read(function_item(name, **spec))


def version_item(
    *,
    instances: int | None = 0,
    revision: str = NEW,
    retired: tuple[str, ...] = (),
    uid: str = "uid-version",
    name: str = "hello.latest",
    status: dict[str, Any] | None = None,
    configuration: dict[str, Any] | None = None,
    generation: int = 1,
) -> dict[str, Any]:
    spec = {
        "functionName": name.partition(".")[0],
        "revision": revision,
        "configuration": {"runtime": "python3.13", "memorySize": 256, "functionName": name.partition(".")[0]}
        | (configuration or {}),
    }
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": uid,
            "resourceVersion": str(next(_versions)),
            "generation": generation,
            "ownerReferences": [{"controller": True, "uid": f"uid-{name.partition('.')[0]}"}],
        },
        "spec": spec | ({} if instances is None else {"instances": instances}),
        "status": (status or {}) | {"retired": [{"name": uid, "uid": uid} for uid in retired]},
    }


def version(**options: Any) -> VersionView:
    return read_version(version_item(**options))


def alias_item(
    version: str = "1",
    *,
    additional: str | None = None,
    weight: float = 0.1,
    status: dict[str, Any] | None = None,
    name: str = "hello.live",
    generation: int = 1,
) -> dict[str, Any]:
    routing = {"routing": {"additionalVersion": additional, "weight": weight}} if additional else {}
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(next(_versions)),
            "generation": generation,
        },
        "spec": {"functionName": name.partition(".")[0], "functionVersion": version} | routing,
        "status": status or {},
    }


def there(*versions: str) -> Callable[[str], bool]:
    """Whether a version exists, where these do."""
    return lambda version: version in versions


def running(since: str = "2026-11-25T09:59:59Z") -> dict[str, Any]:
    return {"phase": "Running", "containerStatuses": [{"state": {"running": {"startedAt": since}}}]}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"state": state}]}


def ended(*, exit_code: int = 0, reason: str = "", lived: int = 0) -> dict[str, Any]:
    state = {
        "exitCode": exit_code,
        "reason": reason or ("Error" if exit_code else "Completed"),
        "startedAt": "2026-11-25T09:00:00Z",
        "finishedAt": f"2026-11-25T09:{lived // 60:02}:{lived % 60:02}Z",
    }
    phase = "Failed" if exit_code else "Succeeded"
    return {"phase": phase, "containerStatuses": [{"state": {"terminated": state}}]}


def unschedulable(message: str = "0/1 nodes are available: 1 Insufficient memory.") -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def pod_item(
    ordinal: int = 0,
    status: dict[str, Any] | None = None,
    *,
    revision: str = NEW,
    owner: str = "uid-version",
    uid: str | None = None,
    deleting: bool = False,
) -> dict[str, Any]:
    version = latest_version_name("hello")
    name = pod_name(version, revision, ordinal)
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(next(_versions)),
            "labels": instance_labels(function="hello", version=version, runtime="python3.13"),
            "annotations": {REVISION_ANNOTATION: revision},
            "ownerReferences": [{"controller": True, "uid": owner}],
        }
        | ({"deletionTimestamp": "2026-11-25T10:00:00Z"} if deleting else {}),
        "status": status or {"phase": "Pending"},
    }


def pod(ordinal: int = 0, status: dict[str, Any] | None = None, **options: Any) -> PodView:
    return read_pod(pod_item(ordinal, status, **options))
