"""Measures many callers at once: how one function bears them, and what another one feels of them.

Called by `cluster.py`. Compared is within the run: more callers with fewer, and disturbed with undisturbed, in turn.
"""

import statistics
import time
from functools import partial

import claims
from installed import Caller, Cluster, at_once, figure, late, load, loading, row, show

SECONDS = 4.0
TURNS = 3
CALLERS = (1, 16, 64)
SHORT = "import time\n\ndef handler(event, context):\n    time.sleep(0.001)\n"
MIDDLING = "import time\n\ndef handler(event, context):\n    time.sleep(0.02)\n"
VICTIMS, BURSTS = 4, 8


def callers(it: Cluster) -> None:
    """A function that takes 1 ms, called without a break by few and by many over connections that are kept."""
    it.function("short", SHORT, keepAlive=600, memorySize=128)
    it.known("short")
    rates = []
    for count in CALLERS:
        # Instances come step by step.
        load(it, "short", count, 2 * SECONDS)
        rounds = [load(it, "short", count, SECONDS) for _ in range(TURNS)]
        rates.append(statistics.median(each["requests"] / each["seconds"] for each in rounds))
        middle, slow = (statistics.median(each[name] for each in rounds) for name in ("p50", "p99"))
        row(f"{count} callers of 1 ms", f"{rates[-1]:8.0f} calls/s, {middle:.1f} ms p50, {slow:.1f} ms p99")
        if count > 1:
            figure(f"p99 / p50, {count} callers", slow / middle, most=10)
            figure(f"calls/s with fewer / with {count} callers", rates[-2] / rates[-1], most=1)
            figure(f"instances for {count} callers", len(it.pods("short")), most=count)


def victim(it: Cluster) -> None:
    """Warm calls of a function that takes 20 ms, before and while another, new one is called by forty at once."""
    it.function("victim", MIDDLING, keepAlive=600)
    it.known("victim")
    load(it, "victim", VICTIMS, SECONDS)
    alone: list[float] = []
    disturbed: list[float] = []
    for number in range(BURSTS):
        name = f"storm-{number}"
        it.function(name, claims.CODE, keepAlive=1, memorySize=128)
        it.known(name)
        claims.grow(it, f"grow-{number}")
        it.filled(claims.WAITING)
        storm = [Caller(it) for _ in range(claims.CALLERS)]
        with loading(it, "victim", VICTIMS, SECONDS, "--each") as told:
            time.sleep(SECONDS / 2)
            begin = time.perf_counter()
            at_once(partial(each.call, name, {"sleep": 0.005}) for each in storm)
            end = time.perf_counter()
            for at, took in told()["each"]:
                if at + took < begin:
                    alone.append(took)
                elif at < end:
                    disturbed.append(took)
    show("warm calls of a function of 20 ms, alone", alone, digits=1)
    show("warm calls of it while forty call another one", disturbed, digits=1)
    figure("disturbed / alone, p95", late(disturbed) / late(alone), most=1.3)
