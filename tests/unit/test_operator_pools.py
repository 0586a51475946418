"""How many pods a pool has, and which of them are deleted: what might have been claimed never is."""

from dataclasses import replace

import pytest
from tests.unit.operator_objects import NOON, PYTHON, SETTINGS, ended, pod, running, unschedulable, version

from mayfly_model.conditions import Reason
from mayfly_model.labels import POOL_LIFETIME_ANNOTATION, POOL_TEMPLATE_ANNOTATION, pool_labels
from mayfly_operator import pod_manifests, pools
from mayfly_operator.pod_views import read_pod
from mayfly_operator.pools import HELD_FOR, RECENT, SPENT, STUCK_AFTER, Past
from mayfly_operator.settings import PoolOptions
from mayfly_operator.versions import OUTDATED_AFTER
from mayfly_operator.views import Trouble

OPTIONS = PoolOptions(enabled=True, size=2, max_size=10, silence_seconds=600, lifetime_seconds=600)
KEY = ("shop", "hello.latest")
LIMITS = Trouble(Reason.QUOTA_EXCEEDED, "failed quota: q: must specify limits.cpu for: function")
FULL = Trouble(Reason.QUOTA_EXCEEDED, "exceeded quota: q")


def waiting(
    uid="a", status=None, *, template="t", created="2026-11-25T09:59:00Z", lifetime=600, deleting=False
):
    metadata = {
        "namespace": "shop",
        "name": f"pool-python3-13-{uid}",
        "uid": uid,
        "resourceVersion": "1",
        "creationTimestamp": created,
        "labels": pool_labels("python3.13"),
        "annotations": {POOL_TEMPLATE_ANNOTATION: template, POOL_LIFETIME_ANNOTATION: str(lifetime)},
    } | ({"deletionTimestamp": created} if deleting else {})
    return read_pod({"metadata": metadata, "status": status or running()})


def used(instances=1, *pods):
    return {KEY: (version(instances=instances), pods)}


def decide(users, pods, past=None, now=NOON, options=OPTIONS):
    past = pools.observe(past, users, pods, now)
    return pools.plan(past, pods, "t", options, now), past


def test_there_is_no_pool_where_nothing_has_run():
    assert decide({KEY: (version(instances=0), ())}, [])[0].create == 0


def test_the_first_instance_asked_for_starts_a_pool():
    assert decide(used(1), [])[0].create == 2


def test_what_waits_is_not_made_again():
    assert decide(used(), [waiting("a")])[0].create == 1
    assert decide(used(), [waiting("a"), waiting("b", unschedulable())])[0].create == 0


def test_pods_that_are_there_at_the_start_count_as_demand():
    assert decide({}, [waiting("a")])[0].create == 1


def test_a_pool_is_filled_until_the_namespace_has_been_silent_for_long():
    _, past = decide(used(), [])
    assert decide({}, [], past, NOON + 600)[0].create == 2
    assert decide({}, [], past, NOON + 601)[0].create == 0


def test_without_pools_none_is_made():
    assert decide(used(), [], options=PoolOptions(enabled=False))[0].create == 0


def test_nothing_that_runs_is_deleted_before_it_must_have_ended_long_ago():
    outdated = [waiting("a", template="old"), waiting("b"), waiting("c"), waiting("d")]
    assert decide({}, outdated)[0].delete == ()
    last = outdated[0].expires + OUTDATED_AFTER
    assert decide(used(), outdated, now=last)[0].delete == ()
    assert set(decide(used(), outdated, now=last + 1)[0].delete) == set(outdated)


def test_ended_pods_are_deleted():
    over = waiting("a", ended())
    decision, _ = decide(used(), [over, waiting("b", ended(), deleting=True)])
    assert decision.delete == (over,)
    assert decision.create == 2


def test_pods_of_another_template_do_not_count():
    assert decide(used(), [waiting("a", template="old"), waiting("b")])[0].create == 1


def test_a_pod_is_replaced_shortly_before_its_end():
    pods = [waiting("a"), waiting("b", lifetime=700)]
    decision, past = decide(used(), pods)
    assert (decision.create, decision.again) == (0, pytest.approx(540 - SPENT))
    assert decide(used(), pods, past, pods[0].expires - SPENT)[0].create == 1


def test_a_pool_grows_to_what_was_taken_lately_and_back():
    _, past = decide(used(), [waiting(str(number)) for number in range(2)])
    mine = [replace(pod(number, running()), uid=str(number)) for number in range(2)]
    decision, past = decide(used(2, *mine), [], past)
    assert decision.create == 2
    past = pools.missed(past, 38, NOON)
    assert decide(used(2, *mine), [], past)[0].create == 10
    assert decide(used(2, *mine), [], past, NOON + RECENT)[0].create == 2


