"""The pods of one Version and the launches that wait for one: state and decisions alone, no clock and no I/O.

Rule: a pod has one user. Pods are asked for only for launches that wait, over and above those that are there: the
number that is wanted is what is used, what could be used at once, and one for each launch that waits or pod that
starts, whichever is more. An instance that is to end is counted no more before it ends, so that nobody replaces it.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from mayfly_gateway.backends.kubernetes.pods import Pod, Trouble

PATIENCE = 1.5
"""Seconds that a launch waits for a trouble that was there before it to be over."""
LOST_FOR = 2.0
"""Seconds after which a pod that was lost and has not ended is to be deleted."""
TROUBLED_FOR = 30.0
"""Seconds that a pod which cannot start and which nobody waits for is kept, for the trouble may pass."""


_SHORTEST, _UNNEEDED = 2.0, 10.0
"""Seconds that a bare pod is kept at least, for it may have come just after whom it was for gave up, and at most: it
saves a later call less than a pod that waits in a pool, and a claim there may have made it needless."""


class State(Enum):
    """What a pod is to us."""

    STARTING = auto()
    UNKNOWN = auto()
    """It ran when it was first seen: it may be bare, or the work of another gateway."""
    PROBED = auto()
    """It was asked, or is used since it has answered."""
    BARE = auto()
    """It runs and is nobody's."""
    USED = auto()
    LEAVING = auto()
    """It is counted no more, so that it can be told to close."""
    ENDING = auto()
    """It has closed, and nothing runs in it."""
    LOST = auto()
    """It is of no use, and should have ended."""


_QUIET = (State.PROBED, State.USED)
_COUNTED = (State.UNKNOWN, State.PROBED, State.BARE, State.USED)


@dataclass(slots=True)
class Placed:
    """A pod and its state, with the loop's time since when it is in it.

    `asked`: it was bare and of no use, and is asked whether it is bare still.
    """

    pod: Pod
    state: State
    since: float
    troubled_since: float | None = None
    asked: bool = False


@dataclass(slots=True, eq=False)
class Waiter:
    """A launch that waits for a pod."""

    pod: asyncio.Future[Pod]
    since: float


