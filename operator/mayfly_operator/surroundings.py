"""What every reconciler works with."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mayfly_operator.apply import Cluster
from mayfly_operator.cache import Cache
from mayfly_operator.events import Events
from mayfly_operator.intake import Intake
from mayfly_operator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known and told of the cluster, the way to it, and the time: `clock` gives POSIX seconds."""

    cache: Cache
    cluster: Cluster
    intake: Intake
    events: Events
    settings: Settings
    clock: Callable[[], float] = time.time
