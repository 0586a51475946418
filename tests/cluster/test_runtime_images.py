"""Each runtime's image in a pod as the operator makes them, driven through its agent as the gateway does."""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.component.agent_process import Gateway, head
from tests.component.signing import Signer

SIGNER = Signer()
KUBECTL = Path(sys.executable).with_name("kubectl")
TOKEN = "a-session-token"

pytestmark = pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster: set KUBECONFIG")

PYTHON = """
import json, locale, os, subprocess, sys
import boto3

def handler(event, context):
    return {
        "echo": event["echo"],
        "user": f"{os.getuid()}:{os.getgid()}",
        "here": os.getcwd(),
        "version": "%d.%d" % sys.version_info[:2],
        "sdk": boto3.__file__,
        "locale": locale.setlocale(locale.LC_ALL, ""),
        "writable": subprocess.run(os.environ["LOOK"], shell=True, capture_output=True, text=True).stdout.split(),
    }
"""
NODE = """
import { execSync } from "node:child_process";
export const handler = async (event) => ({
  echo: event.echo,
  user: `${process.getuid()}:${process.getgid()}`,
  here: process.cwd(),
  version: process.versions.node.split(".")[0],
  writable: execSync(process.env.LOOK + "; true").toString().trim().split("\\n"),
});
"""
SHELL = """#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while event=$(curl -sSf -D /tmp/headers "$api/next"); do
    id=$(tr -d '\\r' < /tmp/headers | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: *//p')
    echo=$(printf %s "$event" | sed 's/.*: *"\\(.*\\)".*/\\1/')
    writable=$(eval "$LOOK" | sed 's/.*/"&"/' | paste -s -d , -)
    curl -sSf "$api/$id/response" -d "{\\"echo\\": \\"$echo\\", \\"user\\": \\"$(id -u):$(id -g)\\", \\
        \\"here\\": \\"$PWD\\", \\"writable\\": [$writable]}" > /tmp/answer
done
"""
# What the user of a function may write, apart from what the kernel and the kubelet bring.
LOOK = "find / -xdev -writable ! -type l -not -path '/proc/*' -not -path '/dev/*' 2>/dev/null"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    image: str
    files: dict[str, str]
    handler: str = "app.handler"
    bootstrap: str = "/var/runtime/bootstrap"
    version: str | None = None


CASES = [
    Case(image="runtime-python3.11", files={"app.py": PYTHON}, version="3.11"),
    Case(image="runtime-python3.13", files={"app.py": PYTHON}, version="3.13"),
    Case(image="runtime-nodejs20", files={"app.mjs": NODE}, version="20"),
    Case(image="runtime-nodejs22", files={"app.mjs": NODE}, version="22"),
    Case(image="runtime-provided.al2023", files={"bootstrap": SHELL}, bootstrap="/var/task/bootstrap"),
]


def kubectl(*words: str, stdin: str | None = None) -> str:
    done = subprocess.run([KUBECTL, *words], capture_output=True, text=True, input=stdin, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace that admits only pods of the restricted kind."""
    name = f"images-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    kubectl("create", "--filename=-", stdin=json.dumps(manifest))
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(params=CASES, ids=lambda case: case.image, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    value: Case = request.param
    return value


@pytest.fixture(scope="module")
def answer(case: Case, namespace: str) -> dict[str, Any]:
    """What a function answers that looks around in its pod."""
    name = re.sub(r"[^a-z0-9]+", "-", case.image)
    kubectl("create", f"--namespace={namespace}", "--filename=-", stdin=json.dumps(pod(name, case.image)))
    kubectl("wait", f"--namespace={namespace}", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    uid = kubectl("get", f"--namespace={namespace}", "pod", name, "--output=jsonpath={.metadata.uid}")
    with forwarded(namespace, name) as port, contextlib.closing(Gateway(("127.0.0.1", port))) as gateway:
        specialise(gateway, uid, case)
        return invoke(gateway, {"echo": "hello"})


def pod(name: str, image: str) -> dict[str, Any]:
    uid = {"name": "MAYFLY_INSTANCE_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    container = {
        "name": "function",
        "image": f"{os.environ.get('MAYFLY_REGISTRY', 'localhost/mayfly')}/{image}:dev",
        "imagePullPolicy": "IfNotPresent",
        "env": [uid, {"name": "MAYFLY_PUBLIC_KEY", "value": SIGNER.modulus}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        # A port is forwarded once: what is refused there ends it.
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {
        "containers": [container],
        "securityContext": security,
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@contextlib.contextmanager
def forwarded(namespace: str, name: str) -> Iterator[int]:
    """A port of this machine that leads to the pod's agent."""
    command = [
        KUBECTL,
        "port-forward",
        f"--namespace={namespace}",
        f"pod/{name}",
        ":8080",
        "--address=127.0.0.1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+) ->", process.stdout.readline())
            assert found, "kubectl port-forward says no port"
            yield int(found[1])
        finally:
            process.terminate()


def specialise(gateway: Gateway, uid: str, case: Case) -> None:
    code = json.dumps(case.files).encode()
    instruction = json.dumps(
        {
            "token": TOKEN,
            "function": {"name": "f", "version": "$LATEST", "memorySize": 256, "timeout": 20},
            "command": [case.bootstrap],
            "directory": "/var/task",
            "environment": {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "LANG": "en_US.UTF-8",
                "AWS_LAMBDA_FUNCTION_NAME": "f",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
                "LAMBDA_TASK_ROOT": "/var/task",
                "_HANDLER": case.handler,
                "LOOK": LOOK,
            },
            "runtimeVersion": case.image,
            "logFormat": "Text",
            "maxConcurrency": 1,
            "enforceMemory": True,
            "revision": "r1",
            "code": {"format": "files", "sha256": hashlib.sha256(code).hexdigest()},
        }
    ).encode()
    lines = {
        "Authorization": f"Bearer {SIGNER.permit(uid, instruction + code)}",
        "Mayfly-Instruction-Length": str(len(instruction)),
    }
    done = gateway.call("POST", "/specialise", instruction + code, lines)
    assert done.status == 200, done


def invoke(gateway: Gateway, event: dict[str, str]) -> dict[str, Any]:
    body = json.dumps(event).encode()
    lines = {
        "Authorization": f"Bearer {TOKEN}",
        "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:default:function:f",
        "Lambda-Runtime-Trace-Id": "Root=1-5e1b4151-43a0913a12345678901234567",
        "Content-Length": str(len(body)),
    }
    gateway.send(head("POST", "/invoke", lines) + body)
    content: dict[str, Any] = json.loads(gateway.end(gateway.payload()).text)
    return content


def test_a_function_of_the_runtime_answers(answer: dict[str, Any], case: Case) -> None:
    assert answer["echo"] == "hello"
    assert answer.get("version") == case.version


def test_it_runs_as_the_sandbox_user_where_its_code_is(answer: dict[str, Any]) -> None:
    assert (answer["user"], answer["here"]) == ("1000:1000", "/var/task")


def test_it_can_write_nothing_but_its_two_folders(answer: dict[str, Any]) -> None:
    assert {"/tmp", "/var/task"} <= set(answer["writable"])
    others = [path for path in answer["writable"] if not path.startswith(("/tmp", "/var/task"))]
    assert others == []


def test_what_aws_puts_beside_a_python_function_is_there(answer: dict[str, Any], case: Case) -> None:
    if "python" not in case.image:
        pytest.skip("AWS's SDK is for Python here")
    assert answer["sdk"].startswith("/var/runtime/")
    assert answer["locale"] == "en_US.UTF-8"
