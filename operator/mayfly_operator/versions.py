"""What to do for a Version: which pods to create and which to delete, and what is the matter with its instances.

Rule: pure. An alive pod is deleted only if the gateway retired it, its Version is another, or its content has been an
old one for longer than any invocation may run. The pods that are there never exceed what was asked for by a decision
made here: a name is deterministic, so that who decides twice creates once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from mayfly_model.conditions import Reason
from mayfly_model.labels import pod_name
from mayfly_model.limits import TIMEOUT_S_MAX
from mayfly_model.runtimes import Runtime, UnknownRuntimeError, find_runtime
from mayfly_operator.views import Claim, PodView, Trouble, VersionView

SETTLED_AFTER: Final = 10.0
"""Seconds after which a running instance is no failed start, whatever becomes of it."""
OUTDATED_AFTER: Final = TIMEOUT_S_MAX + 300.0
"""Seconds after which nothing can run any more in an instance of old content that no gateway retired."""
AT_ONCE: Final = 64
"""Most pods that one decision creates; the next one follows at once."""
_CRASHES: Final = 2
"""Failed starts in a row that are a crash loop and no accident."""
_LONGEST_PAUSE: Final = 60.0
_LONGEST_REFUSED: Final = 30.0
_FORGOTTEN_AFTER: Final = 60.0
"""Seconds after which crashes are forgotten that nobody has waited to see the next of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How the starting of a Version's instances has gone; times are POSIX seconds.

    `failures`: failed starts in a row. `refusal`: why the API server took no pod, the last time. `counted`: ended
    pods that are in `failures`. `outdated`: since when a pod's content is an old one. `taken`: names that
    somebody else's pods have.
    """

    revision: str | None = None
    failures: int = 0
    not_before: float = 0.0
    refusal: Trouble | None = None
    crash: str = ""
    counted: frozenset[str] = frozenset()
    outdated: Mapping[str, float] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do. `create` are names of pods; `again` is in how many seconds to decide anew, None for at news."""

    create: tuple[str, ...] = ()
    delete: tuple[PodView, ...] = ()
    again: float | None = None


def alive(version: VersionView, pods: Iterable[PodView]) -> list[PodView]:
    """The pods that run its current content, or are about to."""
    return [each for each in pods if _counts(version, each) and each.revision == version.revision]


def alive_of_any_content(version: VersionView, pods: Iterable[PodView]) -> list[PodView]:
    """The pods that run some content of it, or are about to."""
    return [each for each in pods if _counts(version, each)]


def _counts(version: VersionView, pod: PodView) -> bool:
    gone = pod.ending is not None or pod.deleting or pod.uid in version.retired
    return not gone and pod.owner == version.uid


def may_take_in(version: VersionView, claim: Claim, pod: PodView) -> bool:
    """Whether the pod that a gateway says it has claimed for this Version is one, and nobody's yet."""
    here = pod.uid == claim.uid and pod.namespace == version.namespace
    waits = bool(pod.pool) and not pod.deleting and pod.ending is None
    return here and waits and not version.deleting


def missing(version: VersionView, pods: Iterable[PodView]) -> int:
    """How many pods are to be created; whatever runs beyond what was asked for is the gateway's to close."""
    return max(version.instances - len(alive(version, pods)), 0)


def observe(attempts: Attempts, version: VersionView, pods: Collection[PodView], now: float) -> Attempts:
    """The attempts, after what the pods say now."""
    if attempts.revision != version.revision or (version.instances == 0 and not _is_fresh(attempts, now)):
        attempts = Attempts(
            revision=version.revision,
            counted=_ended(pods),
            outdated=attempts.outdated,
            taken=attempts.taken,
        )
    attempts = _with_endings(attempts, version, pods, now)
    if any(settled(each, now) for each in alive(version, pods)):
        attempts = replace(attempts, failures=0, not_before=0.0, crash="")
    if attempts.refusal is not None and not missing(version, pods):
        attempts = replace(attempts, refusal=None, failures=0, not_before=0.0)
    old = [each for each in alive_of_any_content(version, pods) if each.revision != version.revision]
    return replace(attempts, outdated={each.uid: attempts.outdated.get(each.uid, now) for each in old})


def _is_fresh(attempts: Attempts, now: float) -> bool:
    """Whether pods have crashed just now: then the next call that comes along starts no other at once."""
    return bool(attempts.crash) and now < attempts.not_before + _FORGOTTEN_AFTER


def news(attempts: Attempts, pods: Iterable[PodView]) -> list[PodView]:
    """Ended pods that were not counted yet."""
    return [each for each in pods if each.ending is not None and each.uid not in attempts.counted]


def _ended(pods: Iterable[PodView]) -> frozenset[str]:
    return frozenset(each.uid for each in pods if each.ending is not None)


def _with_endings(
    attempts: Attempts, version: VersionView, pods: Collection[PodView], now: float
) -> Attempts:
    for pod in news(attempts, pods):
        # Nobody misses a pod that ended after the gateway had lowered the number.
        if pod.revision == version.revision and pod.uid not in version.retired and missing(version, pods):
            attempts = _after_ending(attempts, pod, now)
    return replace(attempts, counted=_ended(pods))


