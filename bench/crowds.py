"""Measures many callers at once: how one function bears them, and what another one feels of them.

Called by `cluster.py`. Compared is within the run: more callers with fewer, and disturbed with undisturbed, in turn.
"""

import statistics
import threading

import claims
from installed import Caller, Cluster, at_once, figure, load, row, seconds, show

SECONDS = 4.0
TURNS = 3
CALLERS = (1, 16, 64)
SHORT = "import time\n\ndef handler(event, context):\n    time.sleep(0.001)\n"
BURSTS = 6


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
        middle, late = (statistics.median(each[name] for each in rounds) for name in ("p50", "p99"))
        row(f"{count} callers of 1 ms", f"{rates[-1]:8.0f} calls/s, {middle:.1f} ms p50, {late:.1f} ms p99")
        if count > 1:
            figure(f"p99 / p50, {count} callers", late / middle, most=10)
            figure(f"calls/s with fewer / with {count} callers", rates[-2] / rates[-1], most=1)
            figure(f"instances for {count} callers", len(it.pods("short")), most=count)


def victim(it: Cluster) -> None:
    """Warm calls of one function alone, and while another one that is new is called by forty at once."""
    it.function("victim", SHORT, keepAlive=600)
    it.known("victim")
    caller = Caller(it)
    caller.call("victim")
    alone: list[float] = []
    disturbed: list[float] = []
    for number in range(BURSTS):
        name = f"storm-{number}"
        it.function(name, claims.CODE, keepAlive=1, memorySize=128)
        it.known(name)
        claims.grow(it, f"grow-{number}")
        it.filled(claims.WAITING)
        storm = [Caller(it) for _ in range(claims.CALLERS)]
        over = threading.Event()

        def rage(storm: list[Caller] = storm, name: str = name, over: threading.Event = over) -> None:
            at_once(lambda each=each: each.call(name, {"sleep": 0.005}) for each in storm)
            over.set()

        raging = threading.Thread(target=rage)
        raging.start()
        before = len(disturbed)
        while not over.is_set():
            disturbed.append(seconds(lambda: caller.call("victim")))
        raging.join()
        alone += [seconds(lambda: caller.call("victim")) for _ in range(len(disturbed) - before)]
    show("warm calls of a function alone", alone, digits=2)
    show("warm calls of it while forty call another one", disturbed, digits=2)
    figure("disturbed / alone, p95", claims.late(disturbed) / claims.late(alone), most=1.3)
