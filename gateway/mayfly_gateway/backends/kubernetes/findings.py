"""What the gateway has found out about a Version, and how it writes that down. Pure.

Rule: the gateway's part of a Version's status is applied whole, since server-side apply takes away what an apply
leaves out: the two conditions that are its own, the time of the last call, and the pods that the operator is to delete,
or to make the Version's.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from mayfly_gateway.backends.kubernetes.objects import Claimed, Condition, Retired, VersionObject
from mayfly_gateway.provision import Provisioned
from mayfly_model.conditions import MESSAGE_LENGTH, ConditionType, Reason
from mayfly_model.function import API_VERSION
from mayfly_model.limits import CLAIMED_MAX, RETIRED_MAX

_TIME = "%Y-%m-%dT%H:%M:%SZ"
OWN = (ConditionType.CODE_AVAILABLE, ConditionType.INITIALIZED)


class Findings:
    """One Version's. `changed` says whether something is to be written."""

    def __init__(self, version: VersionObject | None) -> None:
        """Begin with what another gateway may have written."""
        status = None if version is None else version.status
        conditions = (status.conditions if status else None) or ()
        self._conditions = {each.type: each for each in conditions if each.type in OWN}
        self._retired = {each.uid: each.name for each in (status.retired if status else None) or ()}
        self._claimed = {each.uid: each for each in (status.claimed if status else None) or ()}
        self._provisioned = status.provisioned_concurrency if status else None
        self._invoked = status.last_invocation_time if status else None
        self.changed = False

    def invoked(self, at: float) -> None:
        """Note when the version was called last, a POSIX time."""
        told = f"{datetime.fromtimestamp(at, UTC):{_TIME}}"
        if self._invoked is None or told > self._invoked:
            self._invoked = told
            self.changed = True

    def provision(self, state: Provisioned | None) -> None:
        """Note how far the provisioned instances are; None if none are asked for."""
        told = None if state is None else _provisioned(state)
        if told != self._provisioned:
            self._provisioned = told
            self.changed = True

    def find(
        self,
        kind: ConditionType,
        *,
        holds: bool,
        reason: str = Reason.AVAILABLE,
        message: str = "",
        revision: str,
        generation: int,
        now: datetime,
    ) -> None:
        """Note a condition; what was known already changes nothing."""
        status = "True" if holds else "False"
        before = self._conditions.get(kind)
        said = (status, str(reason), message[:MESSAGE_LENGTH], revision)
        if before and (before.status, before.reason, before.message, before.revision) == said:
            return
        same = before is not None and before.status == status and before.last_transition_time
        self._conditions[kind] = Condition(
            type=kind.value,
            status=status,
            reason=str(reason),
            message=message[:MESSAGE_LENGTH],
            revision=revision,
            observed_generation=generation,
            last_transition_time=same or now.strftime(_TIME),
        )
        self.changed = True

    def fails(self, kind: ConditionType, revision: str) -> bool:
        """Whether a condition is known not to hold for this content."""
        found = self._conditions.get(kind)
        return found is not None and found.status == "False" and found.revision == revision

    def retire(self, uid: str, name: str) -> None:
        """Have the operator delete a pod."""
        if uid not in self._retired:
            self._retired[uid] = name
            self.changed = True

    def claim(self, uid: str, name: str, revision: str) -> None:
        """Have the operator make a pool's pod the Version's."""
        if uid not in self._claimed:
            self._claimed[uid] = Claimed(name, uid, revision)
            self.changed = True

    def labelled(self, uid: str) -> None:
        """The operator has done so. That alone is not worth writing."""
        self._claimed.pop(uid, None)

    def forget(self, uid: str) -> None:
        """The pod is gone. That alone is not worth writing, unless others wait for its place in the list."""
        self._claimed.pop(uid, None)
        if self._retired.pop(uid, None) is not None and len(self._retired) >= RETIRED_MAX:
            self.changed = True

    def compare(self, version: VersionObject) -> None:
        """See what the Version says: a former owner may have written after us, and taken away what we wrote."""
        retired = {each.uid for each in version.status.retired or ()}
        claimed = {each.uid for each in version.status.claimed or ()}
        if any(each.uid not in retired for each in self.retired) or any(
            each.uid not in claimed for each in self.claimed
        ):
            self.changed = True

    def keep(self, uids: Iterable[str]) -> None:
        """Forget every pod but these."""
        kept = set(uids)
        self._retired = {uid: name for uid, name in self._retired.items() if uid in kept}
        self._claimed = {uid: each for uid, each in self._claimed.items() if uid in kept}

    @property
    def retired(self) -> tuple[Retired, ...]:
        """The pods that the operator is to delete."""
        return tuple(Retired(name, uid) for uid, name in self._retired.items())[:RETIRED_MAX]

    @property
    def claimed(self) -> tuple[Claimed, ...]:
        """The pods that the operator is to make the Version's."""
        return tuple(self._claimed.values())[:CLAIMED_MAX]

    def applied(self, namespace: str, name: str) -> Mapping[str, Any]:
        """The body of the server-side apply to the Version's status."""
        return {
            "apiVersion": API_VERSION,
            "kind": "Version",
            "metadata": {"namespace": namespace, "name": name},
            "status": {
                "conditions": [_condition(each) for each in self._conditions.values()],
                "retired": [{"name": each.name, "uid": each.uid} for each in self.retired],
                "claimed": [_claimed(each) for each in self.claimed],
                **({} if self._invoked is None else {"lastInvocationTime": self._invoked}),
                **({} if self._provisioned is None else {"provisionedConcurrency": self._provisioned}),
            },
        }


def _provisioned(state: Provisioned) -> dict[str, Any]:
    told: dict[str, Any] = {
        "requested": state.requested,
        "allocated": state.allocated,
        "available": state.available,
        "status": state.status,
    }
    return told if state.reason is None else {**told, "statusReason": state.reason[:MESSAGE_LENGTH]}


def _claimed(each: Claimed) -> dict[str, str]:
    return {"name": each.name, "uid": each.uid, "revision": each.revision}


def _condition(each: Condition) -> dict[str, Any]:
    written: dict[str, Any] = {
        "type": each.type,
        "status": each.status,
        "reason": each.reason,
        "message": each.message,
        "lastTransitionTime": each.last_transition_time,
    }
    if each.observed_generation is not None:
        written["observedGeneration"] = each.observed_generation
    return written | ({"revision": each.revision} if each.revision is not None else {})
