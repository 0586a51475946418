"""An installed Mayfly as the benches use it: objects in a namespace of the run, calls, and one way to print figures."""

import ast
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from kubernetes import client, config

SYSTEM = "mayfly-system"
POOL = "mayfly.dev/pool"
SETTLED = 2.0
"""Seconds for which pods that wait have been running when one is taken: nothing of their start is measured."""
CODE = {"runtime": "python3.13", "handler": "app.handler", "memorySize": 1769}
HELLO = "def handler(event, context):\n    return event\n"
WIDTH = 62
LOAD = [sys.executable, str(Path(__file__).with_name("load.py"))]


class Cluster:
    """The API, a namespace for the run, and the address of the gateways."""

    def __init__(self, namespace: str) -> None:
        config.load_kube_config(os.environ.get("KUBECONFIG"))
        self.namespace = namespace
        self.core = client.CoreV1Api()
        self.objects = client.CustomObjectsApi()
        service = self.core.read_namespaced_service("mayfly-gateway", SYSTEM)
        self.gateway = f"http://{service.spec.cluster_ip}:{service.spec.ports[0].port}"

    def function(self, name: str, code: str = HELLO, **spec: object) -> None:
        """Create a Function."""
        self.create("Function", name, CODE | {"code": {"inline": {"app.py": code}}} | spec)

    def create(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Create an object of a kind of Mayfly's."""
        body = {"apiVersion": "mayfly.dev/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.objects.create_namespaced_custom_object(
            "mayfly.dev", "v1beta1", self.namespace, _plural(kind), body
        )

    def read(self, kind: str, name: str) -> dict[str, Any]:
        """An object of a kind of Mayfly's."""
        found: dict[str, Any] = self.objects.get_namespaced_custom_object(
            "mayfly.dev", "v1beta1", self.namespace, _plural(kind), name
        )
        return found

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
        request = urllib.request.Request(self.url(name), data=b'{"a": 1}', headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            body: bytes = answer.read()
            return body

    def url(self, name: str) -> str:
        """Where a function is called."""
        return f"{self.gateway}{path(name)}"

    def known(self, name: str) -> None:
        """Wait until the gateways know the function.

        Raises:
            TimeoutError: they do not within a minute.
        """
        until, agreed = time.monotonic() + 60, 0
        while agreed < 12:
            if time.monotonic() > until:
                raise TimeoutError(f"the gateways do not know {name}")
            try:
                self.call(name, dry=True)
                agreed += 1
            except urllib.error.HTTPError:
                time.sleep(0.01)

    def pods(self, function: str) -> list[client.V1Pod]:
        """The pods of a function."""
        selector = f"mayfly.dev/function={function}"
        found: list[client.V1Pod] = self.core.list_namespaced_pod(
            self.namespace, label_selector=selector
        ).items
        return found

    def waiting(self) -> list[client.V1Pod]:
        """The pods of pools that run."""
        pods = self.core.list_namespaced_pod(self.namespace, label_selector=POOL).items
        return [
            each for each in pods if each.status.phase == "Running" and not each.metadata.deletion_timestamp
        ]

    def filled(self, count: int, *, within: float = 60.0) -> bool:
        """Wait until so many pods have been waiting for some time; False where they do not come."""
        end = time.monotonic() + within
        since = None
        while time.monotonic() < end:
            pods = self.core.list_namespaced_pod(self.namespace, label_selector=POOL).items
            starting = [each for each in pods if each.status.phase == "Pending"]
            ready = len(self.waiting()) >= count and not starting
            since = (since or time.monotonic()) if ready else None
            if since is not None and time.monotonic() - since >= SETTLED:
                return True
            time.sleep(0.2)
        return False

    def image(self) -> str:
        """The image of the runtime that is measured."""
        runtimes = self.core.read_namespaced_config_map("mayfly-runtimes", SYSTEM).data["runtimes.yaml"]
        entries = [line for line in runtimes.splitlines() if "image:" in line and "python3.13" in line]
        return entries[0].split("image:")[1].split(",")[0].strip(" \"'}")

    def resident(self) -> Iterator[tuple[str, int]]:
        """Names and resident memory in MB of the control plane's pods, as each node's kubelet says."""
        for node in self.core.list_node().items:
            summary = self.core.connect_get_node_proxy_with_path(node.metadata.name, "stats/summary")
            for pod in ast.literal_eval(summary)["pods"]:
                if pod["podRef"]["namespace"] == SYSTEM:
                    size = sum(each["memory"]["rssBytes"] for each in pod["containers"])
                    yield pod["podRef"]["name"], size // 2**20


class Caller:
    """A connection to the gateways, or to one of them, that is kept."""

    def __init__(self, it: Cluster, address: str | None = None) -> None:
        self._connection = http.client.HTTPConnection(address or it.gateway.removeprefix("http://"))
        self._connection.connect()
        self._headers = {"X-Mayfly-Namespace": it.namespace}

    def call(self, name: str, event: object = None) -> object:
        """One invocation."""
        self._connection.request("POST", path(name), json.dumps(event), self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200 or answer.getheader("X-Amz-Function-Error"):
            raise SystemExit(f"{name}: {answer.status} {content[:300]!r}")
        return json.loads(content)


@contextlib.contextmanager
def installed() -> Iterator[Cluster]:
    """A cluster with a namespace that goes with the run."""
    it = Cluster(f"bench-{uuid.uuid4().hex[:8]}")
    it.core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=it.namespace)))
    try:
        yield it
    finally:
        it.core.delete_namespace(it.namespace)


def load(it: Cluster, name: str, callers: int, span: float) -> dict[str, float]:
    """Each of so many callers calls as soon as it was answered, over a connection that is kept, for `span` seconds."""
    with loading(it, name, callers, span) as told:
        return {figure: float(value) for figure, value in told().items()}


@contextlib.contextmanager
def loading(
    it: Cluster, name: str, callers: int, span: float, *options: str
) -> Iterator[Callable[[], dict[str, Any]]]:
    """The same, while something else is done; what is yielded waits for the end, and gives what `load.py` says."""
    address = it.url(name).replace("://", f"://{it.namespace}@")
    words = [*LOAD, *options, str(span), *[address] * callers]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        yield lambda: dict(json.loads(running.communicate()[0]))


def path(name: str) -> str:
    """Where a function is called, `name` being with its qualifier if need be."""
    return f"/2015-03-31/functions/{name}/invocations"


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def at_once(works: Iterable[Callable[[], object]]) -> None:
    """Do all of it in threads, and wait for it."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def late(taken: list[float], share: float = 0.95) -> float:
    """What all but a few are below."""
    return sorted(taken)[int(share * len(taken))]


def show(what: str, taken: list[float], *, digits: int = 0) -> None:
    """One row, in milliseconds."""
    middle, slow = (value * 1000 for value in (statistics.median(taken), late(taken)))
    row(what, f"{middle:8.{digits}f} ms p50 {slow:8.{digits}f} ms p95")


def figure(what: str, found: float, *, most: float, unit: str = "") -> None:
    """One row with what it may be at most."""
    verdict = "" if found <= most else "  MISSED"
    digits = 0 if float(found).is_integer() and float(most).is_integer() else 2
    row(what, f"{found:8.{digits}f}{unit} of at most {most:g}{unit}{verdict}")


def row(what: str, told: str) -> None:
    """One row."""
    print(f"{what:{WIDTH}} {told}", flush=True)


def _plural(kind: str) -> str:
    return "aliases" if kind == "Alias" else f"{kind.lower()}s"
