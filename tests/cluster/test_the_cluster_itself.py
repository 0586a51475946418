"""What the other tests take for granted: the version, DNS, storage, and NetworkPolicies that are enforced."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

IMAGE = "localhost/mayfly/runtime-python3.13:dev"
SERVER = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8000, bind='0.0.0.0')"
Kubectl = Callable[..., str]

pytestmark = pytest.mark.skipif("KUBECONFIG" not in os.environ, reason="needs a cluster: set KUBECONFIG")


def run(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("kubectl")
    return subprocess.run([program, *words], capture_output=True, text=True, input=stdin, check=False)


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    """The kubectl of a namespace that goes with the tests."""
    namespace = f"itself-{uuid.uuid4().hex[:8]}"

    def call(*words: str, stdin: str | None = None) -> str:
        done = run(f"--namespace={namespace}", *words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    call("create", "namespace", namespace)
    try:
        yield call
    finally:
        call("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl) -> None:
    """A server behind a Service of its name, and two that may call it."""
    for name, program in (("server", SERVER), ("friend", None), ("stranger", None)):
        kubectl("create", "--filename=-", stdin=json.dumps(pod(name, program)))
    kubectl("expose", "pod", "server", "--port=80", "--target-port=8000")
    kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")


def pod(name: str, program: str | None) -> dict[str, object]:
    waiting = "import threading; threading.Event().wait()"
    container = {
        "name": "python",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", program or waiting],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1} if program else None,
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
    }


def fetched(kubectl: Kubectl, caller: str) -> bool:
    """Whether a pod can read a page of the server by the Service's name."""
    program = "import urllib.request as u; u.urlopen('http://server/', timeout=2)"
    arguments = ["exec", caller, "--", "python3", "-c", program]
    namespace = json.loads(kubectl("get", "pod", caller, "--output=json"))["metadata"]["namespace"]
    return run(f"--namespace={namespace}", *arguments).returncode == 0


def eventually(kubectl: Kubectl, caller: str, wanted: bool) -> None:
    """Rules take a second or two to hold."""
    assert any(fetched(kubectl, caller) is wanted for _ in range(20))


def test_every_node_is_ready_and_new_enough(kubectl: Kubectl) -> None:
    nodes = json.loads(kubectl("get", "nodes", "--output=json"))["items"]
    assert nodes
    for node in nodes:
        ready = next(found for found in node["status"]["conditions"] if found["type"] == "Ready")
        assert ready["status"] == "True"
        major, minor = node["status"]["nodeInfo"]["kubeletVersion"].removeprefix("v").split(".")[:2]
        assert (int(major), int(minor)) >= (1, 33), "pods are resized in place"


def test_the_server_is_not_older_than_its_client(kubectl: Kubectl) -> None:
    versions = json.loads(kubectl("version", "--output=json"))
    assert versions["serverVersion"]["minor"] >= "33"


@pytest.mark.usefixtures("pods")
def test_pods_find_services_by_name(kubectl: Kubectl) -> None:
    eventually(kubectl, "friend", True)
    eventually(kubectl, "stranger", True)


@pytest.mark.usefixtures("pods")
def test_network_policies_are_enforced(kubectl: Kubectl) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "friends-only"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "server"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
        },
    }
    eventually(kubectl, "stranger", True)
    kubectl("create", "--filename=-", stdin=json.dumps(policy))
    eventually(kubectl, "stranger", False)
    assert fetched(kubectl, "friend")
    kubectl("delete", "networkpolicy", "friends-only")
    eventually(kubectl, "stranger", True)


def test_a_claim_gets_a_volume_that_its_group_may_write(kubectl: Kubectl) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "room"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    writer = pod("writer", "open('/room/file', 'w').write('kept')")
    spec = writer["spec"]
    assert isinstance(spec, dict)
    spec["restartPolicy"] = "Never"
    spec["securityContext"] = {"runAsUser": 65532, "fsGroup": 65532}
    spec["volumes"] = [{"name": "room", "persistentVolumeClaim": {"claimName": "room"}}]
    spec["containers"][0] |= {
        "volumeMounts": [{"name": "room", "mountPath": "/room"}],
        "readinessProbe": None,
    }
    kubectl("create", "--filename=-", stdin=json.dumps(claim))
    kubectl("create", "--filename=-", stdin=json.dumps(writer))
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/writer", "--timeout=60s")
