"""Which invocations may run here: the limits, what other gateways have started, and the lease where counts are exact.

Rule: whatever may run is counted before it does, by whoever has started it, and until it is known to be over.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from mayfly_gateway.admission import Admission, Counted
from mayfly_gateway.catalogue import Target
from mayfly_gateway.elsewhere import Elsewhere, FunctionKey
from mayfly_model.errors import TooManyRequestsException
from mayfly_model.limits import TIMEOUT_S_MAX
from mayfly_model.names import LATEST

Epoch = Callable[[FunctionKey], int | None]


class LapsedError(Exception):
    """The function must be counted exactly, and this gateway may not count it now."""


class Counts:
    """The running invocations of one gateway, and what it answers for besides."""

    def __init__(self, *, account_limit: int) -> None:
        self._admission = Admission(account_limit=account_limit)
        self._elsewhere = Elsewhere(self._admission)
        self._epoch: Epoch | None = None

    def admit(self, target: Target) -> Counted:
        """Count one invocation more; returns what it is counted as.

        Raises:
            TooManyRequestsException: a concurrency limit is reached.
        """
        function = target.function
        if self._admission.admit_provisioned(function, target.key):
            return target.key
        reason = self._admission.admit(function)
        if reason is not None:
            raise TooManyRequestsException(reason)
        return function

    def release(self, counted: Counted) -> None:
        """Count one invocation less."""
        self._admission.release(counted)

    def running(self, function: FunctionKey) -> int:
        """How many invocations of a function run, whatever its version."""
        return self._admission.running(function)

    def is_reserved(self, function: FunctionKey) -> bool:
        """Whether the function has reserved concurrency."""
        return self._admission.is_reserved(function)

    def on_change(self, target: Target, *, gone: bool) -> None:
        """Follow a version that is new, another than before, or gone."""
        if target.version == LATEST:
            # What is reserved is the function's, whatever a version of it was published with.
            self._admission.reserve(target.function, None if gone else target.reserved)
        if gone:
            self.provision(target, 0)

    def provision(self, target: Target, share: int) -> None:
        """Leave so much of a function's concurrency to one version alone."""
        self._admission.provision(target.function, target.key, share)

    # Exact counts.

    def count_exactly(self, epoch: Epoch) -> None:
        """Have functions with reserved concurrency counted here only while `epoch(function)` is not None."""
        self._epoch = epoch

    def epoch(self, function: FunctionKey) -> int | None:
        """The epoch under which an invocation is sent; None where the function is not counted exactly.

        Raises:
            LapsedError: it is, and this gateway may not send it.
        """
        if self._epoch is None or not self._admission.is_reserved(function):
            return None
        epoch = self._epoch(function)
        if epoch is None:
            raise LapsedError
        return epoch

    def held(self, function: FunctionKey) -> int | None:
        """The epoch under which a function is counted here now; None where it is not, or not exactly."""
        return None if self._epoch is None or not self.is_reserved(function) else self._epoch(function)

    # What others have started.

    def adopt(self, target: Target, instance_id: str) -> Callable[[], None]:
        """Count as busy an instance that may run another gateway's invocations, until what is returned is called.

        Only where concurrency is reserved. What the others share is not counted so strictly: after a restart a thousand
        idle instances would have the whole namespace's calls refused.
        """
        if self.is_reserved(target.function):
            self._elsewhere.count(target.function, instance_id, target.concurrency)
        return partial(self._elsewhere.known, instance_id)

    def take_over(self, function: FunctionKey, running: Mapping[str, int], own: Collection[str]) -> None:
        """Count what another gateway left running by instance, but for those of our `own`."""
        for instance_id, invocations in running.items():
            if instance_id not in own:
                self._elsewhere.count(function, instance_id, invocations, at_most=TIMEOUT_S_MAX)

    def by_instance(self, function: FunctionKey, busy: Iterable[str]) -> Mapping[str, int]:
        """The invocations of a function by instance, whoever has started them; `busy` are our own, one each."""
        return Counter(busy) | Counter(self._elsewhere.running(function))

    def end(self) -> None:
        """Wait for nothing more."""
        self._elsewhere.end()
