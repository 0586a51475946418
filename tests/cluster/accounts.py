"""Namespaces as accounts: what tests apply there, and the AWS SDK that calls their functions."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

KUBECTL = Path(sys.executable).with_name("kubectl")
SYSTEM = "mayfly-system"


def kubectl(*words: str, stdin: str | None = None, fails: bool = False) -> str:
    """What kubectl wrote; on its standard error if it is to fail."""
    done = subprocess.run([KUBECTL, *words], capture_output=True, text=True, input=stdin, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def gateway_address() -> str:
    """The address of the gateways' Service, which this machine reaches as a node of the cluster."""
    service = json.loads(kubectl("-n", SYSTEM, "get", "service", "mayfly-gateway", "--output=json"))
    return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"


def until(found: Callable[[], Any], what: str, *, within: float = 60.0) -> Any:
    """The first true answer; each look is a request of its own, so no pause between them is needed for long."""
    end = time.monotonic() + within
    while not (answer := found()):
        assert time.monotonic() < end, f"{what}: not within {within} s"
        time.sleep(0.05)
    return answer


def function(
    name: str, code: str = "def handler(event, context):\n    return event\n", **spec: Any
) -> dict[str, Any]:
    """A Function whose code is one file."""
    content = {
        "runtime": "python3.13",
        "handler": "app.handler",
        "code": {"inline": {"app.py": code}},
        **spec,
    }
    return {
        "apiVersion": "mayfly.dev/v1beta1",
        "kind": "Function",
        "metadata": {"name": name},
        "spec": content,
    }


class Account:
    """A namespace with functions."""

    def __init__(self, name: str, gateway: str) -> None:
        self.name = name
        self.gateway = gateway
        self.aws = self.client()

    def client(self, *, attempts: int = 1, **config: Any) -> Any:
        """boto3's Lambda client; the access key id names the namespace."""
        return boto3.client(
            "lambda",
            endpoint_url=self.gateway,
            region_name="cluster",
            aws_access_key_id=self.name,
            aws_secret_access_key="unused",
            config=Config(
                retries={"total_max_attempts": attempts, "mode": "standard"},
                read_timeout=90,
                max_pool_connections=100,
                **config,
            ),
        )

    def kubectl(self, *words: str, stdin: str | None = None, fails: bool = False) -> str:
        return kubectl(f"--namespace={self.name}", *words, stdin=stdin, fails=fails)

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl(
            "apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )

    def deploy(self, *functions: dict[str, Any]) -> None:
        """Apply functions, and wait until the gateways know them."""
        self.apply(*functions)
        for each in functions:
            self.known(each["metadata"]["name"])

    def known(self, name: str) -> None:
        """Wait until every gateway knows the function; which one answers is the Service's choice."""
        answers = 0

        def twelve_times() -> bool:
            nonlocal answers
            try:
                self.aws.invoke(FunctionName=name, InvocationType="DryRun")
                answers += 1
            except self.aws.exceptions.ResourceNotFoundException:
                answers = 0
            return answers >= 12

        until(twelve_times, f"the gateways know {name}")

    def invoke(self, name: str, event: Any = None, client: Any = None) -> Any:
        """The function's answer, which must be none of an error."""
        answer = (client or self.aws).invoke(FunctionName=name, Payload=json.dumps(event))
        content = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, content
        return content

    def failure(self, name: str, event: Any = None) -> dict[str, Any]:
        """The function's error."""
        answer = self.aws.invoke(FunctionName=name, Payload=json.dumps(event))
        assert answer["FunctionError"] == "Unhandled"
        return json.loads(answer["Payload"].read())

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return json.loads(self.kubectl("get", kind, name, "--output=json"))

    def pods(self, name: str) -> list[dict[str, Any]]:
        """The function's pods that are not on their way out."""
        found = json.loads(
            self.kubectl("get", "pods", f"--selector=mayfly.dev/function={name}", "--output=json")
        )
        return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]

    def only_pod(self, name: str) -> dict[str, Any]:
        """The function's one pod, which may have been another name's until a moment ago."""
        return until(lambda: len(found := self.pods(name)) == 1 and found, f"one pod of {name}")[0]

    def ready(self, kind: str, name: str) -> dict[str, Any]:
        """The condition Ready."""
        conditions = self.get(kind, name).get("status", {}).get("conditions", ())
        return next((each for each in conditions if each["type"] == "Ready"), {})

    def becomes(self, name: str, reason: str, *, within: float = 60.0) -> dict[str, Any]:
        """Wait for the Function's condition Ready to have this reason."""
        return until(
            lambda: (ready := self.ready("function", name)).get("reason") == reason and ready,
            f"{name} becomes {reason}, and is {self.ready('function', name)}",
            within=within,
        )


@contextmanager
def own_account(gateway: str) -> Iterator[Account]:
    """A namespace that nobody else has, for as long as it is needed."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    try:
        yield Account(name, gateway)
    finally:
        kubectl("delete", "namespace", name, "--wait=false")
