"""Invocations that another gateway has started and that may still run, by instance.

Rule: an instance that was another's counts as busy until it is known not to be, and no longer than any invocation on
it can last.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from mayfly_gateway.admission import Admission

FunctionKey = tuple[str, str]


@dataclass(slots=True)
class _Counted:
    function: FunctionKey
    invocations: int
    timer: asyncio.TimerHandle | None


class Elsewhere:
    """What is counted against functions on others' behalf."""

    def __init__(self, admission: Admission) -> None:
        self._loop = asyncio.get_running_loop()
        self._admission = admission
        self._counted: dict[str, _Counted] = {}

    def count(
        self, function: FunctionKey, instance_id: str, invocations: int, *, at_most: float | None = None
    ) -> None:
        """An instance may run so many, for `at_most` seconds, or until `known` is called where that is None."""
        if instance_id in self._counted:
            return
        timer = None if at_most is None else self._loop.call_later(at_most, self.known, instance_id)
        self._counted[instance_id] = _Counted(function, invocations, timer)
        self._admission.occupy(function, invocations)

    def known(self, instance_id: str) -> None:
        """Nothing of another gateway's runs on the instance any more."""
        counted = self._counted.pop(instance_id, None)
        if counted is None:
            return
        if counted.timer is not None:
            counted.timer.cancel()
        for _ in range(counted.invocations):
            self._admission.release(counted.function)

    def running(self, function: FunctionKey) -> Mapping[str, int]:
        """What is counted against the function, by instance."""
        return {
            instance_id: counted.invocations
            for instance_id, counted in self._counted.items()
            if counted.function == function
        }

    def end(self) -> None:
        """Count nothing more."""
        for instance_id in tuple(self._counted):
            self.known(instance_id)
