"""The statuses that the operator writes: what is true, only if it is news, and without what is the gateway's."""

import copy
from datetime import UTC, datetime, timedelta

from tests.unit.operator_objects import NEW, OLD, ended, function, pod, running, unschedulable, version

from mayfly_model.conditions import Reason
from mayfly_operator.statuses import function_status, version_status
from mayfly_operator.views import Trouble

NOON = datetime(2026, 11, 25, 10, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
PULL = Trouble(Reason.IMAGE_PULL_FAILED, "no such image")


def told(of, pods=(), trouble=None, now=NOON):
    return version_status(of, pods, trouble, now)


def by_type(status):
    return {each["type"]: each for each in status.fields["conditions"]}


def with_status(fields, *others, **options):
    """The Version with the status that was written, and what others wrote into it."""
    status = copy.deepcopy(dict(fields))
    status["conditions"] = [*status["conditions"], *others]
    return version(status=status, **options)


def gateways(kind, status, reason, revision=NEW, message="told by the gateway"):
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "revision": revision,
        "lastTransitionTime": "2026-11-25T09:00:00Z",
    }


def test_a_new_version_is_told_of_ready_first():
    status = told(version(generation=3))
    assert [each["type"] for each in status.fields["conditions"]] == ["Ready", "InstancesAvailable"]
    assert status.fields["observedGeneration"] == 3
    assert status.fields["labelSelector"] == "mayfly.dev/version=hello.latest"
    assert by_type(status)["Ready"]["reason"] == "Available"
    assert by_type(status)["Ready"]["lastTransitionTime"] == "2026-11-25T10:00:00Z"
    assert status.urgent


def test_nothing_is_written_twice():
    assert told(with_status(told(version()).fields), now=LATER) is None


def test_instances_that_run_are_counted_whatever_their_content():
    pods = [
        pod(0, running()),
        pod(1),
        pod(2, ended()),
        pod(3, running(), deleting=True),
        pod(4, running(), revision=OLD),
        pod(5, running(), owner="uid-former"),
        pod(6, unschedulable()),
    ]
    assert told(version(), pods).fields["instances"] == 2


def test_a_count_may_wait_and_a_cause_may_not():
    before = told(version()).fields
    assert not told(with_status(before), [pod(0, running())]).urgent
    assert not told(with_status(before, generation=2)).urgent
    assert told(with_status(before), trouble=PULL).urgent
    assert told(with_status(before, revision=OLD)).urgent


def test_the_time_of_a_transition_stays_while_nothing_turns():
    first = told(version(), trouble=PULL).fields
    again = told(with_status(first), trouble=Trouble(Reason.IMAGE_PULL_FAILED, "still"), now=LATER)
    assert by_type(again)["Ready"]["lastTransitionTime"] == "2026-11-25T10:00:00Z"
    turned = told(with_status(first), now=LATER)
    assert by_type(turned)["Ready"]["lastTransitionTime"] == "2026-11-25T10:05:00Z"


def test_what_the_gateway_found_is_folded_in_and_not_written():
    of = with_status(told(version()).fields, gateways("CodeAvailable", "False", "CodeNotFound"))
    status = told(of)
    assert (by_type(status)["Ready"]["status"], by_type(status)["Ready"]["reason"]) == (
        "False",
        "CodeNotFound",
    )
    assert by_type(status)["InstancesAvailable"]["status"] == "True"
    assert set(by_type(status)) == {"Ready", "InstancesAvailable"}
    assert "retired" not in status.fields


def test_what_was_found_for_old_content_counts_no_more():
    of = with_status(told(version()).fields, gateways("CodeAvailable", "False", "CodeNotFound", revision=OLD))
    assert told(of) is None


def test_a_broken_condition_of_somebody_else_is_passed_over():
    assert told(with_status(told(version()).fields, {"type": "Odd"})) is None


def ready(trouble=None):
    return with_status(told(version(), trouble=trouble).fields | {"instances": 2})


def test_a_function_is_as_ready_as_its_latest():
    status = function_status(function(), ready(PULL), None, NOON)
    (only,) = status.fields["conditions"]
    assert (only["type"], only["status"], only["reason"]) == ("Ready", "False", "ImagePullFailed")
    assert status.fields["instances"] == 2
    assert status.fields["observedGeneration"] == 1


def test_a_function_that_cannot_be_acted_on_says_why():
    refused = function(timeout=901)
    status = function_status(refused, None, refused.refused, NOON)
    (only,) = status.fields["conditions"]
    assert (only["status"], only["reason"]) == ("False", "InvalidSpec")


def test_of_a_function_whose_latest_is_not_judged_yet_nothing_is_said():
    assert function_status(function(), None, None, NOON) is None
    assert function_status(function(), version(), None, NOON) is None


def test_a_functions_status_is_written_once():
    first = function_status(function(), ready(), None, NOON).fields
    assert function_status(function(status=dict(first)), ready(), None, LATER) is None


def test_the_last_call_is_passed_on():
    of = with_status(told(version()).fields | {"lastInvocationTime": "2026-11-25T09:30:00Z"})
    assert function_status(function(), of, None, NOON).fields["lastInvocationTime"] == "2026-11-25T09:30:00Z"


def provisioned(status, reason=None, available=0):
    told = {"requested": 2, "allocated": 0, "available": available, "status": status}
    return told | ({} if reason is None else {"statusReason": reason})


def test_provisioned_instances_that_cannot_be_had_are_told_by_the_name_of_the_cause():
    failed = provisioned("FAILED", 'EnvironmentNotFound: secret "keys" not found', available=1)
    only = by_type(told(version(status={"provisionedConcurrency": failed})))["Ready"]
    assert (only["status"], only["reason"]) == ("False", "EnvironmentNotFound")
    assert only["message"] == '1 of 2 provisioned instances are ready: secret "keys" not found'


def test_provisioned_instances_whose_own_init_fails_are_told_so():
    failed = provisioned("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    only = by_type(told(version(status={"provisionedConcurrency": failed})))["Ready"]
    assert (only["status"], only["reason"]) == ("False", "ProvisioningFailed")


def test_provisioned_instances_that_are_coming_are_no_trouble():
    coming = provisioned("IN_PROGRESS")
    assert by_type(told(version(status={"provisionedConcurrency": coming})))["Ready"]["status"] == "True"
