"""Measures a pod that waits for its function: from the call that gives it one to the first answer, and its memory.

python bench/standby.py [--image IMAGE] [--rounds N]     (KUBECONFIG, and pods that this machine reaches)

Beside each stands `python3 -I -c pass` of the image's interpreter, in the same pod right after: what a process that
does nothing takes there. The memory is told where this machine is the pods' node and lets them be looked into.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
import time
import uuid
from pathlib import Path

from kubernetes import client, config, watch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
import spare_memory
from tests.component.agent_process import Gateway, eventually, head
from tests.component.signing import Signer

from mayfly_gateway.backends.environment import defaults
from mayfly_gateway.backends.kubernetes.runtimes import PATHS, PodRuntime

IMAGE = "localhost/mayfly/runtime-python3.13:dev"
CODE = """
def handler(event, context):
    return event["rounds"] and interpreter(event["rounds"])

def interpreter(rounds):
    import os, statistics, sys, time
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        os.waitpid(os.posix_spawn(sys.executable, ["python3", "-I", "-c", "pass"], os.environ), 0)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
"""


class Waiting:
    """A pod of the image as an operator makes them, and a connection to its agent."""

    def __init__(self, core: client.CoreV1Api, namespace: str, image: str, signer: Signer) -> None:
        self._signer = signer
        self.name = f"waiting-{uuid.uuid4().hex[:8]}"
        self.image = image
        pods = watch.Watch().stream(
            core.list_namespaced_pod, namespace, label_selector=f"bench={self.name}", timeout_seconds=300
        )
        core.create_namespaced_pod(namespace, self._manifest())
        pod = next(event["object"] for event in pods if event["object"].status.pod_ip)
        self.uid, self._address = pod.metadata.uid, pod.status.pod_ip
        self.gateway = eventually(self._dial)

    def _manifest(self) -> client.V1Pod:
        uid = client.V1EnvVarSource(field_ref=client.V1ObjectFieldSelector(field_path="metadata.uid"))
        container = client.V1Container(
            name="function",
            image=self.image,
            image_pull_policy="IfNotPresent",
            env=[
                client.V1EnvVar(name="MAYFLY_INSTANCE_UID", value_from=uid),
                client.V1EnvVar(name="MAYFLY_PUBLIC_KEY", value=self._signer.modulus),
            ],
            resources={"requests": {"cpu": "100m", "memory": "64Mi"}},
        )
        spec = client.V1PodSpec(
            containers=[container],
            restart_policy="Never",
            enable_service_links=False,
            automount_service_account_token=False,
            termination_grace_period_seconds=0,
        )
        metadata = client.V1ObjectMeta(name=self.name, labels={"bench": self.name})
        return client.V1Pod(metadata=metadata, spec=spec)

    def _dial(self) -> Gateway | None:
        try:
            return Gateway((self._address, 8080))
        except OSError:
            return None

    def first_answer(self) -> float:
        """Seconds from the call that makes it a function's to the function's first answer."""
        code = json.dumps({"app.py": CODE}).encode()
        body, headers = self._specialise(code)
        began = time.perf_counter()
        done = self.gateway.call("POST", "/specialise", body, headers)
        assert done.status == 200, done
        self.ask(0)
        return time.perf_counter() - began

    def _specialise(self, code: bytes) -> tuple[bytes, dict[str, str]]:
        version = self.image.rpartition("python")[2].partition(":")[0]
        runtime = PodRuntime(name=f"python{version}", environment={"PYTHONPATH": "/var/runtime"})
        own = {
            "_HANDLER": "app.handler",
            "PWD": "/var/task",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime.name}",
        }
        instruction = json.dumps(
            {
                "token": "t",
                "function": {"name": "f", "version": "$LATEST", "memorySize": 1769, "timeout": 60},
                "command": ["/var/runtime/bootstrap"],
                "directory": "/var/task",
                "environment": {**defaults(runtime, PATHS), **own},
                "runtimeVersion": runtime.name,
                "code": {"format": "files", "sha256": hashlib.sha256(code).hexdigest()},
            }
        ).encode()
        permit = self._signer.permit(self.uid, instruction + code)
        length = str(len(instruction))
        return instruction + code, {
            "Authorization": f"Bearer {permit}",
            "Mayfly-Instruction-Length": length,
        }

    def ask(self, rounds: int) -> float:
        """Seconds that the interpreter takes to start there, the median of so many."""
        body = json.dumps({"rounds": rounds}).encode()
        lines = {
            "Authorization": "Bearer t",
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Invoked-Function-Arn": "arn",
            "Content-Length": str(len(body)),
        }
        self.gateway.send(head("POST", "/invoke", lines) + body)
        return float(json.loads(self.gateway.end(self.gateway.payload()).text))


def weight(processes: list[psutil.Process]) -> str:
    """The memory of all, and which process has how much."""
    sizes = spare_memory.weights(processes)
    return f"{sum(sizes):.1f} MB (PSS): " + " + ".join(f"{size:.1f}" for size in sizes)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", default=IMAGE)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    config.load_kube_config(os.environ.get("KUBECONFIG"))
    core, namespace = client.CoreV1Api(), f"bench-{uuid.uuid4().hex[:8]}"
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace)))
    signer = Signer()
    firsts, plains = [], []
    try:
        for number in range(options.rounds):
            pod = Waiting(core, namespace, options.image, signer)
            found = spare_memory.at_rest(pod.uid)
            if found and number == 0:
                print(f"a pod that waits: {weight(found)}")
            firsts.append(pod.first_answer() * 1000)
            plains.append(pod.ask(5) * 1000)
            core.delete_namespaced_pod(pod.name, namespace, grace_period_seconds=0)
            print(f"first answer {firsts[-1]:6.1f} ms, python3 -I -c pass {plains[-1]:6.1f} ms", flush=True)
    finally:
        core.delete_namespace(namespace)
    ratio = statistics.median(first / plain for first, plain in zip(firsts, plains, strict=True))
    print(f"p50 {statistics.median(firsts):.1f} ms, {ratio:.2f} times the interpreter's start")


if __name__ == "__main__":
    main()