def _after_ending(attempts: Attempts, pod: PodView, now: float) -> Attempts:
    ending = pod.ending
    if ending is None or ending.lived >= SETTLED_AFTER:
        return replace(attempts, failures=0, not_before=0.0, crash="")
    failures = attempts.failures + 1
    # The first one may be an accident: it is replaced at once.
    pause = 0.0 if failures == 1 else min(2.0 ** (failures - 2), _LONGEST_PAUSE)
    crash = f"{ending.word}: {ending.message}".strip(": ")
    return replace(attempts, failures=failures, not_before=now + pause, crash=crash)


def refused(attempts: Attempts, trouble: Trouble, now: float) -> Attempts:
    """The attempts, after the API server took no pod."""
    failures = attempts.failures + 1
    pause = min(2.0 ** (failures - 1), _LONGEST_REFUSED)
    return replace(attempts, failures=failures, not_before=now + pause, refusal=trouble)


def plan(
    version: VersionView,
    pods: Collection[PodView],
    attempts: Attempts,
    *,
    runtimes: Mapping[str, Runtime],
    now: float,
) -> Plan:
    """What to do, `attempts` being those that :func:`observe` gave for the same pods."""
    if version.deleting:
        return Plan()
    delete = tuple(each for each in pods if not each.deleting and _is_over(version, each, attempts, now))
    waits = _reviews(version, pods, attempts, now)
    wanted = missing(version, pods) if runnable(version, runtimes) is None else 0
    if wanted and attempts.not_before > now:
        waits.append(attempts.not_before - now)
        wanted = 0
    if wanted > AT_ONCE:
        waits.append(0.0)
    create = _free_names(version, pods, attempts, min(wanted, AT_ONCE))
    return Plan(create=create, delete=delete, again=min(waits, default=None))


def _is_over(version: VersionView, pod: PodView, attempts: Attempts, now: float) -> bool:
    """Whether a pod is to be deleted. A pod of another uid's Version is left over from a deleted one of that name."""
    if pod.ending is not None or pod.uid in version.retired or pod.owner != version.uid:
        return True
    return now - attempts.outdated.get(pod.uid, now) >= OUTDATED_AFTER


def _reviews(version: VersionView, pods: Iterable[PodView], attempts: Attempts, now: float) -> list[float]:
    """In how many seconds time alone changes the decision."""
    waits = [since + OUTDATED_AFTER - now for since in attempts.outdated.values()]
    if version.instances == 0 and _is_fresh(attempts, now):
        waits.append(attempts.not_before + _FORGOTTEN_AFTER - now)
    if attempts.failures:
        running = (each.running_since for each in alive(version, pods))
        waits += [since + SETTLED_AFTER - now for since in running if since is not None]
    return [max(wait, 0.1) for wait in waits]


def _free_names(
    version: VersionView, pods: Iterable[PodView], attempts: Attempts, count: int
) -> tuple[str, ...]:
    """The first names that no pod has, not even one that is ending."""
    names = {each.name for each in pods} | attempts.taken
    found: list[str] = []
    ordinal = 0
    while len(found) < count:
        name = pod_name(version.name, version.revision or "", ordinal)
        if name not in names:
            found.append(name)
        ordinal += 1
    return tuple(found)


def settled(pod: PodView, now: float) -> bool:
    """Whether it has run for so long that its start went well."""
    return pod.running_since is not None and now - pod.running_since >= SETTLED_AFTER


def runnable(version: VersionView, runtimes: Mapping[str, Runtime]) -> Trouble | None:
    """What forbids to create a pod of this Version; None if nothing does."""
    shape = version.shape
    if version.refused is not None:
        return version.refused
    if shape is None or version.revision is None:
        return Trouble(Reason.INVALID_SPEC, "The version holds no code and configuration yet.")
    if shape.runtime is None:
        return Trouble(
            Reason.INVALID_SPEC,
            "spec.packageType: found Image, which is not supported yet; allowed: Zip, with a runtime and its code",
        )
    try:
        find_runtime(shape.runtime, runtimes)
    except UnknownRuntimeError as error:
        return Trouble(Reason.RUNTIME_NOT_FOUND, f'spec.runtime: found "{shape.runtime}"; {error}')
    return None


def trouble(
    version: VersionView,
    pods: Collection[PodView],
    attempts: Attempts,
    *,
    runtimes: Mapping[str, Runtime],
    now: float,
) -> Trouble | None:
    """Why no instance can run; None if one can, or nobody has tried."""
    found = runnable(version, runtimes)
    if found is not None:
        return found
    current = alive(version, pods)
    if any(settled(each, now) or (each.running_since and not attempts.failures) for each in current):
        return None
    for each in sorted(current, key=lambda pod: pod.name):
        if each.trouble is not None:
            return each.trouble
    if attempts.refusal is not None:
        return attempts.refusal
    if attempts.crash and attempts.failures >= _CRASHES:
        return Trouble(
            Reason.INSTANCES_CRASHING,
            f"The last {attempts.failures} instances ended before they were of use: {attempts.crash}",
        )
    return None
