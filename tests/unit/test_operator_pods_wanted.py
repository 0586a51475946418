"""Which pods the operator creates and deletes for a Version, and what it says of its instances."""

from dataclasses import replace

import pytest
from tests.unit.operator_objects import (
    NEW,
    NOON,
    OLD,
    RUNTIMES,
    ended,
    pod,
    running,
    unschedulable,
    version,
    waiting,
)

from mayfly_model.conditions import Reason
from mayfly_model.labels import pod_name
from mayfly_operator import versions
from mayfly_operator.versions import AT_ONCE, OUTDATED_AFTER, Attempts, observe, plan, trouble
from mayfly_operator.views import Trouble


def decide(of, pods, attempts=None, now=NOON):
    attempts = observe(attempts or Attempts(), of, pods, now)
    return plan(of, pods, attempts, runtimes=RUNTIMES, now=now), attempts


def names(*ordinals, revision=NEW):
    return tuple(pod_name("hello.latest", revision, ordinal) for ordinal in ordinals)


def say(of, pods, attempts=None, now=NOON):
    attempts = observe(attempts or Attempts(), of, pods, now)
    found = trouble(of, pods, attempts, runtimes=RUNTIMES, now=now)
    return found and found.reason


@pytest.mark.parametrize(
    ("instances", "pods", "created"),
    [
        (0, [], ()),
        (None, [], ()),
        (3, [], (0, 1, 2)),
        (3, [pod(0, running())], (1, 2)),
        (1, [pod(0)], ()),
        (2, [pod(1, running())], (0,)),
        (1, [pod(0, deleting=True)], (1,)),
        (1, [pod(0, ended())], (1,)),
        (1, [pod(0, running(), revision=OLD)], (0,)),
        (1, [pod(0, running(), owner="uid-former")], (1,)),
        (1, [pod(0, running()), pod(1, running()), pod(2, running())], ()),
    ],
    ids=[
        "none asked for",
        "absent means none",
        "all are missing",
        "some are missing",
        "a pod that starts counts",
        "the lowest free name is taken",
        "a terminating pod counts no more and keeps its name",
        "an ended pod counts no more and keeps its name",
        "a pod of old content does not count",
        "a pod of a former Version of that name does not count",
        "more than asked for are left alone",
    ],
)
def test_missing_pods_are_created_by_the_lowest_free_names(instances, pods, created):
    decision, _ = decide(version(instances=instances), pods)
    assert decision.create == names(*created)


def test_a_retired_pod_is_deleted_and_replaced():
    hung = pod(0, running())
    decision, _ = decide(version(instances=1, retired=(hung.uid,)), [hung])
    assert decision.delete == (hung,)
    assert decision.create == names(1)


@pytest.mark.parametrize("instances", [0, 1])
def test_ended_pods_are_deleted(instances):
    over = [pod(0, ended()), pod(1, ended(exit_code=137, reason="OOMKilled"))]
    decision, _ = decide(version(instances=instances), over)
    assert set(decision.delete) == set(over)


def test_what_terminates_is_not_deleted_twice():
    decision, _ = decide(version(), [pod(0, ended(), deleting=True)])
    assert decision.delete == ()


def test_instances_of_old_content_stay_until_nothing_can_run_in_them():
    old = pod(0, running(), revision=OLD)
    decision, attempts = decide(version(), [old])
    assert decision.delete == ()
    assert decision.again == pytest.approx(OUTDATED_AFTER)
    decision, attempts = decide(version(), [old], attempts, NOON + OUTDATED_AFTER - 1)
    assert decision.delete == ()
    decision, _ = decide(version(), [old], attempts, NOON + OUTDATED_AFTER)
    assert decision.delete == (old,)


def test_a_version_that_is_being_deleted_is_left_to_the_garbage_collector():
    decision, _ = decide(replace(version(instances=2), deleting=True), [pod(0, ended())])
    assert (decision.create, decision.delete) == ((), ())


def test_names_that_somebody_elses_pods_have_are_passed_over():
    attempts = Attempts(revision=NEW, taken=frozenset(names(0)))
    assert decide(version(instances=1), [], attempts)[0].create == names(1)


def test_a_large_number_is_created_in_portions():
    decision, _ = decide(version(instances=10 * AT_ONCE), [])
    assert len(decision.create) == AT_ONCE
    assert decision.again == 0.0


def test_a_version_without_content_has_no_pods():
    nothing = replace(version(instances=2), shape=None)
    assert decide(nothing, [])[0].create == ()
    assert say(nothing, []) == Reason.INVALID_SPEC


def test_a_runtime_that_is_not_installed_has_no_pods():
    of = version(instances=2, configuration={"runtime": "ruby3.4"})
    assert decide(of, [])[0].create == ()
    assert say(of, []) == Reason.RUNTIME_NOT_FOUND
    assert "python3.13" in trouble(of, [], Attempts(), runtimes=RUNTIMES, now=NOON).message


def test_an_image_is_said_not_to_be_supported_yet():
    image = {"packageType": "Image", "runtime": None, "handler": None, "code": {"image": "shop/hello:1"}}
    of = version(instances=2, configuration=image)
    assert decide(of, [])[0].create == ()
    told = trouble(of, [], Attempts(), runtimes=RUNTIMES, now=NOON)
    assert told.reason == Reason.INVALID_SPEC
    assert "Image, which is not supported yet" in told.message


