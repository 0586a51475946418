"""Measures warm pools through the gateway: a first call that takes a pod which waits, and a burst of short calls.

Called by `cluster.py`. Beside each first call stands `python3 -I -c pass` of the image's interpreter, in the same pod
right after: what a process that does nothing takes there.
"""

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable
from typing import Protocol

from kubernetes import client

POOL = "mayfly.dev/pool"
SETTLED = 2.0
"""Seconds for which pods that wait have been running when one is taken: nothing of their start is measured."""
CALLERS = 40
CODE = """
import time

def handler(event, context):
    if "sleep" in event:
        time.sleep(event["sleep"])
    return interpreter(event["rounds"]) if event.get("rounds") else context.log_stream_name

def interpreter(rounds):
    import os, statistics, sys
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        os.waitpid(os.posix_spawn(sys.executable, ["python3", "-I", "-c", "pass"], os.environ), 0)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
"""


class Cluster(Protocol):
    """What is used of `cluster.py`'s."""

    namespace: str
    core: client.CoreV1Api
    gateway: str

    def function(self, name: str, **spec: object) -> None: ...
    def known(self, name: str) -> None: ...
    def delete(self, name: str) -> None: ...


class Caller:
    """A connection to the gateways that is kept."""

    def __init__(self, it: Cluster) -> None:
        self._connection = http.client.HTTPConnection(it.gateway.removeprefix("http://"))
        self._connection.connect()
        self._headers = {"X-Mayfly-Namespace": it.namespace}

    def call(self, name: str, event: object) -> object:
        """One invocation."""
        path = f"/2015-03-31/functions/{name}/invocations"
        self._connection.request("POST", path, json.dumps(event), self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200 or answer.getheader("X-Amz-Function-Error"):
            raise SystemExit(f"{name}: {answer.status} {content[:300]!r}")
        return json.loads(content)


def waiting(it: Cluster) -> list[client.V1Pod]:
    """The pods of pools that run."""
    pods = it.core.list_namespaced_pod(it.namespace, label_selector=POOL).items
    return [each for each in pods if each.status.phase == "Running" and not each.metadata.deletion_timestamp]


def filled(it: Cluster, count: int, *, within: float = 60.0) -> bool:
    """Wait until so many pods have been waiting for some time; False where they do not come."""
    end = time.monotonic() + within
    since = None
    while time.monotonic() < end:
        pods = it.core.list_namespaced_pod(it.namespace, label_selector=POOL).items
        starting = [each for each in pods if each.status.phase == "Pending"]
        ready = len(waiting(it)) >= count and not starting
        since = (since or time.monotonic()) if ready else None
        if since is not None and time.monotonic() - since >= SETTLED:
            return True
        time.sleep(0.2)
    return False


def first_calls(it: Cluster, rounds: int, show: Callable[[str, list[float]], None]) -> None:
    """Functions that are called for the first time, one after the other."""
    spec = {"code": {"inline": {"app.py": CODE}}, "keepAlive": 60, "timeout": 30, "memorySize": 512}
    it.function("first", **spec)
    it.known("first")
    caller = Caller(it)
    caller.call("first", {})
    if not filled(it, 1):
        print("no warm pools here: pools.enabled is false")
        return
    firsts, plains = [], []
    for number in range(rounds):
        name = f"claim-{number}"
        it.function(name, **spec)
        it.known(name)
        filled(it, 1)
        began = time.perf_counter()
        caller.call(name, {})
        firsts.append(time.perf_counter() - began)
        filled(it, 1)
        plains.append(float(str(caller.call(name, {"rounds": 5}))))
        it.delete(name)
    plain = statistics.median(plains)
    show("python3 -I -c pass, in the function's pod", plains)
    show("first call, by a pod that waits", firsts)
    late = sorted(firsts)[int(0.95 * len(firsts))]
    print(
        f"{'first call / python3 -I -c pass':45} {statistics.median(firsts) / plain:8.2f} p50 {late / plain:8.2f} p95"
    )


def burst(it: Cluster, show: Callable[[str, list[float]], None]) -> None:
    """Many calls at once of a function that nobody has called and that takes 5 ms, with ten pods that wait."""
    spec = {"code": {"inline": {"app.py": CODE}}, "keepAlive": 1, "memorySize": 128}
    for number in range(10):
        it.function(f"grow-{number}", **spec)
    it.function("burst", **spec | {"keepAlive": 30})
    it.known("burst")
    growing = [threading.Thread(target=Caller(it).call, args=(f"grow-{n}", {})) for n in range(10)]
    for thread in growing:
        thread.start()
    for thread in growing:
        thread.join()
    if not filled(it, 10):
        print("the pool does not grow to ten")
        return
    callers = [Caller(it) for _ in range(CALLERS)]
    taken, served = [0.0] * CALLERS, [""] * CALLERS

    def one(number: int) -> None:
        began = time.perf_counter()
        served[number] = str(callers[number].call("burst", {"sleep": 0.005}))
        taken[number] = time.perf_counter() - began

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pods = it.core.list_namespaced_pod(it.namespace, label_selector="mayfly.dev/function=burst").items
    own = [each for each in pods if not each.metadata.name.startswith("pool-")]
    show(f"burst of {CALLERS} calls of 5 ms, ten pods wait", taken)
    print(f"{'the last answer of the burst':45} {max(taken) * 1000:8.0f} ms")
    print(f"{'pods that it used, and that it asked for':45} {len(set(served)):8d} {len(own):8d}")
