"""The memory of pods that wait, where this machine is their node and lets their processes be looked into."""

import contextlib
import time
from pathlib import Path

import psutil
from installed import Cluster, figure

MEGABYTE = 1e6
IDLE, UNSEEN = 0.3, 5.0
"""Seconds without work after which a pod has started, and for one that cannot be watched."""


def of_pod(uid: str) -> list[psutil.Process]:
    """The agent of a pod and what it started, where this machine can see them."""
    name = f"pod{uid.replace('-', '_')}"
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            cgroup = Path(f"/proc/{process.pid}/cgroup").read_text().replace("-", "_")
            if name in cgroup and "pause" not in process.name():
                found.append(process)
    return found


def at_rest(uid: str) -> list[psutil.Process]:
    """Its processes, once they have done what they do at their start; none where they cannot be seen."""
    before, processes = -1.0, of_pod(uid)
    if not processes:
        time.sleep(UNSEEN)
    while processes and (now := sum(sum(each.cpu_times()[:2]) for each in processes)) != before:
        before = now
        time.sleep(IDLE)
        processes = of_pod(uid)
    return processes


def weights(processes: list[psutil.Process]) -> list[float]:
    """The memory of each in MB, what it shares with others in proportion (PSS)."""
    return [each.memory_full_info().pss / MEGABYTE for each in processes]


def measure(it: Cluster) -> None:
    """Print it, of one of the pods that wait."""
    found = at_rest(it.waiting()[0].metadata.uid)
    if found:
        figure(
            "memory of a pod that waits (PSS of all its processes)", sum(weights(found)), most=32, unit=" MB"
        )
