"""What a pool holds: instances that are this gateway's, invocations that are on their way, launches."""

from dataclasses import dataclass

from mayfly_gateway import agent_calls
from mayfly_gateway.admission import Counted
from mayfly_gateway.answers import OnAnswer
from mayfly_gateway.backends import Instance
from mayfly_gateway.catalogue import ON_DEMAND, Target
from mayfly_gateway.request import Call
from mayfly_gateway.scaling import Busy
from mayfly_gateway.upstream import AgentConnection
from mayfly_gateway.watching import Watched

NO_DIGEST = ""
"""Of an instance whose content is not served, whatever that is."""
SHARED = "?"
"""Of an instance that another gateway uses as well."""


class Invocation:
    """A call on its way, since when by the loop. `outcome` is kept here only while a log tail is still to come."""

    __slots__ = (
        "attempts", "call", "counted", "on_answer", "outcome", "payload", "running", "since", "watched"
    )  # fmt: skip

    def __init__(
        self,
        call: Call,
        payload: bytes,
        on_answer: OnAnswer,
        *,
        counted: Counted,
        watched: Watched | None = None,
    ) -> None:
        """`counted` is what it is counted as while it is `running`; `watched` is to be told how it went."""
        self.call = call
        self.payload = payload
        self.counted = counted
        self.on_answer: OnAnswer | None = on_answer
        self.outcome: tuple[bytes, bool] | None = None
        self.running = True
        self.attempts = 0
        self.since = 0.0
        self.watched = watched


class LiveInstance:
    """A specialised instance and its connection; times are the loop's.

    `since` is when it last changed between idle and busy, `answered` when its invocation's payload came, `deadline`
    when the gateway stops to wait for what it does now. `ended`: it is being destroyed. `provisioned`: it was
    initialised ahead of calls. An environment that takes
    several invocations at once is several of these, one for each, which know each other as `lanes`: they end together.
    """

    __slots__ = (
        "answered",
        "connection",
        "deadline",
        "digest",
        "ended",
        "id",
        "invocation",
        "lanes",
        "prefix",
        "provisioned",
        "since",
        "token",
    )

    def __init__(self, instance: Instance, *, digest: str, provisioned: bool = False) -> None:
        self.id = instance.id
        self.token = instance.token
        self.prefix = agent_calls.invoke_prefix(instance.token)
        self.digest = digest
        self.connection: AgentConnection
        self.lanes: tuple[LiveInstance, ...] = (self,)
        self.invocation: Invocation | None = None
        self.ended = False
        self.provisioned = provisioned
        self.since = 0.0
        self.answered = 0.0
        self.deadline = 0.0

    def idle_since(self, limit: float) -> bool:
        """Whether no lane has had anything to do since then."""
        return all(lane.invocation is None and lane.since < limit for lane in self.lanes)

    def busy(self, now: float) -> Busy:
        """How far its invocation is."""
        return Busy(now - self.since, now - self.answered if self.answered else None)


@dataclass(slots=True, eq=False)
class Launch:
    """An instance that was asked for, and when; `spare`: it was there already, waiting for any function."""

    target: Target
    since: float
    spare: bool = False

    @property
    def is_provisioned(self) -> bool:
        """Whether it is to be initialised ahead of calls."""
        return self.target.initialization != ON_DEMAND
