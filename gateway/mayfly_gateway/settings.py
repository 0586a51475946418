"""What the gateway is told once, when it starts. No module reads the environment or a file for itself."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one client, and all of them together, may ask of the front. Sizes in bytes, times in seconds.

    Times: for a whole head, a whole body, between two requests, for a client to read its reply, and to finish
    sending once it has been refused; `tick` is how often they are looked at.
    """

    head_size: int = 32 * 1024
    header_count: int = 100
    head_time: float = 10.0
    body_time: float = 60.0
    idle_time: float = 75.0
    write_time: float = 60.0
    linger_time: float = 5.0
    tick: float = 1.0
    connections: int = 10_000
    buffered_bodies: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One gateway process. `cluster` stands where AWS has the region, a namespace where it has the account.

    `account_limit` bounds the running invocations of a namespace (AWS: 1,000 per account and region), of which at
    least `unreserved_minimum` cannot be reserved through the Lambda API.
    `launch_time` is how long an instance may take until it can be given an invocation, and how long a call waits for
    one at the most; `leave_time` how long a
    gateway that will stop goes on to accept calls, so that whoever sends them learns of it; `stop_time` how long
    running invocations may go on after that; all in seconds.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    cluster: str = "local"
    namespace: str = "default"
    account_limit: int = 1000
    unreserved_minimum: int = 100
    launch_time: float = 60.0
    leave_time: float = 0.0
    stop_time: float = 5.0
    bounds: Bounds = field(default_factory=Bounds)