def test_pods_that_are_awaited_come_first_for_some_seconds():
    decision, past = decide(used(1, pod(0)), [])
    assert (decision.create, decision.again) == (0, 1.0)
    assert decide(used(1, pod(0, running())), [], past)[0].create == 2
    assert decide(used(1, pod(0)), [], past, NOON + HELD_FOR)[0].create == 2


@pytest.mark.parametrize(
    ("users", "template", "status", "deleted"),
    [
        (used(), "t", {"phase": "Pending"}, False),
        (used(), "t", unschedulable(), True),
        (used(), "old", {"phase": "Pending"}, True),
        ({}, "t", {"phase": "Pending"}, True),
    ],
    ids=["it is only slow", "it is in trouble", "it is of another template", "nobody needs it"],
)
def test_a_pod_that_never_ran_is_deleted_where_it_is_of_no_use(users, template, status, deleted):
    stuck = waiting("a", status, template=template)
    now = stuck.created + STUCK_AFTER + 1
    past = Past(demanded=NOON - 10_000)
    assert decide(users, [stuck], past, stuck.created + STUCK_AFTER)[0].delete == ()
    assert decide(users, [stuck], past, now)[0].delete == ((stuck,) if deleted else ())


def test_pods_that_end_at_once_are_made_with_longer_and_longer_pauses():
    _, past = decide(used(), [])
    now, created = NOON, []
    for number in range(5):
        decision, past = decide(used(), [waiting(str(number), ended(exit_code=1))], past, now)
        created.append(decision.create)
        now = max(now, past.not_before)
    assert created == [2, 0, 0, 0, 0]
    assert now - NOON == pytest.approx(2 + 4 + 8 + 16)
    _, past = decide(used(), [waiting("z", running("2026-11-25T09:59:00Z"))], past, now)
    assert past.failures == 0


def test_a_refusal_is_told_and_tried_again_later():
    _, past = decide(used(), [])
    past = pools.refused(pools.refused(past, FULL, NOON), FULL, NOON)
    assert past.refusal is FULL
    decision, _ = decide(used(), [], past)
    assert (decision.create, decision.again) == (0, pytest.approx(2.0))


def test_where_pods_must_have_limits_they_get_those_of_the_largest_function():
    users = {
        KEY: (version(instances=1, configuration={"memorySize": 512}), ()),
        ("shop", "large.latest"): (version(name="large.latest", configuration={"memorySize": 3008}), ()),
    }
    _, past = decide(users, [])
    past = pools.refused(past, LIMITS, NOON)
    assert (past.limited, past.largest, past.refusal) == (True, 3008, None)
    manifest = pod_manifests.waiting_pod("p", "shop", PYTHON, SETTINGS, lifetime=600, largest=3008)
    resources = manifest["spec"]["containers"][0]["resources"]
    assert resources["limits"]["memory"] == "3008Mi"
    assert resources["requests"]["memory"] == "32Mi"


def test_a_pod_that_waits_is_as_restricted_as_an_instance_and_nobodys():
    manifest = pod_manifests.waiting_pod("p", "shop", PYTHON, SETTINGS, lifetime=600)
    metadata, spec = manifest["metadata"], manifest["spec"]
    assert metadata["labels"] == pool_labels("python3.13")
    assert "ownerReferences" not in metadata
    own = pod_manifests.pod("p", version(), version().shape, PYTHON, SETTINGS)["spec"]
    for name in own.keys() - {"containers"}:
        assert spec[name] == own[name], name
    (container,), (mine,) = own["containers"], spec["containers"]
    assert mine.keys() == container.keys()
    assert {each["name"] for each in mine["env"]} - {each["name"] for each in container["env"]} == {
        "MAYFLY_POOL_LIFETIME"
    }
    assert mine["resources"] == {
        "requests": {"cpu": "10m", "memory": "32Mi", "ephemeral-storage": "81Mi"},
        "limits": {"ephemeral-storage": "812Mi"},
    }


def test_the_template_changes_with_what_pods_are_made_of_and_with_nothing_else():
    template = pod_manifests.template(PYTHON, SETTINGS)
    assert pod_manifests.template(PYTHON, SETTINGS) == template
    assert pod_manifests.template(replace(PYTHON, image="other"), SETTINGS) != template
    assert pod_manifests.template(PYTHON, replace(SETTINGS, public_key="other")) != template
    assert pod_manifests.template(PYTHON, replace(SETTINGS, pools=OPTIONS)) == template
    manifest = pod_manifests.waiting_pod("p", "shop", PYTHON, SETTINGS, lifetime=471)
    assert manifest["metadata"]["annotations"][POOL_TEMPLATE_ANNOTATION] == template


def test_an_image_that_is_pulled_for_long_is_not_looked_at_all_the_time():
    slow = waiting("a", {"phase": "Pending"}, created="2026-11-25T09:58:00Z")
    plan, _ = decide(used(), [slow, waiting("b")])
    assert (plan.create, plan.delete) == (0, ())
    assert plan.again is not None and plan.again > 1
