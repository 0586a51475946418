"""The manifests that the operator writes: Versions, pods, statuses and Events.

Rule: pure; equal input makes equal manifests. A pod is as restricted as Kubernetes's strictest policy asks for, and
mounts nothing: volumes double an instance's start.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mayfly_model.function import API_VERSION
from mayfly_model.labels import (
    COMPONENT_LABEL,
    FUNCTION_LABEL,
    INSTANCE_COMPONENT,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    OPERATOR_FIELD_MANAGER,
    REVISION_ANNOTATION,
    instance_labels,
    latest_version_name,
    version_name,
    version_selector,
)
from mayfly_model.limits import MEMORY_MB_PER_VCPU, UNPACKED_CODE_BYTES
from mayfly_model.runtime_list import RuntimeImage
from mayfly_operator.settings import GatewayPeers, InstanceOptions, Settings
from mayfly_operator.views import FunctionView, Identity, Json, Shape, VersionView

AGENT_PORT: Final = 8080
ENVIRONMENT_PREFIX: Final = "FUNCTION_ENVIRONMENT_"
"""Stands before each variable from a Secret or ConfigMap; the agent takes it off."""
_USER: Final = 1000
_NO_MESSAGE: Final = "/root/termination-log"
"""Where user code cannot write: the file is the node's, its mode is 0666, and no limit counts what is in it."""
_LOGS_MB: Final = 50
"""What a kubelet keeps of a container's log, which counts as its ephemeral storage: five files of 10 MB."""
_EVENT_MESSAGE: Final = 1024
_CODE_MB: Final = math.ceil(UNPACKED_CODE_BYTES / 2**20)

Manifest = dict[str, Any]


def version(function: FunctionView, spec: Json) -> Manifest:
    """A Function's `$LATEST`, as it is applied; `spec` comes from :func:`mayfly_operator.functions.version_spec`."""
    return _version(function, latest_version_name(function.name), spec)


def published(function: FunctionView, number: int, spec: Json) -> Manifest:
    """A published version, as it is created; `spec` comes from the model's rule."""
    return _version(function, version_name(function.name, str(number)), spec)


def filled(of: VersionView, function: FunctionView, spec: Json) -> Manifest:
    """A version that a person asked for by its number; it is refused if that is no more, or another one of its name."""
    manifest = _version(function, of.name, spec)
    manifest["metadata"]["uid"] = of.uid
    return manifest


def owned(references: Iterable[Json], function: FunctionView) -> list[Json]:
    """Owner references of an object, with the Function among them: its controller, if it has no other."""
    others = [each for each in references if each.get("uid") != function.uid]
    mine = _owner("Function", function)
    return [*others, mine | {"controller": not any(each.get("controller") for each in others)}]


def _version(function: FunctionView, name: str, spec: Json) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "Version",
        "metadata": {
            "namespace": function.namespace,
            "name": name,
            "labels": {FUNCTION_LABEL: function.name, MANAGED_BY_LABEL: MANAGED_BY},
            "ownerReferences": [_owner("Function", function)],
        },
        "spec": dict(spec),
    }


def _owner(kind: str, item: Identity) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": item.name,
        "uid": item.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def pod(name: str, of: VersionView, shape: Shape, runtime: RuntimeImage, settings: Settings) -> Manifest:
    """An instance's pod."""
    options = settings.instances
    labels = instance_labels(function=of.function, version=of.name, runtime=shape.runtime)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": of.namespace,
            "name": name,
            "labels": options.labels | labels,
            "annotations": options.annotations | {REVISION_ANNOTATION: of.revision},
            "ownerReferences": [_owner("Version", of)],
        },
        "spec": _without_nothing(
            {
                "restartPolicy": "Never",
                "enableServiceLinks": False,
                "automountServiceAccountToken": shape.service_account is not None,
                "serviceAccountName": shape.service_account,
                "terminationGracePeriodSeconds": options.termination_grace_period_seconds,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": _USER,
                    "runAsGroup": _USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(shape, runtime, settings)],
                **_placement(options, of),
                **_volumes(options, shape),
            }
        ),
    }


def _without_nothing(fields: Mapping[str, Any]) -> Manifest:
    return {key: value for key, value in fields.items() if value not in (None, [], {}, ())}


