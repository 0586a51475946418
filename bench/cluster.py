"""Measures Mayfly on a cluster: cold starts beside a bare pod and an interpreter, a burst, warm calls, and memory.

python bench/cluster.py [--rounds N] [PART ...]    (KUBECONFIG, an installed Mayfly, pods that this machine reaches)

Each round takes one figure of each kind, so that whatever else the machine does weighs on both alike.
"""

import argparse
import contextlib
import socket
import statistics
import time

import claims
import crowds
import spare_memory
from installed import SYSTEM, Caller, Cluster, installed, row, seconds, show
from kubernetes import client, watch

SERVER = """
import asyncio
async def main():
    async with await asyncio.start_server(lambda reader, writer: writer.close(), "0.0.0.0", 8080) as server:
        await server.serve_forever()
asyncio.run(main())
"""


def bare_pod(it: Cluster, name: str, image: str) -> float:
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
        it.core.list_namespaced_pod, it.namespace, label_selector=f"bare={name}", timeout_seconds=60
    )
    began = time.perf_counter()
    it.core.create_namespaced_pod(it.namespace, pod)
    address = next(event["object"].status.pod_ip for event in pods if event["object"].status.pod_ip)
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, 8080), 1):
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
        bare.append(bare_pod(it, f"bare-{number}", image))
        it.core.delete_namespaced_pod(f"bare-{number}", it.namespace, grace_period_seconds=0)
        cold.append(seconds(lambda number=number: it.call(f"cold-{number}")))
    show("bare pod, created to answering TCP", bare)
    show("cold start, a call to its answer", cold)
    row("cold start / bare pod, p50", f"{statistics.median(cold) / statistics.median(bare):8.2f}")


def warm_calls(it: Cluster, count: int = 500) -> None:
    """Calls one after the other over a kept connection, to each gateway: one owns the function, others forward."""
    it.function("warm", keepAlive=600)
    it.known("warm")
    it.call("warm")
    pods = it.core.list_namespaced_pod(SYSTEM, label_selector="app.kubernetes.io/component=gateway").items
    for pod in pods:
        caller = Caller(it, f"{pod.status.pod_ip}:8080")
        taken = [seconds(lambda caller=caller: caller.call("warm", {})) for _ in range(count)]
        show(f"warm call, by {pod.metadata.name[-5:]}", taken, digits=2)


def memory(it: Cluster, when: str) -> None:
    """Resident memory of the control plane's containers."""
    sizes = dict(it.resident())
    for name, size in sizes.items():
        row(f"memory {when}, {name}", f"{size:8d} MB")
    row(f"memory {when}, in all", f"{sum(sizes.values()):8d} MB")


def pools(it: Cluster, rounds: int) -> None:
    """What pods that wait are for, and what they cost."""
    if not claims.pool(it):
        print("no warm pools here: pools.enabled is false")
        return
    spare_memory.measure(it)
    claims.first_calls(it, rounds)
    claims.imports(it, max(rounds // 2, 1))
    claims.burst(it)


PARTS = {
    "cold": cold_starts,
    "pools": pools,
    "provisioned": lambda it, rounds: claims.provisioned(it, max(rounds // 2, 1)),
    "victim": lambda it, _: crowds.victim(it),
    "callers": lambda it, _: crowds.callers(it),
    "warm": lambda it, _: warm_calls(it),
    "memory": lambda it, _: many(it),
}


def many(it: Cluster) -> None:
    """The control plane's memory with few Functions and with many."""
    memory(it, "as it is")
    for number in range(300):
        it.function(f"many-{number}")
    it.known("many-299")
    memory(it, "with 300 Functions more")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named"
    )
    options = parser.parse_args()
    for part in options.parts or PARTS:
        with installed() as it:
            PARTS[part](it, options.rounds)


if __name__ == "__main__":
    main()
