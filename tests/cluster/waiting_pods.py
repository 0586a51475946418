"""Warm pools as a test sees them: the pods that wait in an account, and whose those are that waited."""

import json
import subprocess
from typing import Any

import pytest
from tests.cluster.accounts import KUBECTL, Account, function, until
from tests.cluster.installation import values

LISTENS = "import socket; socket.create_connection(('127.0.0.1', 8080), timeout=1)"
POOL, VERSION = "mayfly.dev/pool", "mayfly.dev/version"
WHO = "def handler(event, context):\n    return context.log_stream_name\n"
SLEEPS = (
    "import time\n\ndef handler(event, context):\n    time.sleep(event)\n    return context.log_stream_name\n"
)

Pod = dict[str, Any]


def pods(account: Account, selector: str = POOL) -> list[Pod]:
    """Pods that are not on their way out."""
    found = json.loads(account.kubectl("get", "pods", f"--selector={selector}", "--output=json"))["items"]
    return [each for each in found if "deletionTimestamp" not in each["metadata"]]


def waiting(account: Account) -> list[Pod]:
    """The pods that wait and run."""
    return [each for each in pods(account) if each["status"].get("phase") == "Running"]


def uids(found: list[Pod]) -> set[str]:
    return {each["metadata"]["uid"] for each in found}


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def begun(account: Account) -> Account:
    """The account with a pool, which its first function has started."""
    if not values()["pools"]["enabled"]:
        pytest.skip("whoever installed this release has turned its pools off")
    account.deploy(function("first", WHO))
    account.invoke("first")
    filled(account)
    return account


def filled(account: Account, count: int = 1) -> list[Pod]:
    """Wait until at least so many pods wait, their agents listening, and none is starting."""

    def whole() -> list[Pod]:
        found = pods(account)
        return found if len(found) >= count and all(listens(account, each) for each in found) else []

    found: list[Pod] = until(whole, f"{count} pods that wait")
    return found


def listens(account: Account, pod: Pod) -> bool:
    """Whether a pod's agent takes connections, asked within the pod: no policy lets anybody else in."""
    inside = ("exec", pod["metadata"]["name"], "--", "python3", "-I", "-S", "-c", LISTENS)
    asked = subprocess.run(
        [KUBECTL, f"--namespace={account.name}", *inside], capture_output=True, check=False
    )
    return asked.returncode == 0


def all_labelled(account: Account, called: list[str]) -> None:
    """Wait until each of these functions has one instance, labelled as its own and counted."""

    def whole(name: str) -> bool:
        found = pods(account, f"{VERSION}={name}.latest")
        status = account.get("versions.mayfly.dev", f"{name}.latest")
        return len(found) == 1 and status["spec"].get("instances") == 1

    for name in called:
        until(lambda name=name: whole(name), f"{name} has its instance")


def claimed_and_unlabelled(account: Account) -> list[str]:
    """Pods of the pool that were resized, which only those are that somebody claimed."""
    return [
        each["metadata"]["name"]
        for each in waiting(account)
        if "memory" in each["spec"]["containers"][0]["resources"]["limits"]
    ]
