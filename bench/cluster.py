"""Measures Mayfly on a cluster: cold starts beside a bare pod and an interpreter, a burst, warm calls, and memory.

python bench/cluster.py [--rounds N]     (KUBECONFIG, an installed Mayfly, and pods that this machine reaches)

Each round takes one figure of each kind, so that whatever else the machine does weighs on both alike.
"""

import argparse
import ast
import contextlib
import http.client
import os
import socket
import statistics
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator

import claims
from kubernetes import client, config, watch

SYSTEM = "mayfly-system"
CODE = {"runtime": "python3.13", "handler": "app.handler", "memorySize": 1769}
SERVER = """
import asyncio
async def main():
    async with await asyncio.start_server(lambda reader, writer: writer.close(), "0.0.0.0", 8080) as server:
        await server.serve_forever()
asyncio.run(main())
"""
HELLO = "def handler(event, context):\n    return event\n"


class Cluster:
    """The API, a namespace for the run, and the address of the gateways."""

    def __init__(self, namespace: str) -> None:
        config.load_kube_config(os.environ.get("KUBECONFIG"))
        self.namespace = namespace
        self.core = client.CoreV1Api()
        self.objects = client.CustomObjectsApi()
        service = self.core.read_namespaced_service("mayfly-gateway", SYSTEM)
        self.gateway = f"http://{service.spec.cluster_ip}:{service.spec.ports[0].port}"

    def function(self, name: str, **spec: object) -> None:
        """Create a Function."""
        body = {
            "apiVersion": "mayfly.dev/v1beta1",
            "kind": "Function",
            "metadata": {"name": name},
            "spec": CODE | {"code": {"inline": {"app.py": HELLO}}} | spec,
        }
        self.objects.create_namespaced_custom_object(
            "mayfly.dev", "v1beta1", self.namespace, "functions", body
        )

    def delete(self, name: str) -> None:
        """Delete a Function."""
        self.objects.delete_namespaced_custom_object(
            "mayfly.dev", "v1beta1", self.namespace, "functions", name
        )

    def call(self, name: str, *, dry: bool = False) -> bytes:
        """One invocation over a new connection."""
        headers = {"X-Mayfly-Namespace": self.namespace} | (
            {"X-Amz-Invocation-Type": "DryRun"} if dry else {}
        )
        url = f"{self.gateway}/2015-03-31/functions/{name}/invocations"
        request = urllib.request.Request(url, data=b'{"a": 1}', headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            body: bytes = answer.read()
            return body

    def known(self, name: str) -> None:
        """Wait until the gateways know the function."""
        for _ in range(12):
            while True:
                with contextlib.suppress(urllib.error.HTTPError):
                    self.call(name, dry=True)
                    break

    def image(self) -> str:
        """The image of the runtime that is measured."""
        runtimes = self.core.read_namespaced_config_map("mayfly-runtimes", SYSTEM).data["runtimes.yaml"]
        entries = [line for line in runtimes.splitlines() if "image:" in line and "python3.13" in line]
        return entries[0].split("image:")[1].split(",")[0].strip(" \"'}")

    def bare_pod(self, name: str, image: str) -> float:
        """Seconds from the creation of a pod of this image until it answers TCP."""
        container = client.V1Container(
            name="bare",
            image=image,
            image_pull_policy="IfNotPresent",
            command=["python3", "-c", SERVER],
            resources={
                "requests": {"cpu": "100m", "memory": "1769Mi"},
                "limits": {"cpu": "1", "memory": "1769Mi"},
            },
        )
        spec = client.V1PodSpec(
            containers=[container],
            restart_policy="Never",
            enable_service_links=False,
            automount_service_account_token=False,
            termination_grace_period_seconds=0,
        )
        pod = client.V1Pod(metadata=client.V1ObjectMeta(name=name, labels={"bare": name}), spec=spec)
        pods = watch.Watch().stream(
            self.core.list_namespaced_pod, self.namespace, label_selector=f"bare={name}", timeout_seconds=60
        )
        began = time.perf_counter()
        self.core.create_namespaced_pod(self.namespace, pod)
        address = next(event["object"].status.pod_ip for event in pods if event["object"].status.pod_ip)
        while True:
            with contextlib.suppress(OSError), socket.create_connection((address, 8080), 1):
                return time.perf_counter() - began


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster with a namespace that goes with the run."""
    it = Cluster(f"bench-{uuid.uuid4().hex[:8]}")
    it.core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=it.namespace)))
    try:
        yield it
    finally:
        it.core.delete_namespace(it.namespace)


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def cold_starts(it: Cluster, rounds: int) -> None:
    """A function's first call on a new pod, beside a bare pod of the same image."""
    image = it.image()
    for number in range(rounds):
        # So much space no pod that waits has: none of them is taken for it.
        it.function(f"cold-{number}", ephemeralStorage={"size": 513}, keepAlive=1)
    it.known(f"cold-{rounds - 1}")
    bare, cold = [], []
    for number in range(rounds):
        bare.append(it.bare_pod(f"bare-{number}", image))
        it.core.delete_namespaced_pod(f"bare-{number}", it.namespace, grace_period_seconds=0)
        cold.append(seconds(lambda number=number: it.call(f"cold-{number}")))
    show("bare pod, created to answering TCP", bare)
    show("cold start, a call to its answer", cold)
    print(f"{'cold start / bare pod, p50':45} {statistics.median(cold) / statistics.median(bare):8.2f}")


def warm_calls(it: Cluster, count: int = 500) -> None:
    """Calls one after the other over a kept connection, to each gateway: one owns the function, others forward."""
    it.function("warm", keepAlive=600)
    it.known("warm")
    it.call("warm")
    pods = it.core.list_namespaced_pod(SYSTEM, label_selector="app.kubernetes.io/component=gateway").items
    headers = {"X-Mayfly-Namespace": it.namespace}
    for pod in pods:
        connection = http.client.HTTPConnection(pod.status.pod_ip, 8080)
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            connection.request("POST", "/2015-03-31/functions/warm/invocations", b"{}", headers)
            connection.getresponse().read()
            taken.append(time.perf_counter() - began)
        show(f"warm call, by {pod.metadata.name[-5:]}", taken, digits=2)


def memory(it: Cluster, when: str) -> None:
    """Resident memory of the control plane's containers, as each node's kubelet says."""
    total = 0
    for node in it.core.list_node().items:
        summary = it.core.connect_get_node_proxy_with_path(node.metadata.name, "stats/summary")
        for pod in ast.literal_eval(summary)["pods"]:
            if pod["podRef"]["namespace"] == SYSTEM:
                size = sum(each["memory"]["rssBytes"] for each in pod["containers"]) // 2**20
                total += size
                print(f"{f'memory {when}, ' + pod['podRef']['name'][:24]:45} {size:8d} MB")
    print(f"{f'memory {when}, in all':45} {total:8d} MB")


def show(what: str, taken: list[float], *, digits: int = 0) -> None:
    """One row, in milliseconds."""
    taken = sorted(taken)
    middle, late = (value * 1000 for value in (statistics.median(taken), taken[int(0.95 * len(taken))]))
    print(f"{what:45} {middle:8.{digits}f} ms p50 {late:8.{digits}f} ms p95")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with cluster() as it:
        memory(it, "idle")
        cold_starts(it, options.rounds)
        claims.first_calls(it, options.rounds, show)
        claims.burst(it, show)
        warm_calls(it)
        for number in range(300):
            it.function(f"many-{number}")
        it.known("many-299")
        memory(it, "with 300 Functions")


if __name__ == "__main__":
    main()
