"""The local mode keeps instances initialised by the same windows and target tracking, from the same manifests."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.component.local.served import alias, function, refused, running, version

LIVE = {"Qualifier": "live"}
TRACKING = {"targetValue": 0.7, "minCapacity": 2, "maxCapacity": 4}


@pytest.fixture
def local(tmp_path_factory):
    with running(tmp_path_factory.mktemp("l")) as started:
        yield started


def window(instances, *, opens=timedelta(minutes=-1), name="now"):
    return {
        "name": name,
        "schedule": f"at({datetime.now(UTC) + opens:%Y-%m-%dT%H:%M:%S})",
        "durationMinutes": 5,
        "provisionedConcurrentExecutions": instances,
    }


def offer(local, scaling, **spec):
    outcome = local.save(
        function("one"), version(1), alias("1", provisionedConcurrencyScaling=scaling, **spec)
    )
    assert outcome.problems == ()


def config(local):
    """Requested and available instances, as Lambda's own call tells them."""
    told = local.hello.get_provisioned_concurrency_config(**LIVE)
    return (
        told["RequestedProvisionedConcurrentExecutions"],
        told["AvailableProvisionedConcurrentExecutions"],
        told["Status"],
    )


def until(local, expected):
    """The test's timeout bounds it."""
    while config(local) != expected:
        pass


def test_a_window_that_is_open_initialises_instances(local):
    offer(local, {"scheduledActions": [window(2), window(1, name="little")]})
    until(local, (2, 2, "READY"))
    listed = local.hello.list_provisioned_concurrency_configs()["ProvisionedConcurrencyConfigs"]
    assert [each["RequestedProvisionedConcurrentExecutions"] for each in listed] == [2]


def test_a_window_that_opens_soon_opens_by_itself(local):
    offer(
        local,
        {"scheduledActions": [window(2, opens=timedelta(seconds=3))]},
        provisionedConcurrentExecutions=1,
    )
    assert config(local)[0] == 1
    until(local, (2, 2, "READY"))


def test_without_an_open_window_there_is_no_configuration(local):
    offer(local, {"scheduledActions": [window(2, opens=timedelta(days=1))]})
    code, _ = refused(local.hello.get_provisioned_concurrency_config, **LIVE)
    assert code == "ProvisionedConcurrencyConfigNotFoundException"
    assert local.call("live") == ("one", "1")


def test_target_tracking_keeps_its_least(local):
    offer(local, {"targetTracking": TRACKING})
    until(local, (2, 2, "READY"))
    code, message = refused(
        local.hello.put_provisioned_concurrency_config, Qualifier="1", ProvisionedConcurrentExecutions=1
    )
    assert (code, message) == (
        "ResourceConflictException",
        "Version is pointed by a Provisioned Concurrency alias",
    )


def test_a_number_by_call_is_the_least_and_goes_again(local):
    offer(local, {"targetTracking": TRACKING})
    begun = local.hello.put_provisioned_concurrency_config(**LIVE, ProvisionedConcurrentExecutions=3)
    assert begun["RequestedProvisionedConcurrentExecutions"] == 3
    until(local, (3, 3, "READY"))
    local.hello.delete_provisioned_concurrency_config(**LIVE)
    # Fewer are kept once the load says so.
    assert config(local)[0] == 3


def test_an_alias_that_keeps_instances_does_not_lead_to_latest(local):
    offer(local, {"targetTracking": TRACKING})
    code, _ = refused(local.hello.update_alias, Name="live", FunctionVersion="$LATEST")
    assert code == "InvalidParameterValueException"


def test_what_is_wrong_is_told_with_its_place(local):
    broken = {**window(1), "schedule": "cron(0 8 * * * *)"}
    outcome = local.save(
        function("one"), version(1), alias("1", provisionedConcurrencyScaling={"scheduledActions": [broken]})
    )
    assert "? in one of day-of-month and day-of-week" in outcome.problems[0]