def crash(of, times, *, lived=0):
    """The attempts after so many pods that ended one after another, and when the last one did."""
    attempts, now, pauses = Attempts(revision=NEW), NOON, []
    for number in range(times):
        over = [pod(0, ended(exit_code=1, lived=lived), uid=f"uid-{number}")]
        decision, attempts = decide(of, over, attempts, now)
        pauses.append(max(attempts.not_before - now, 0.0))
        assert bool(decision.create) == (pauses[-1] == 0.0)
        now += pauses[-1]
    return attempts, now, pauses


def test_pods_that_fail_again_and_again_are_replaced_more_and_more_slowly():
    of = version(instances=1)
    _, _, pauses = crash(of, 12)
    assert pauses[:5] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert max(pauses) == 60.0


def test_a_single_accident_is_no_crash_loop():
    of = version(instances=1)
    attempts, now, _ = crash(of, 1)
    assert say(of, [], attempts, now) is None
    attempts, now, _ = crash(of, 2)
    assert say(of, [], attempts, now) == Reason.INSTANCES_CRASHING


def test_an_instance_that_ran_for_long_is_replaced_at_once_whenever_it_ends():
    _, _, pauses = crash(version(instances=1), 5, lived=30)
    assert set(pauses) == {0.0}


def test_the_slowness_is_forgotten_with_other_content():
    attempts, now, _ = crash(version(instances=1), 8)
    _, attempts = decide(version(instances=1, revision=OLD), [], attempts, now)
    assert (attempts.failures, attempts.not_before) == (0, 0.0)


def test_the_slowness_outlives_the_calls_that_gave_up():
    """Else each call of a function that crashes would start pods, however fast the calls come."""
    attempts, _, _ = crash(version(instances=1), 8)
    before = attempts.not_before - 1
    decision, attempts = decide(version(instances=0), [], attempts, before)
    assert decision.again == 61.0
    assert say(version(instances=0), [], attempts, before) == Reason.INSTANCES_CRASHING
    decision, attempts = decide(version(instances=1), [], attempts, before)
    assert (decision.create, decision.again) == ((), 1.0)
    _, attempts = decide(version(instances=0), [], attempts, before + 61)
    assert (attempts.failures, attempts.not_before) == (0, 0.0)


def test_the_slowness_is_forgotten_when_an_instance_runs():
    of = version(instances=1)
    attempts, _, _ = crash(of, 4)
    young, old = pod(0, running("2026-11-25T09:59:55Z")), pod(0, running("2026-11-25T09:59:50Z"))
    assert say(of, [young], attempts) == Reason.INSTANCES_CRASHING
    assert observe(attempts, of, [young], NOON).failures == 4
    assert observe(attempts, of, [old], NOON).failures == 0
    assert say(of, [old], attempts) is None


def test_the_ends_of_instances_that_nobody_misses_are_no_failures():
    of = version(instances=0)
    _, attempts = decide(of, [pod(0, ended())])
    _, attempts = decide(version(instances=1), [pod(0, ended())], attempts)
    assert attempts.failures == 0


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (waiting("ErrImagePull", "not found"), Reason.IMAGE_PULL_FAILED),
        (waiting("ImagePullBackOff"), Reason.IMAGE_PULL_FAILED),
        (waiting("InvalidImageName"), Reason.IMAGE_PULL_FAILED),
        (waiting("CreateContainerConfigError", 'secret "keys" not found'), Reason.ENVIRONMENT_NOT_FOUND),
        (waiting("CreateContainerConfigError", "image will run as root"), Reason.INSTANCES_CRASHING),
        (waiting("RunContainerError", "exec: no such file"), Reason.INSTANCES_CRASHING),
        (unschedulable(), Reason.UNSCHEDULABLE),
        (waiting("ContainerCreating"), None),
        (None, None),
        (running(), None),
    ],
    ids=str,
)
def test_what_a_pod_says_is_told(status, reason):
    assert say(version(instances=1), [pod(0, status)]) == reason


def test_an_instance_that_runs_outweighs_one_that_cannot_start():
    assert say(version(instances=2), [pod(0, running()), pod(1, unschedulable())]) is None


def test_a_refused_creation_is_told_and_tried_again_more_and_more_slowly():
    of, attempts, pauses = version(instances=1), Attempts(revision=NEW), []
    for _ in range(8):
        attempts = versions.refused(attempts, Trouble(Reason.QUOTA_EXCEEDED, "exceeded quota"), NOON)
        pauses.append(attempts.not_before - NOON)
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert max(pauses) == 30.0
    assert say(of, [], attempts) == Reason.QUOTA_EXCEEDED
    decision, _ = decide(of, [], attempts)
    assert (decision.create, decision.again) == ((), 30.0)
    assert say(of, [pod(0)], attempts) is None


def test_at_zero_all_is_well_unless_the_last_pods_have_just_crashed():
    crashed = Attempts(revision=NEW, failures=9, crash="Error", not_before=NOON)
    assert say(version(instances=0), [], crashed, NOON + 59) == Reason.INSTANCES_CRASHING
    _, attempts = decide(version(instances=0), [], crashed, NOON + 60)
    assert say(version(instances=0), [], attempts, NOON + 60) is None
