"""Room for volume claims: a default storage class and static volumes for it. Pure.

Rule: `local` volumes, so that `fsGroup` works as with a real provisioner; a volume serves one claim.
"""

from __future__ import annotations

from typing import Any

from layout import NODE_NAME, VOLUMES

COUNT = 40
_CLASS = "standard"


def manifests() -> list[dict[str, Any]]:
    """The class and its volumes."""
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": _CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    return [storage_class, *(_volume(name) for name in names())]


def names() -> list[str]:
    """The volumes, each a folder."""
    return [f"volume-{number:02}" for number in range(COUNT)]


def _volume(name: str) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": _CLASS,
            "local": {"path": str(VOLUMES / name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
