"""The pods that wait in warm pools, and which of them this gateway tries to claim. State alone, no clock and no I/O.

Rule: the agent in a pod is the arbiter of whose it is. What is kept here only says which are worth asking: one that is
being claimed from here is asked once, and one that gave no good answer not before it has said again that it is free.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from mayfly_gateway.backends.kubernetes.pods import Pod

SETTLED = 1.0
"""Seconds after which the agent of a pod that runs surely listens."""

Key = tuple[str, str]
"""Namespace and runtime."""


class Standing(Enum):
    """What a pod that waits is to us."""

    FREE = auto()
    TAKEN = auto()
    """A launch of ours is claiming it."""
    DOUBTFUL = auto()
    """Somebody has it, or something is wrong with it."""
    CLAIMED = auto()
    """It is ours, and not labelled yet."""


@dataclass(slots=True)
class Waiting:
    """A pod of a pool; `running_since` and `asked` are the loop's times."""

    pod: Pod
    standing: Standing
    running_since: float | None
    asked: float
    strange: int = 0
    """How often in a row it said that it is an instance of a Version which is not there."""


class Pools:
    """All of them. A pod that may just be becoming another gateway's is let alone for `doubt` seconds."""

    def __init__(self, *, doubt: float) -> None:
        self._doubt = doubt
        self._pools: dict[Key, dict[str, Waiting]] = {}
        self._pods: dict[str, Waiting] = {}

    def see(self, pod: Pod, now: float) -> None:
        """Take over a pod as it is now."""
        if pod.ended or pod.leaving:
            self.forget(pod.uid)
            return
        waiting = self._pods.get(pod.uid)
        if waiting is None:
            waiting = self._pods[pod.uid] = Waiting(pod, Standing.FREE, None, now)
            self._pools.setdefault((pod.namespace, pod.pool), {})[pod.uid] = waiting
        waiting.pod = pod
        if pod.running and waiting.running_since is None:
            waiting.running_since = now

    def forget(self, uid: str) -> None:
        """The pod is no more, or waits no more."""
        waiting = self._pods.pop(uid, None)
        if waiting is not None:
            key = (waiting.pod.namespace, waiting.pod.pool)
            del self._pools[key][uid]
            if not self._pools[key]:
                del self._pools[key]

    def here(self, uid: str) -> bool:
        """Whether the pod is there, runs and waits."""
        return uid in self._pods

    def spare(self, key: Key) -> int:
        """How many pods could be claimed now."""
        return len(self._free(key)) if key in self._pools else 0

    def pods(self, key: Key) -> list[Pod]:
        """Every pod of a pool."""
        return [each.pod for each in self._pools.get(key, {}).values()]

    def take(self, key: Key, by: str, now: float) -> Waiting | None:
        """A pod to claim, if there is one; functions, named by `by`, choose in different orders."""
        free = self._free(key)
        if not free:
            return None
        chosen = min(
            free, key=lambda each: (not settled(each, now), zlib.crc32((by + each.pod.uid).encode()))
        )
        chosen.standing = Standing.TAKEN
        return chosen

    def mark(self, uid: str, standing: Standing) -> None:
        """Note what became of a pod; one that is gone stays gone."""
        waiting = self._pods.get(uid)
        if waiting is not None:
            waiting.standing = standing

    def to_ask(self, now: float, held: Callable[[str], bool]) -> list[Waiting]:
        """The pods to ask whose they are; those that are `held` are known to be ours."""
        found = [each for each in self._pods.values() if self._may_be_asked(each, now, held)]
        for waiting in found:
            waiting.asked = now
        return found

    def _may_be_asked(self, waiting: Waiting, now: float, held: Callable[[str], bool]) -> bool:
        since = waiting.running_since
        if since is None or waiting.standing is Standing.TAKEN:
            return False
        if waiting.standing is Standing.CLAIMED and held(waiting.pod.uid):
            return False
        return now - since >= self._doubt and now - waiting.asked >= 2 * self._doubt

    def _free(self, key: Key) -> list[Waiting]:
        """Of the template that the youngest has: the others are made of what is no more."""
        pods = self._pools.get(key, {}).values()
        youngest = max(pods, key=lambda each: (each.pod.created, each.pod.uid), default=None)
        return [
            each
            for each in pods
            if each.standing is Standing.FREE
            and each.pod.running
            and youngest is not None
            and each.pod.template == youngest.pod.template
        ]


def settled(waiting: Waiting, now: float) -> bool:
    """Whether its agent surely listens by now."""
    return waiting.running_since is not None and now - waiting.running_since >= SETTLED
