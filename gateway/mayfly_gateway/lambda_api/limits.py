"""What a namespace may reserve and provision, out of what it may run. Pure.

Rule: the least that must stay unreserved is for the functions that reserve nothing. Who asks for less than there is may
always have it.
"""

from dataclasses import dataclass

from mayfly_model.errors import InvalidParameterValueException


@dataclass(frozen=True, slots=True)
class Limits:
    """Invocations at once: what a namespace may run in all, and what of it must stay unreserved."""

    account: int
    unreserved: int

    def check_reservation(self, wanted: int, now: int | None, *, others: int, provisioned: int) -> None:
        """Whether a function may reserve so much.

        Args:
            wanted: what it asks for.
            now: what it has reserved; None for nothing.
            others: what the namespace's other functions have reserved together.
            provisioned: what its versions and aliases have provisioned together.

        Raises:
            InvalidParameterValueException: it may not.
        """
        if wanted > (now or 0) and self.account - others - wanted < self.unreserved:
            raise InvalidParameterValueException(
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{self.unreserved}]."
            )
        if wanted < provisioned:
            # The spaces are AWS's.
            raise InvalidParameterValueException(
                f" ReservedConcurrentExecutions  {wanted} should not be lower than function's total provisioned "
                f"concurrency [{provisioned}]."
            )

    def check_provision(
        self, wanted: int, now: int | None, *, reserved: int | None, reservations: int, provisioned: int
    ) -> None:
        """Whether a version or an alias may have so many instances provisioned.

        Args:
            wanted: what it asks for.
            now: what it has; None for nothing.
            reserved: what its function has reserved; None for nothing.
            reservations: what the namespace's functions have reserved together.
            provisioned: what the function's other versions and aliases have provisioned together.

        Raises:
            InvalidParameterValueException: it may not.
        """
        if wanted <= (now or 0):
            return
        if reserved is not None:
            if provisioned + wanted > reserved:
                raise InvalidParameterValueException(
                    "Requested Provisioned Concurrency should not be greater than the "
                    "reservedConcurrentExecution for function"
                )
            return
        free = self.account - reservations - provisioned
        if wanted > free:
            raise InvalidParameterValueException(
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
                f"[{max(free, 0)}]."
            )
        if free - wanted < self.unreserved:
            raise InvalidParameterValueException(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{self.unreserved}]."
            )
