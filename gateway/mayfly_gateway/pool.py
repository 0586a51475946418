"""The instances of one function version and the calls that wait for one: state alone, no clock and no I/O.

Rule: an instance has at most one invocation, a waiting call takes the first instance that is free, the most
recently used one is taken first so that the others may grow old, and nothing is routed to an instance of
another content than the pool's.
"""

from collections import deque

from mayfly_gateway.catalogue import Target
from mayfly_gateway.live import SHARED, Invocation, Launch, LiveInstance
from mayfly_gateway.provision import Load, Provision
from mayfly_gateway.scaling import Coming, Estimates, Starts, shortfall
from mayfly_model.errors import LambdaError

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0


class Pool:
    """One function version at work."""

    def __init__(self, target: Target, starts: Starts | None = None) -> None:
        self.target = target
        self.waiting: deque[Invocation] = deque()
        self.idle: list[LiveInstance] = []
        self.busy: set[LiveInstance] = set()
        self.closing: set[LiveInstance] = set()
        self.launches: set[Launch] = set()
        self.estimates = Estimates(starts)
        self.gone = False
        self.adrift = False
        self.provision = Provision()
        self.peak = 0
        """The most invocations at once since `load` was asked."""
        self.adopting = 0
        """Instances that are asked what they are, and may turn out to be provisioned."""
        self.trouble: LambdaError | None = None
        """Why the last instance that was asked for did not come; None once one did."""
        self._failures = 0
        self._launch_after = 0.0
        self._waiting_since = 0.0

    def take(self, invocation: Invocation, now: float) -> LiveInstance | None:
        """Give the invocation an idle instance, or let it wait behind the others."""
        invocation.since = now
        if self.idle and not self.waiting:
            return self._bind(self.idle.pop(), invocation, now)
        if not self.waiting:
            self._waiting_since = now
        self.waiting.append(invocation)
        return None

    def match(self, now: float) -> LiveInstance | None:
        """Give the call that has waited longest an idle instance, if there are both."""
        if self.idle and self.waiting:
            return self._bind(self.idle.pop(), self.waiting.popleft(), now)
        return None

    def _bind(self, live: LiveInstance, invocation: Invocation, now: float) -> LiveInstance:
        live.invocation = invocation
        live.since = now
        live.answered = 0.0
        self.busy.add(live)
        if len(self.busy) > self.peak:
            self.peak = len(self.busy)
        return live

    def release(self, live: LiveInstance, now: float) -> bool:
        """Take a free instance, new or used, back among the idle ones; False if its content is not served."""
        self.busy.discard(live)
        live.invocation = None
        live.since = now
        if self.gone or live.digest != self.target.digest:
            return False
        self.idle.append(live)
        if self.provision.wanted and not live.provisioned:
            self._behind_the_provisioned()
        return True

    def _behind_the_provisioned(self) -> None:
        """Have the instance that got idle last taken after all that were initialised ahead of calls."""
        live = self.idle.pop()
        place = len(self.idle)
        while place and self.idle[place - 1].provisioned:
            place -= 1
        self.idle.insert(place, live)

    def put_back(self, invocation: Invocation) -> None:
        """Let a call that reached no runtime be the next one served."""
        self.waiting.appendleft(invocation)

    def drop(self, live: LiveInstance) -> Invocation | None:
        """Forget an instance; returns the invocation that it had."""
        self.busy.discard(live)
        self.closing.discard(live)
        if live in self.idle:
            self.idle.remove(live)
        invocation, live.invocation = live.invocation, None
        return invocation

    def share(self, live: LiveInstance) -> Invocation | None:
        """Give an instance that another gateway uses no more calls; returns the one that this lane had."""
        invocation = live.invocation
        for lane in live.lanes:
            lane.digest = SHARED
            if lane is live or lane.invocation is None:
                self.drop(lane)
        return invocation

    def close(self, live: LiveInstance, deadline: float) -> None:
        """Take an instance that runs nothing out of routing; it has until the deadline to end by itself."""
        self.drop(live)
        live.deadline = deadline
        self.closing.add(live)

    def expired(self, now: float) -> list[LiveInstance]:
        """The instances that have been idle for longer than the function's keep-alive."""
        limit = now - self.target.keep_alive
        expired = [live for live in self.idle if live.idle_since(limit)]
        if not self.provision.wanted:
            return expired
        provisioned = dict.fromkeys(live.id for live in expired if live.provisioned)
        kept = list(provisioned)[max(0, self._available() - self.provision.wanted) :]
        return [live for live in expired if live.id not in kept]

    def overdue(self, now: float) -> list[LiveInstance]:
        """The instances that should have ended what they do, and have not."""
        return [live for live in (*self.busy, *self.closing) if live.deadline < now]

    def replace(self, target: Target) -> list[LiveInstance]:
        """Serve a new content from now on; returns the idle instances of the old one."""
        changed = target.digest != self.target.digest
        self.target = target
        if not changed:
            return []
        self._failures = 0
        self._launch_after = 0.0
        self.trouble = None
        self.estimates = Estimates(self.estimates.starts)
        return list(self.idle)

    def lacks(self, now: float, spare: int = 0) -> tuple[int, int]:
        """How many of the `spare` instances to take now, and how many others to ask for."""
        if not self.waiting or self.gone or (now < self._launch_after and (self.busy or self.idle)):
            return 0, 0
        digest, lanes = self.target.digest, self.target.concurrency
        coming = [each for each in self.launches if each.target.digest == digest]
        return shortfall(
            waiting=len(self.waiting),
            waiting_for=now - self._waiting_since,
            busy=[live.busy(now) for live in self.busy if live.digest == digest],
            launching=[Coming(now - launch.since, launch.spare) for launch in coming],
            spare=spare,
            lanes=lanes,
            estimates=self.estimates,
        )

    def provisioned(self) -> tuple[int, int]:
        """How many provisioned instances of the present content there are, or will be, and how many are ready."""
        available, digest = self._available(), self.target.digest
        coming = sum(1 for each in self.launches if each.is_provisioned and each.target.digest == digest)
        return available + coming, available

    def load(self) -> Load:
        """How much of the provisioned instances was in use since it was asked last. Calls take these first."""
        peak, self.peak = self.peak, len(self.busy)
        allocated = min(self._available(), self.provision.wanted)
        return Load(min(peak / self.target.concurrency, allocated), allocated, self.provision.wanted)

    def _available(self) -> int:
        digest = self.target.digest
        ready = (live for live in (*self.idle, *self.busy) if live.provisioned and live.digest == digest)
        return len({live.id for live in ready})

    def lacks_provisioned(self, now: float) -> int:
        """How many instances to initialise now ahead of calls."""
        if self.gone or now < self.provision.again_at:
            return 0
        return max(0, self.provision.wanted - self.provisioned()[0] - self.adopting)

    def launch_ahead(self, now: float) -> Launch:
        """Note that an instance was asked for that no call waits for."""
        launch = Launch(self.target.ahead_of_calls(), now)
        self.launches.add(launch)
        return launch

    def launch(self, now: float, *, spare: bool = False) -> Launch:
        """Note that an instance of the present content was asked for."""
        self._waiting_since = now
        launch = Launch(self.target, now, spare)
        self.launches.add(launch)
        return launch

    def expect(self, now: float) -> Launch:
        """Note that an instance may be there soon that nobody asked for."""
        launch = Launch(self.target, now)
        self.launches.add(launch)
        return launch

    def launched(self, launch: Launch, now: float) -> None:
        """Note that it is there, initialised."""
        self.launches.discard(launch)
        if launch.is_provisioned:
            self.provision.succeeded()
            return
        self._failures = 0
        self.trouble = None
        if launch.target.digest == self.target.digest:
            self.estimates.observe_start(now - launch.since, spare=launch.spare)

    def launch_failed(self, launch: Launch, error: LambdaError, now: float) -> list[Invocation]:
        """Note that it will not come; returns the calls that have nothing left to wait for.

        Where instances serve, the calls wait on for those, and the next attempt is made after a pause. Elsewhere
        each launch that is still under way keeps one call waiting, and the longest waiting others are over.
        """
        self.launches.discard(launch)
        digest = self.target.digest
        if launch.target.digest != digest:
            return []
        if launch.is_provisioned:
            # The calls that wait get instances of their own.
            self.provision.failed(error, now)
            return []
        self.trouble = error
        if any(live.digest == digest for live in (*self.busy, *self.idle)):
            self._launch_after = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
            self._failures = min(self._failures + 1, 10)
            return []
        coming = sum(1 for other in self.launches if other.target.digest == digest) * self.target.concurrency
        return [self.waiting.popleft() for _ in range(len(self.waiting) - coming)]

    def late(self, limit: float) -> list[Invocation]:
        """Take out the calls that have waited since before the limit."""
        late = []
        while self.waiting and self.waiting[0].since < limit:
            late.append(self.waiting.popleft())
        return late

    def give_up(self) -> list[Invocation]:
        """Take every waiting call out of the queue."""
        calls = list(self.waiting)
        self.waiting.clear()
        return calls

    def cast_off(self) -> list[LiveInstance]:
        """Serve nothing any more, since another gateway does; returns the idle instances, which are to be let go."""
        self.adrift = True
        return self.end()

    def end(self) -> list[LiveInstance]:
        """Serve nothing any more; returns the idle instances."""
        self.gone = True
        self.provision.want(0)
        return list(self.idle)

    @property
    def instances(self) -> int:
        """How many instances serve the function, leaving out those that are on their way in or out."""
        return len({live.id for live in (*self.idle, *self.busy)})

    @property
    def empty(self) -> bool:
        """Whether nothing is left here."""
        return not (
            self.provision.wanted or self.waiting or self.idle or self.busy or self.closing or self.launches
        )
