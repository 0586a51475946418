"""The installed release: its pods, and what a test does to them."""

import json
from typing import Any

from tests.cluster.accounts import SYSTEM, kubectl


def system(*words: str) -> str:
    """What kubectl wrote of the release's namespace."""
    return kubectl(f"--namespace={SYSTEM}", *words)


def pods(component: str) -> list[dict[str, Any]]:
    """A component's pods that are not on their way out."""
    found = system("get", "pods", f"--selector=app.kubernetes.io/component={component}", "--output=json")
    return [pod for pod in json.loads(found)["items"] if "deletionTimestamp" not in pod["metadata"]]


def gateways() -> list[str]:
    """The names of the gateways' pods."""
    return [pod["metadata"]["name"] for pod in pods("gateway")]


def kill(pod: str) -> None:
    """Kill a pod's processes at once."""
    system("delete", "pod", pod, "--grace-period=0", "--force")


def whole(*workloads: str) -> None:
    """Wait until all replicas are ready."""
    for name in workloads:
        system("rollout", "status", name, "--timeout=120s")