class Placement:
    """One Version whose function this gateway owns."""

    def __init__(self, revision: str, keep_alive: float) -> None:
        self.revision = revision
        self.keep_alive = keep_alive
        self.waiting: deque[Waiter] = deque()
        self.placed: dict[str, Placed] = {}
        self._blocked: tuple[Trouble, float] | None = None
        self._crashes = 0

    # What is seen.

    def see(self, pod: Pod, now: float) -> None:
        """Take over a pod as it is now."""
        placed = self.placed.get(pod.uid)
        if pod.ended or (pod.leaving and (placed is None or placed.state is not State.USED)):
            self.forget(pod.uid)
            if placed is not None and placed.state is State.STARTING and pod.trouble is not None:
                self._crashed(pod.trouble, now)
            return
        found_running = placed is None
        if placed is None:
            placed = self.placed[pod.uid] = Placed(pod, State.STARTING, now)
        placed.pod = pod
        placed.troubled_since = (placed.troubled_since or now) if pod.trouble is not None else None
        if placed.state is State.STARTING and pod.running:
            self._crashes = 0
            self._change(placed, State.UNKNOWN if found_running else State.BARE, now)

    def claim(self, pod: Pod, state: State, now: float) -> None:
        """Take in a pod that was claimed from a pool. It is not counted until it is labelled as the Version's."""
        self.placed[pod.uid] = Placed(pod, state, now)

    def forget(self, uid: str) -> None:
        """The pod is no more."""
        self.placed.pop(uid, None)

    def block(self, trouble: Trouble | None, now: float) -> None:
        """Note that no pod can be had, or, with None, that pods can."""
        if trouble is None or self._blocked is None or self._blocked[0] != trouble:
            self._blocked = None if trouble is None else (trouble, now)

    def mark(self, uid: str, state: State, now: float) -> None:
        """Note what became of a pod; one that is gone stays gone."""
        placed = self.placed.get(uid)
        if placed is not None and placed.state is not state and placed.state is not State.LOST:
            self._change(placed, state, now)

    def _crashed(self, trouble: Trouble, now: float) -> None:
        """A pod ended before it was of use. One is an accident, such as a drained node, and is replaced."""
        self._crashes += 1
        if self._crashes > 1:
            self.block(trouble, now)

    # What follows.

    def match(self, now: float) -> list[tuple[Waiter, Pod]]:
        """Give the launches that wait the pods that run for nobody, the one that has waited longest first."""
        given = []
        free = [each for each in self.placed.values() if each.state is State.BARE and self._current(each)]
        while free and self.waiting:
            placed, waiter = free.pop(0), self.waiting.popleft()
            placed.asked = False
            self._change(placed, State.USED, now)
            given.append((waiter, placed.pod))
        return given

    def to_probe(self, now: float) -> list[Pod]:
        """The pods to ask what they are; of another content too, for they may be another gateway's and busy.

        So may be what was bare: another gateway may take itself for the owner, and use it.
        """
        placed = self.placed.values()
        unknown = [each for each in placed if each.state is State.UNKNOWN or self._superfluous(each, now)]
        for each in unknown:
            each.asked = each.state is State.BARE
            self._change(each, State.PROBED, now)
        return [each.pod for each in unknown]

    def hopeless(self, now: float) -> tuple[list[Waiter], Trouble | None]:
        """Take out the launches for which no pod will come, and why."""
        healthy = sum(1 for each in self._starting() if self._settled(each, now) is None)
        settled = (self._settled(each, now) for each in self._starting())
        trouble = next((each for each in settled if each is not None), None)
        over: list[Waiter] = []
        # From the end: the others have waited longer, and there are pods for so many of them.
        while len(self.waiting) > healthy:
            waiter = self.waiting[-1]
            why = trouble or self._blocking(waiter, now)
            if why is None:
                break
            trouble = why
            over.append(self.waiting.pop())
        return over, trouble

    def surplus(self, now: float) -> list[Pod]:
        """The pods that the operator is to delete, for they are of no use and cannot be told so; they are then lost."""
        useless = [each for each in self.placed.values() if self._useless(each, now)]
        for placed in useless:
            placed.state = State.LOST
        return [placed.pod for placed in useless]

    def wanted(self) -> int:
        """How many pods of the present content there should be."""
        counted = sum(1 for each in self.placed.values() if each.state in _COUNTED and self._alive(each))
        return counted + max(len(self.waiting), len(self._starting()))

    @property
    def restless(self) -> bool:
        """Whether time alone may change something here."""
        return bool(self.waiting) or any(each.state not in _QUIET for each in self.placed.values())

    def _starting(self) -> list[Placed]:
        return [each for each in self.placed.values() if each.state is State.STARTING and self._alive(each)]

    def _current(self, placed: Placed) -> bool:
        return placed.pod.revision == self.revision

    def _alive(self, placed: Placed) -> bool:
        return self._current(placed) and not placed.pod.leaving and not placed.pod.pool

    @staticmethod
    def _settled(placed: Placed, now: float) -> Trouble | None:
        trouble, since = placed.pod.trouble, placed.troubled_since
        return trouble if trouble and since is not None and now - since >= trouble.after else None

    def _blocking(self, waiter: Waiter, now: float) -> Trouble | None:
        if self._blocked is None:
            return None
        trouble, since = self._blocked
        return trouble if since > waiter.since or now - waiter.since >= PATIENCE else None

    def _useless(self, placed: Placed, now: float) -> bool:
        age, current = now - placed.since, self._current(placed)
        match placed.state:
            case State.STARTING:
                troubled = placed.troubled_since is not None and now - placed.troubled_since >= TROUBLED_FOR
                return not current or (troubled and not self.waiting)
            case State.BARE:
                return placed.asked
            case State.ENDING:
                # A launch need not wait for its end, which may take a second to be known.
                return current and len(self.waiting) > len(self._starting())
            case State.LOST:
                return age > LOST_FOR
            case _:
                return False

    def _superfluous(self, placed: Placed, now: float) -> bool:
        """Whether it is bare, nobody needs it, and nobody has asked it again."""
        if placed.state is not State.BARE or placed.asked:
            return False
        return not self._current(placed) or now - placed.since > min(
            max(self.keep_alive, _SHORTEST), _UNNEEDED
        )

    @staticmethod
    def _change(placed: Placed, state: State, now: float) -> None:
        placed.state, placed.since = state, now
