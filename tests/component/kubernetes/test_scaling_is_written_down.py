"""How many instances clock and load ask for stands in the Alias's status, so that whoever is next goes on there."""

from datetime import UTC, datetime, timedelta

from tests.component.kubernetes.api_server import ALIASES, VERSIONS
from tests.component.kubernetes.objects import NAMESPACE, alias, published
from tests.component.waiting import until

LIVE = (NAMESPACE, "hello.live")
NAMED = (NAMESPACE, "hello", "live")
HELLO_1 = (NAMESPACE, "hello.1")
TRACKING = {"targetTracking": {"targetValue": 0.5, "minCapacity": 1, "maxCapacity": 9}}
MINIMUM = {
    "observedGeneration": 1,
    "requested": 1,
    "reason": "MinCapacity",
    "message": "At least 1 are kept.",
}
SIX = {"observedGeneration": 1, "requested": 6, "reason": "TargetTracking", "message": "Busy."}


def window(instances, opens=timedelta(minutes=-1)):
    """Open for the five minutes from then on."""
    return {
        "scheduledActions": [
            {
                "name": "now",
                "schedule": f"at({datetime.now(UTC) + opens:%Y-%m-%dT%H:%M:%S})",
                "durationMinutes": 5,
                "provisionedConcurrentExecutions": instances,
            }
        ]
    }


def written(cluster):
    return cluster.server.objects[ALIASES][LIVE].get("status", {}).get("provisionedConcurrencyScaling")


def offer(cluster, scaling, *, told=None, **spec):
    cluster.server.put(VERSIONS, published(1))
    item = alias("1", provisionedConcurrencyScaling=scaling, **spec)
    status = {} if told is None else {"status": {"provisionedConcurrencyScaling": told}}
    cluster.server.put(ALIASES, {**item, **status})


def ask(cluster, scaling, **spec):
    cluster.server.change(ALIASES, LIVE, spec={"provisionedConcurrencyScaling": scaling, **spec})


def decided(replica):
    return replica.gateway.scaling.decided(NAMED)


def initialised(cluster):
    """What the Version tells of its provisioned instances."""
    told = cluster.server.objects[VERSIONS][HELLO_1].get("status", {}).get("provisionedConcurrency", {})
    return told.get("requested"), told.get("available")


async def test_a_window_that_is_open_is_written_down_with_its_name_and_initialises_instances(cluster):
    offer(cluster, window(2))
    await cluster.replica()
    await until(lambda: (written(cluster) or {}).get("requested") == 2)
    assert written(cluster)["reason"] == "ScheduledAction"
    assert written(cluster)["message"] == "The window now is open."
    await until(lambda: initialised(cluster) == (2, 2))


async def test_a_gateway_that_starts_keeps_as_many_as_the_last_one(cluster):
    told = {**SIX, "scaledOutAt": "2026-11-25T00:00:00Z"}
    offer(cluster, TRACKING, told=told)
    replica = await cluster.replica()
    await until(lambda: decided(replica) is not None)
    await until(lambda: initialised(cluster) == (6, 6))
    assert written(cluster) == told


async def test_a_change_of_what_is_asked_for_goes_on_from_there(cluster):
    offer(cluster, TRACKING, told=SIX)
    await cluster.replica()
    await until(lambda: initialised(cluster) == (6, 6))
    ask(cluster, {"targetTracking": {"maxCapacity": 4}})
    await until(lambda: written(cluster)["requested"] == 4)
    assert written(cluster)["observedGeneration"] == 2
    assert written(cluster)["message"] == "maxCapacity is 4."


async def test_what_is_asked_for_no_more_is_taken_out_and_the_plain_number_holds(cluster):
    offer(cluster, TRACKING, provisionedConcurrentExecutions=2)
    await cluster.replica()
    await until(lambda: written(cluster) is not None)
    assert written(cluster)["reason"] == "ProvisionedConcurrentExecutions"
    ask(cluster, None)
    await until(lambda: written(cluster) is None)
    await until(lambda: initialised(cluster) == (2, 2))


async def test_a_refused_word_is_said_again(cluster):
    cluster.server.statuses_to_refuse = 2
    offer(cluster, TRACKING)
    await cluster.replica()
    await until(lambda: written(cluster) == MINIMUM)


async def test_what_another_gateway_wrote_late_is_put_right(cluster):
    offer(cluster, TRACKING)
    await cluster.replica()
    await until(lambda: written(cluster) == MINIMUM)
    cluster.server.change(ALIASES, LIVE, status={"provisionedConcurrencyScaling": SIX})
    await until(lambda: written(cluster) == MINIMUM)


async def test_rollouts_and_scaling_take_nothing_from_each_other(cluster):
    rollout = {"type": "Canary", "percentage": 10, "intervalMinutes": 60}
    offer(cluster, TRACKING, rollout=rollout)
    cluster.server.put(VERSIONS, published(2, timeout=2))
    await cluster.replica()
    await until(lambda: written(cluster) == MINIMUM)
    cluster.server.change(ALIASES, LIVE, spec={"functionVersion": "2"})
    await until(lambda: "rollout" in cluster.server.objects[ALIASES][LIVE]["status"])
    await until(lambda: written(cluster) == {**MINIMUM, "observedGeneration": 2})
    assert cluster.server.objects[ALIASES][LIVE]["status"]["rollout"]["phase"] == "Progressing"


async def test_what_a_newer_release_asks_for_changes_nothing(cluster):
    offer(cluster, TRACKING)
    replica = await cluster.replica()
    await until(lambda: written(cluster) == MINIMUM)
    ask(cluster, {"predictive": {"mode": "ForecastAndScale"}})
    cluster.server.put(VERSIONS, published(3))
    await until(lambda: "3" in replica.gateway.catalogue.versions(*NAMED[:2]))
    assert decided(replica).instances == 1