def _container(shape: Shape, runtime: RuntimeImage, settings: Settings) -> Manifest:
    options = settings.instances
    return _without_nothing(
        {
            "name": "function",
            "image": runtime.image,
            "imagePullPolicy": options.image_pull_policy,
            "terminationMessagePath": _NO_MESSAGE,
            "ports": [{"name": "agent", "containerPort": AGENT_PORT, "protocol": "TCP"}],
            "env": [
                {
                    "name": "MAYFLY_INSTANCE_UID",
                    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}},
                },
                {"name": "MAYFLY_PUBLIC_KEY", "value": settings.public_key},
            ],
            "envFrom": [
                *(
                    {"prefix": ENVIRONMENT_PREFIX, "configMapRef": {"name": name}}
                    for name in shape.config_maps
                ),
                *({"prefix": ENVIRONMENT_PREFIX, "secretRef": {"name": name}} for name in shape.secrets),
            ],
            "resources": resources(shape, options),
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": options.read_only_root_filesystem,
            },
            "volumeMounts": [{"name": name, "mountPath": path} for name, path in _writable(options).items()],
        }
    )


def resources(shape: Shape, options: InstanceOptions) -> Manifest:
    """Requests and limits; CPU is 1 per 1,769 MB, as on Lambda."""
    share = math.ceil(1000 * shape.memory_size / MEMORY_MB_PER_VCPU)
    storage = shape.ephemeral_storage + _CODE_MB + _LOGS_MB
    requests = options.requests
    cpu = max(share, options.cpu_limit_minimum)
    return {
        "requests": {
            "cpu": f"{min(max(int(share * requests.cpu), 1), cpu - 1)}m",
            "memory": f"{max(int(shape.memory_size * requests.memory), 1)}Mi",
            "ephemeral-storage": f"{max(int(storage * requests.ephemeral_storage), 1)}Mi",
        },
        "limits": {
            "cpu": f"{cpu}m",
            "memory": f"{shape.memory_size}Mi",
            "ephemeral-storage": f"{storage}Mi",
        },
    }


def _placement(options: InstanceOptions, of: VersionView) -> Manifest:
    selector = {"matchLabels": {FUNCTION_LABEL: of.function}}
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


def _volumes(options: InstanceOptions, shape: Shape) -> Manifest:
    sizes = {"tmp": shape.ephemeral_storage, "task": _CODE_MB}
    return {
        "volumes": [
            {"name": name, "emptyDir": {"sizeLimit": f"{sizes[name]}Mi"}} for name in _writable(options)
        ]
    }


def status(item: Identity, kind: str, fields: Json) -> Manifest:
    """A status, as it is applied; it is refused if the object is another one of the same name by then."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"namespace": item.namespace, "name": item.name, "uid": item.uid},
        "status": dict(fields),
    }


def selector(of: VersionView) -> str:
    """`status.labelSelector` of a Version."""
    return version_selector(of.name)


def event(
    about: Identity, *, kind: str, name: str, warning: bool, reason: str, message: str, time: float
) -> Manifest:
    """An Event on an object of a kind; `time` is POSIX."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": about.namespace, "name": name},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": message[:_EVENT_MESSAGE],
        "firstTimestamp": _stamp(time),
        "source": {"component": OPERATOR_FIELD_MANAGER},
        "reportingComponent": OPERATOR_FIELD_MANAGER,
        **event_again(1, time),
    }


def event_again(count: int, time: float) -> Manifest:
    """What changes in an Event when its matter comes up again."""
    return {"count": count, "lastTimestamp": _stamp(time)}


def _stamp(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"


def network_policy(namespace: str, gateway: GatewayPeers) -> Manifest:
    """Who may connect to the instances of a namespace: the gateways, and to their agents alone."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "namespace": namespace,
            "name": "mayfly-instances",
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
        },
        "spec": {
            "podSelector": {
                "matchLabels": {COMPONENT_LABEL: INSTANCE_COMPONENT, MANAGED_BY_LABEL: MANAGED_BY}
            },
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [
                        {
                            "namespaceSelector": {
                                "matchLabels": {"kubernetes.io/metadata.name": gateway.gateway_namespace}
                            },
                            "podSelector": {"matchLabels": gateway.gateway_labels},
                        }
                    ],
                    "ports": [{"port": AGENT_PORT, "protocol": "TCP"}],
                }
            ],
        },
    }
