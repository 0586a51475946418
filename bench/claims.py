"""Measures first calls through the gateway: by a pod that waits, of a function that imports much, provisioned; a burst.

Called by `cluster.py`. Beside each first call stands what it is compared with, in the same pod right after.
"""

import statistics
import time

from installed import SETTLED, Caller, Cluster, at_once, figure, late, seconds, show

CALLERS, WAITING = 40, 10
PAUSE = 0.3
"""Seconds between calls of an instance that rests meanwhile."""
CODE = """
import time

def handler(event, context):
    if event and "sleep" in event:
        time.sleep(event["sleep"])
    return plain(event["run"]) if event and "run" in event else context.log_stream_name

def plain(run):
    import os, statistics, sys
    times = []
    for _ in range(run["rounds"]):
        began = time.perf_counter()
        os.waitpid(os.posix_spawn(sys.executable, ["python3", *run["words"]], os.environ), 0)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
"""
BOTO3 = """
import boto3

def handler(event, context):
    return imported() if event and "run" in event else None

def imported():
    import subprocess, sys
    timed = "import time; began = time.perf_counter(); import boto3; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", timed], capture_output=True, check=True).stdout)
"""


def pool(it: Cluster) -> bool:
    """Have a pool there, if this installation has such."""
    it.function("first", CODE)
    it.known("first")
    it.call("first")
    return it.filled(1)


def first_calls(it: Cluster, rounds: int) -> None:
    """Functions that are called for the first time, one after the other, beside the interpreter's start."""
    run = {"run": {"rounds": 5, "words": ["-I", "-c", "pass"]}}
    firsts, plains = _first_and_plain(it, "claim", CODE, rounds, run)
    show("python3 -I -c pass, in the function's pod", plains, digits=1)
    show("first call, by a pod that waits", firsts, digits=1)
    plain = statistics.median(plains)
    figure("first call / python3 -I -c pass, p50", statistics.median(firsts) / plain, most=1.5)
    figure("first call / python3 -I -c pass, p95", late(firsts) / plain, most=4)


def imports(it: Cluster, rounds: int) -> None:
    """The same where the function imports the AWS SDK, beside that import in a process of its own."""
    firsts, plains = _first_and_plain(it, "boto", BOTO3, rounds, {"run": True})
    show("import boto3 alone, in a process of its own", plains)
    show("first call of a function that imports boto3", firsts)
    figure(
        "first call / import boto3 alone, p50",
        statistics.median(firsts) / statistics.median(plains),
        most=1.15,
    )


def _first_and_plain(
    it: Cluster, prefix: str, code: str, rounds: int, event: object
) -> tuple[list[float], list[float]]:
    caller = Caller(it)
    firsts, plains = [], []
    for number in range(rounds):
        name = f"{prefix}-{number}"
        it.function(name, code, keepAlive=60, timeout=30)
        it.known(name)
        it.filled(1)
        firsts.append(seconds(lambda name=name: caller.call(name)))
        it.filled(1)
        plains.append(float(str(caller.call(name, event))))
        it.delete(name)
    return firsts, plains


def provisioned(it: Cluster, rounds: int) -> None:
    """First calls of instances that were initialised ahead, beside their next ones after as long a rest."""
    caller = Caller(it)
    firsts, nexts = [], []
    for number in range(rounds):
        name = f"ahead-{number}"
        it.function(name, publish="OnChange", memorySize=128)
        alias = {"functionName": name, "functionVersion": "1", "provisionedConcurrentExecutions": 1}
        it.create("Alias", f"{name}.live", alias)
        while not _available(it, f"{name}.live"):
            time.sleep(0.1)
        it.known(f"{name}:live")
        time.sleep(SETTLED)
        taken = [
            seconds(lambda name=name: caller.call(f"{name}:live")) for _ in range(8) if not time.sleep(PAUSE)
        ]
        firsts.append(taken[0])
        nexts += taken[1:]
        it.delete(name)
    show("warm call, after a rest", nexts, digits=1)
    show("first call of a provisioned instance", firsts, digits=1)
    figure(
        "first call provisioned / warm call, p50",
        statistics.median(firsts) / statistics.median(nexts),
        most=1.2,
    )


def _available(it: Cluster, alias: str) -> bool:
    told = it.read("Alias", alias).get("status", {}).get("provisionedConcurrency", {})
    return bool(told.get("available"))


def burst(it: Cluster) -> None:
    """Many calls at once of a function that nobody has called and that takes 5 ms, with ten pods that wait."""
    grow(it, "grow")
    it.function("burst", CODE, keepAlive=30, memorySize=128)
    it.known("burst")
    if not it.filled(WAITING):
        print("the pool does not grow to ten")
        return
    callers = [Caller(it) for _ in range(CALLERS)]
    taken, served = [0.0] * CALLERS, [""] * CALLERS

    def one(number: int) -> None:
        began = time.perf_counter()
        served[number] = str(callers[number].call("burst", {"sleep": 0.005}))
        taken[number] = time.perf_counter() - began

    at_once(lambda number=number: one(number) for number in range(CALLERS))
    began = time.monotonic()
    show(f"burst of {CALLERS} calls of 5 ms, ten pods wait", taken)
    figure("the last answer of the burst", max(taken), most=1, unit=" s")
    it.filled(WAITING)
    own = [each for each in it.pods("burst") if not each.metadata.name.startswith("pool-")]
    figure("pods that served it", len(set(served)), most=WAITING)
    figure("pods that were made for it", len(own), most=0)
    print(f"ten pods wait again after {time.monotonic() - began:.0f} s")


def grow(it: Cluster, prefix: str) -> None:
    """Have ten pods wait: so many a pool has where so many were taken at about the same time."""
    names = [f"{prefix}-{number}" for number in range(WAITING)]
    for name in names:
        it.function(name, CODE, keepAlive=1, memorySize=128)
    it.known(names[-1])
    at_once(lambda name=name: it.call(name) for name in names)
