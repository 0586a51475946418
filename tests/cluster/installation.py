"""The installed release: its pods, and what a test does to them."""

import json
from typing import Any

from tests.chart.rendering import run_helm
from tests.cluster.accounts import SYSTEM, kubectl

RELEASE = "mayfly"


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


def helm(*words: str, stdin: str | None = None) -> str:
    """What Helm wrote."""
    done = run_helm(*words, f"--namespace={SYSTEM}", stdin=stdin)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def values() -> dict[str, Any]:
    """The chart's values that hold for the release."""
    found: dict[str, Any] = json.loads(helm("get", "values", RELEASE, "--all", "--output=json"))
    return found


def revision() -> str:
    """The release's revision, to which it can be rolled back."""
    (release,) = json.loads(helm("list", f"--filter=^{RELEASE}$", "--output=json"))
    found: str = release["revision"]
    return found
