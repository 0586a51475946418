"""How many pods a warm pool lacks, and which of its pods are to be deleted.

Rule: pure. A pod that may have been claimed is never deleted: what waits ends by itself when its time is over, and a
pool shrinks, follows a new template or ends by not being refilled. Deleted is only what has ended, what has never run,
and what has outlived its time by more than any invocation may last.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mayfly_operator.settings import PoolOptions
from mayfly_operator.versions import OUTDATED_AFTER, SETTLED_AFTER
from mayfly_operator.views import Key, PodView, Trouble, VersionView

RECENT: Final = 10.0
"""Seconds for which the pool is as large as what was taken meanwhile."""
SPENT: Final = 5.0
"""Seconds before its end from which on a pod is replaced already."""
STUCK_AFTER: Final = 60.0
"""Seconds after which a pod that does not run and is of no use, or in trouble, is deleted."""
HELD_FOR: Final = 5.0
"""Seconds for which a pool is not filled, since pods are starting for which somebody waits."""
_HELD_AGAIN: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a pool has seen; times are POSIX seconds.

    `demanded`: when the runtime was last in use. `taken`: when each pod was claimed, or missed, lately. `waiting`: uids
    of the pods that waited. `held`: since when pods are starting that somebody waits for. `failures`: pods in a row
    that ended at once, or were refused. `counted`: those of them that are in `failures`. `limited`: pods need limits
    here. `largest`: memory size in MB of the largest function that was served; 0 for none.
    """

    demanded: float = 0.0
    taken: tuple[float, ...] = ()
    waiting: frozenset[str] = frozenset()
    held: float | None = None
    failures: int = 0
    not_before: float = 0.0
    counted: frozenset[str] = frozenset()
    refusal: Trouble | None = None
    limited: bool = False
    largest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do: how many pods to create, which to delete, in how many seconds to decide anew."""

    create: int = 0
    delete: tuple[PodView, ...] = ()
    again: float | None = None


def observe(
    past: Past | None,
    users: Mapping[Key, tuple[VersionView, Collection[PodView]]],
    pods: Collection[PodView],
    now: float,
) -> Past:
    """The past, after what there is now: the Versions that the pool serves with their pods, and the pool's own pods.

    A pod that waited, and is some Version's now, was claimed.
    """
    if past is None:
        past = Past(demanded=now if pods else 0.0, counted=_ended(pods))
    theirs = {pod.uid for _, owned in users.values() for pod in owned}
    claimed = len(past.waiting & theirs)
    in_use = any(version.instances or owned for version, owned in users.values())
    past = missed(past, claimed, now) if claimed else past
    return replace(
        _with_endings(past, pods, now),
        demanded=now if in_use or claimed else past.demanded,
        taken=tuple(each for each in past.taken if now - each < RECENT),
        waiting=frozenset(each.uid for each in pods),
        held=(now if past.held is None else past.held) if _awaited(users) else None,
        largest=max((v.shape.memory_size for v, _ in users.values() if v.shape), default=past.largest),
    )


def missed(past: Past, count: int, now: float) -> Past:
    """The past, after so many pods were taken, or would have been had there been any."""
    return replace(past, taken=(*past.taken, *(now for _ in range(count))), demanded=now)


def refused(past: Past, trouble: Trouble, now: float) -> Past:
    """The past, after the API server took no pod. A quota that demands limits is given them the next time."""
    if "must specify" in trouble.message and not past.limited:
        return replace(past, limited=True, refusal=None)
    return replace(_failed(past, now), refusal=trouble)


def plan(past: Past, pods: Collection[PodView], template: str, options: PoolOptions, now: float) -> Plan:
    """What to do, `past` being what :func:`observe` gave for the same pods."""
    wanted = size(past, options, now)
    good = [each for each in pods if each.ending is None and not each.deleting and each.template == template]
    fresh = [each for each in good if now < each.expires - SPENT]
    lacking = max(wanted - len(fresh), 0)
    delete = tuple(each for each in pods if not each.deleting and _is_over(each, each in good, wanted, now))
    waits = [each.expires - SPENT - now for each in fresh] if wanted else []
    starting = (each.created + STUCK_AFTER for each in pods if never_ran(each))
    waits += [stuck - now for stuck in starting if stuck > now]
    if lacking and past.not_before > now:
        waits.append(past.not_before - now)
        lacking = 0
    if lacking and past.held is not None and now - past.held < HELD_FOR:
        waits.append(_HELD_AGAIN)
        lacking = 0
    return Plan(create=lacking, delete=delete, again=min((max(each, 0.1) for each in waits), default=None))


def size(past: Past, options: PoolOptions, now: float) -> int:
    """How many pods are to wait."""
    if not options.enabled or not past.demanded or now - past.demanded > options.silence_seconds:
        return 0
    lately = sum(1 for each in past.taken if now - each < RECENT)
    return max(options.size, min(lately, options.max_size))


def _is_over(pod: PodView, good: bool, wanted: int, now: float) -> bool:
    if pod.ending is not None:
        return True
    if pod.running_since is None:
        return now - pod.created > STUCK_AFTER and not (good and wanted and not pod.trouble)
    return now > pod.expires + OUTDATED_AFTER


def _awaited(users: Mapping[Key, tuple[VersionView, Collection[PodView]]]) -> bool:
    pods = (pod for _, owned in users.values() for pod in owned)
    return any(never_ran(each) and not each.trouble and not each.deleting for each in pods)


def never_ran(pod: PodView) -> bool:
    """Whether nobody can have claimed it, as long as its object stays as it is."""
    return pod.running_since is None and pod.ending is None


def _with_endings(past: Past, pods: Collection[PodView], now: float) -> Past:
    for pod in pods:
        if pod.ending is not None and pod.uid not in past.counted:
            crashed = pod.ending.failed and pod.ending.lived < SETTLED_AFTER
            past = _failed(past, now) if crashed else past
    if any(each.running_since and now - each.running_since >= SETTLED_AFTER for each in pods):
        past = replace(past, failures=0, not_before=0.0, refusal=None)
    return replace(past, counted=_ended(pods))


def _failed(past: Past, now: float) -> Past:
    failures = past.failures + 1
    # The first one may be an accident.
    pause = 0.0 if failures == 1 else min(2.0 ** (failures - 1), _LONGEST_PAUSE)
    return replace(past, failures=failures, not_before=now + pause)


def _ended(pods: Collection[PodView]) -> frozenset[str]:
    return frozenset(each.uid for each in pods if each.ending is not None)
