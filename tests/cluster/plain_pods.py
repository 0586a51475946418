"""Pods of the tests' own on the images of runtimes: strangers to the platform, and agents that nobody claims."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from tests.cluster import stranger
from tests.cluster.accounts import SYSTEM, Account, kubectl

WAITS = ("python3", "-c", "import threading; threading.Event().wait()")
STRANGER = inspect.getsource(stranger)
USER = 1000


def images() -> dict[str, str]:
    """The image of each runtime that is installed."""
    listed = kubectl(
        f"--namespace={SYSTEM}",
        "get",
        "configmap",
        "mayfly-runtimes",
        "--output=jsonpath={.data.runtimes\\.yaml}",
    )
    return {one["name"]: one["image"] for one in yaml.safe_load(listed)}


@dataclass(frozen=True)
class PlainPod:
    """A pod that runs."""

    account: Account
    name: str

    @property
    def ip(self) -> str:
        address: str = self.account.get("pod", self.name)["status"]["podIP"]
        return address

    def run(self, source: str) -> Any:
        """What a program in it prints, which is JSON."""
        words = ("exec", "--stdin", self.name, "--", "python3", "-")
        return json.loads(self.account.kubectl(*words, stdin=source))

    def tries(self, what: str, *arguments: Any) -> Any:
        """What a function of `tests.cluster.stranger` gives there."""
        return self.run(f"{STRANGER}\nprint(json.dumps({attempt(what, *arguments)}))\n")


def attempt(what: str, *arguments: Any) -> str:
    """The call of a function of `tests.cluster.stranger`, as source."""
    assert hasattr(stranger, what)
    return f"{what}(*{arguments!r})"


def plain_pod(
    account: Account,
    name: str,
    image: str,
    *command: str,
    environment: Mapping[str, str] | None = None,
) -> PlainPod:
    """Start a pod, as restricted as an instance; without a command, with its image's own."""
    container = {
        "name": "one",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/root/termination-log",
        "env": [{"name": key, "value": value} for key, value in (environment or {}).items()],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **({"command": list(command)} if command else {}),
    }
    user = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER}
    account.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "containers": [container],
                "restartPolicy": "Never",
                "enableServiceLinks": False,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
                "securityContext": user | {"seccompProfile": {"type": "RuntimeDefault"}},
            },
        }
    )
    account.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    return PlainPod(account, name)
