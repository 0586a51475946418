"""The pods that the operator creates: instances of a Version, and those that wait in a pool.

Rule: pure; equal input makes equal manifests. A pod is as restricted as Kubernetes's strictest policy asks for, and
mounts nothing: volumes double an instance's start.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mayfly_model.labels import (
    CONTAINER,
    FUNCTION_LABEL,
    POOL_LABEL,
    POOL_LIFETIME_ANNOTATION,
    POOL_TEMPLATE_ANNOTATION,
    REVISION_ANNOTATION,
    VERSION_LABEL,
    instance_labels,
    pool_labels,
)
from mayfly_model.runtime_list import RuntimeImage
from mayfly_model.sizing import CODE_MB, POOL_STORAGE_MB, Resources, resources, waiting_in_a_pool
from mayfly_operator.resources import AGENT_PORT, Manifest, owner_reference
from mayfly_operator.settings import InstanceOptions, Settings
from mayfly_operator.views import Json, PodView, Shape, VersionView

ENVIRONMENT_PREFIX: Final = "FUNCTION_ENVIRONMENT_"
"""Stands before each variable from a Secret or ConfigMap; the agent takes it off."""
_USER: Final = 1000
_NO_MESSAGE: Final = "/root/termination-log"
"""Where user code cannot write: the file is the node's, its mode is 0666, and no limit counts what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """In what the pods of functions and of pools differ. `storage` is the size of /tmp in MB."""

    resources: Resources
    storage: int
    spread_over: Mapping[str, str]
    service_account: str | None = None
    environment: tuple[Manifest, ...] = ()
    environment_from: tuple[Manifest, ...] = ()


def pod(name: str, of: VersionView, shape: Shape, runtime: RuntimeImage, settings: Settings) -> Manifest:
    """An instance's pod."""
    options = settings.instances
    labels = instance_labels(function=of.function, version=of.name, runtime=shape.runtime)
    kind = _Kind(
        resources=resources(shape.memory_size, shape.ephemeral_storage, options),
        storage=shape.ephemeral_storage,
        spread_over={FUNCTION_LABEL: of.function},
        service_account=shape.service_account,
        environment_from=(
            *({"prefix": ENVIRONMENT_PREFIX, "configMapRef": {"name": each}} for each in shape.config_maps),
            *({"prefix": ENVIRONMENT_PREFIX, "secretRef": {"name": each}} for each in shape.secrets),
        ),
    )
    metadata = {
        "namespace": of.namespace,
        "name": name,
        "labels": options.labels | labels,
        "annotations": options.annotations | {REVISION_ANNOTATION: of.revision},
        "ownerReferences": [owner_reference("Version", of)],
    }
    return _pod(metadata, kind, runtime, settings)


def waiting_pod(
    name: str,
    namespace: str,
    runtime: RuntimeImage,
    settings: Settings,
    *,
    lifetime: int,
    largest: int | None = None,
) -> Manifest:
    """A pod that waits in a pool, for `lifetime` seconds at most; for `largest` see `waiting_in_a_pool`."""
    options = settings.instances
    annotations = {
        POOL_TEMPLATE_ANNOTATION: template(runtime, settings, largest=largest),
        POOL_LIFETIME_ANNOTATION: str(lifetime),
    }
    metadata = {
        "namespace": namespace,
        "name": name,
        "labels": options.labels | pool_labels(runtime.name),
        "annotations": options.annotations | annotations,
    }
    kind = _waiting(runtime, settings, largest)
    environment = ({"name": "MAYFLY_POOL_LIFETIME", "value": str(lifetime)},)
    return _pod(metadata, replace(kind, environment=environment), runtime, settings)


def template(runtime: RuntimeImage, settings: Settings, *, largest: int | None = None) -> str:
    """Names what the pods of a pool are made from."""
    made_from = _pod({}, _waiting(runtime, settings, largest), runtime, settings)
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]


def _waiting(runtime: RuntimeImage, settings: Settings, largest: int | None) -> _Kind:
    return _Kind(
        resources=waiting_in_a_pool(settings.instances, largest=largest),
        storage=POOL_STORAGE_MB,
        spread_over={POOL_LABEL: runtime.name},
    )


def claimed(pod: PodView, by: VersionView, revision: str) -> Json:
    """The merge patch that makes a pool's pod an instance of a Version; refused if another pod has its name by then."""
    return {
        "metadata": {
            "uid": pod.uid,
            "labels": {POOL_LABEL: None, FUNCTION_LABEL: by.function, VERSION_LABEL: by.name},
            "annotations": {REVISION_ANNOTATION: revision},
            "ownerReferences": [owner_reference("Version", by)],
        }
    }


def _pod(metadata: Manifest, kind: _Kind, runtime: RuntimeImage, settings: Settings) -> Manifest:
    options = settings.instances
    spec = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "automountServiceAccountToken": kind.service_account is not None,
        "serviceAccountName": kind.service_account,
        "terminationGracePeriodSeconds": options.termination_grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(kind, runtime, settings)],
        **_placement(options, kind.spread_over),
        **_volumes(options, kind.storage),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _without_nothing(spec)}


def _without_nothing(fields: Mapping[str, Any]) -> Manifest:
    return {key: value for key, value in fields.items() if value not in (None, [], {}, ())}


def _container(kind: _Kind, runtime: RuntimeImage, settings: Settings) -> Manifest:
    options = settings.instances
    uid = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}
    return _without_nothing(
        {
            "name": CONTAINER,
            "image": runtime.image,
            "imagePullPolicy": options.image_pull_policy,
            "terminationMessagePath": _NO_MESSAGE,
            "ports": [{"name": "agent", "containerPort": AGENT_PORT, "protocol": "TCP"}],
            "env": [
                {"name": "MAYFLY_INSTANCE_UID", "valueFrom": uid},
                {"name": "MAYFLY_PUBLIC_KEY", "value": settings.public_key},
                *kind.environment,
            ],
            "envFrom": list(kind.environment_from),
            "resources": kind.resources,
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": options.read_only_root_filesystem,
            },
            "volumeMounts": [{"name": name, "mountPath": path} for name, path in _writable(options).items()],
        }
    )


def _placement(options: InstanceOptions, spread_over: Mapping[str, str]) -> Manifest:
    selector = {"matchLabels": dict(spread_over)}
    return {
        "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
        "priorityClassName": options.priority_class_name,
        "runtimeClassName": options.runtime_class_name,
        "schedulerName": options.scheduler_name,
        "nodeSelector": options.node_selector,
        "tolerations": list(options.tolerations),
        "affinity": options.affinity,
        "topologySpreadConstraints": [
            {"labelSelector": selector, **each} for each in options.topology_spread_constraints
        ],
    }


def _writable(options: InstanceOptions) -> dict[str, str]:
    return {"tmp": "/tmp", "task": "/var/task"} if options.read_only_root_filesystem else {}  # noqa: S108


def _volumes(options: InstanceOptions, storage: int) -> Manifest:
    sizes = {"tmp": storage, "task": CODE_MB}
    return {
        "volumes": [
            {"name": name, "emptyDir": {"sizeLimit": f"{sizes[name]}Mi"}} for name in _writable(options)
        ]
    }
