"""The manifests that the operator writes, but for pods: Versions, statuses, Events, policies.

Rule: pure; equal input makes equal manifests.
"""

from collections.abc import Iterable
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
    latest_version_name,
    version_name,
    version_selector,
)
from mayfly_operator.settings import GatewayPeers
from mayfly_operator.views import FunctionView, Identity, Json, VersionView

AGENT_PORT: Final = 8080
_EVENT_MESSAGE: Final = 1024

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
    mine = owner_reference("Function", function)
    return [*others, mine | {"controller": not any(each.get("controller") for each in others)}]


def _version(function: FunctionView, name: str, spec: Json) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "Version",
        "metadata": {
            "namespace": function.namespace,
            "name": name,
            "labels": {FUNCTION_LABEL: function.name, MANAGED_BY_LABEL: MANAGED_BY},
            "ownerReferences": [owner_reference("Function", function)],
        },
        "spec": dict(spec),
    }


def owner_reference(kind: str, item: Identity) -> Manifest:
    """Makes this object the owner of another one."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": item.name,
        "uid": item.uid,
        "controller": True,
        "blockOwnerDeletion": False,
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
