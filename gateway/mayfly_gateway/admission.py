"""How many invocations may run: exact counts per function and per namespace. Pure.

Rule: a function with reserved concurrency may run exactly that many, whatever the others do; all other
functions of the namespace share what the reservations leave of the account limit. Nothing ever waits here.
"""

from mayfly_model.errors import ThrottleReason

Counted = tuple[str, ...]
"""Namespace and name of a function, and for a version with provisioned concurrency its number."""


class Admission:
    """The running invocations of one gateway. Functions are counted by (namespace, name), all versions together.

    Only a version's provisioned concurrency is counted apart; what it has no room for is counted with the others.
    """

    def __init__(self, *, account_limit: int) -> None:
        self._account_limit = account_limit
        self._running: dict[Counted, int] = {}
        self._reserved: dict[Counted, int] = {}
        self._set_aside: dict[str, int] = {}
        self._sharing: dict[str, int] = {}
        self._limits: dict[tuple[str, str], int] = {}
        self._provisioned: dict[tuple[str, str], dict[Counted, int]] = {}

    def admit_provisioned(self, function: tuple[str, str], version: Counted) -> bool:
        """Count one invocation more of a version if it has provisioned concurrency that is not in use."""
        if not self._provisioned or version not in self._provisioned.get(function, ()):
            return False
        return self.admit(version) is None

    def admit(self, function: Counted) -> ThrottleReason | None:
        """Count one invocation more, or say why it may not run."""
        running = self._running.get(function, 0)
        reserved = self._reserved.get(function)
        if reserved is not None:
            if running >= reserved:
                return "ReservedFunctionConcurrentInvocationLimitExceeded"
        else:
            namespace = function[0]
            sharing = self._sharing.get(namespace, 0)
            if sharing >= self._account_limit - self._set_aside.get(namespace, 0):
                return "ConcurrentInvocationLimitExceeded"
            self._sharing[namespace] = sharing + 1
        self._running[function] = running + 1
        return None

    def release(self, function: Counted) -> None:
        """Count one invocation less."""
        running = self._running[function] - 1
        if running:
            self._running[function] = running
        else:
            del self._running[function]
        if function not in self._reserved:
            _add(self._sharing, function[0], -1)

    def reserve(self, function: tuple[str, str], concurrency: int | None) -> None:
        """Set or, with None, lift a function's reserved concurrency; what runs already goes on."""
        if concurrency is None:
            self._limits.pop(function, None)
        else:
            self._limits[function] = concurrency
        self._divide(function)

    def provision(self, function: tuple[str, str], version: Counted, concurrency: int) -> None:
        """Set a version's provisioned concurrency, which is its alone; what its function has reserved includes it."""
        if not concurrency and version not in self._provisioned.get(function, ()):
            return
        versions = self._provisioned.setdefault(function, {})
        if concurrency:
            versions[version] = concurrency
        else:
            versions.pop(version, None)
        if not versions:
            del self._provisioned[function]
        self._set(version, concurrency or None)
        self._divide(function)

    def _divide(self, function: tuple[str, str]) -> None:
        """Leave to a function's other versions what is reserved and not provisioned."""
        limit = self._limits.get(function)
        provisioned = sum(self._provisioned.get(function, {}).values())
        self._set(function, None if limit is None else max(0, limit - provisioned))

    def _set(self, function: Counted, concurrency: int | None) -> None:
        namespace = function[0]
        running = self._running.get(function, 0)
        before = self._reserved.pop(function, None)
        if before is None:
            _add(self._sharing, namespace, -running)
        else:
            _add(self._set_aside, namespace, -before)
        if concurrency is None:
            _add(self._sharing, namespace, running)
        else:
            self._reserved[function] = concurrency
            _add(self._set_aside, namespace, concurrency)

    def is_reserved(self, function: tuple[str, str]) -> bool:
        """Whether the function has reserved concurrency."""
        return function in self._reserved

    def occupy(self, function: tuple[str, str], invocations: int) -> None:
        """Count invocations that somebody else has started, whatever the limits; each is released like any other."""
        if not invocations:
            return
        self._running[function] = self._running.get(function, 0) + invocations
        if function not in self._reserved:
            _add(self._sharing, function[0], invocations)

    def running(self, function: tuple[str, str]) -> int:
        """How many invocations of the function run now."""
        versions = self._provisioned.get(function, ())
        return sum(self._running.get(each, 0) for each in (function, *versions))


def _add(counts: dict[str, int], namespace: str, change: int) -> None:
    """Add to a count and forget it at zero, so that namespaces that are gone leave nothing."""
    count = counts.get(namespace, 0) + change
    if count:
        counts[namespace] = count
    else:
        counts.pop(namespace, None)
