"""How far a rollout is stands in the Alias's status, so that whoever owns the function next goes on there."""

from tests.component.kubernetes.api_server import ALIASES, VERSIONS
from tests.component.kubernetes.objects import NAMESPACE, alias, published
from tests.component.waiting import until

from mayfly_gateway.routes import Route

LIVE = (NAMESPACE, "hello.live")
NAMED = (NAMESPACE, "hello", "live")
SLOW = {"type": "Canary", "percentage": 10, "intervalMinutes": 60}
QUICK = {"type": "Linear", "percentage": 40, "intervalMinutes": 0.05}


def leads(replica):
    return replica.gateway.catalogue.leads(*NAMED)


def written(cluster):
    """Without its times."""
    told = cluster.server.objects[ALIASES][LIVE].get("status", {}).get("rollout")
    return told and {name: value for name, value in told.items() if not name.endswith("At")}


def told(phase, weight, step, generation=2, **more):
    versions = {"fromVersion": "1", "toVersion": "2"}
    progress = {"observedGeneration": generation, "phase": phase, "weight": weight, "step": step}
    return {**versions, **progress, "message": "", **more}


def offer(cluster, rollout, **status):
    for number in (1, 2):
        cluster.server.put(VERSIONS, published(number, timeout=number))
    item = alias("1", rollout=rollout)
    cluster.server.put(ALIASES, {**item, "status": status} if status else item)


def move(cluster, version="2", **spec):
    cluster.server.change(ALIASES, LIVE, spec={"functionVersion": version, **spec})


async def test_steps_are_written_down_to_the_end(cluster):
    offer(cluster, QUICK)
    replica = await cluster.replica()
    await until(lambda: leads(replica) == Route("1"))
    move(cluster)
    await until(lambda: written(cluster) == told("Progressing", 0.4, 1))
    assert leads(replica) == Route("1", "2", 0.4)
    await until(lambda: written(cluster) == told("Progressing", 0.8, 2))
    await until(lambda: written(cluster) == told("Completed", 1.0, 3))
    assert leads(replica) == Route("2")


async def test_a_gateway_that_starts_goes_on_where_the_last_one_was(cluster):
    offer(cluster, SLOW)
    first = await cluster.replica()
    await until(lambda: leads(first) == Route("1"))
    move(cluster)
    await until(lambda: written(cluster) is not None)
    began = cluster.server.objects[ALIASES][LIVE]["status"]["rollout"]
    second = await cluster.replica()
    await until(lambda: leads(second) == Route("1", "2", 0.1))
    assert cluster.server.objects[ALIASES][LIVE]["status"]["rollout"] == began


async def test_a_move_that_no_gateway_saw_starts_where_calls_went(cluster):
    offer(cluster, SLOW, functionVersion="1")
    move(cluster)
    replica = await cluster.replica()
    await until(lambda: leads(replica) == Route("1", "2", 0.1))


async def test_what_came_back_stays_back_for_a_gateway_that_starts(cluster):
    offer(cluster, SLOW, functionVersion="1")
    move(cluster)
    rollout = told(
        "RolledBack",
        0.0,
        1,
        message="bad",
        startedAt="2026-01-01T00:00:00Z",
        steppedAt="2026-01-01T00:00:09Z",
    )
    cluster.server.change(ALIASES, LIVE, status={"rollout": rollout})
    replica = await cluster.replica()
    await until(lambda: leads(replica) == Route("1"))
    move(cluster, description="again")
    await until(lambda: leads(replica) == Route("1", "2", 0.1))
    await until(lambda: written(cluster) == told("Progressing", 0.1, 1, generation=3))


async def test_a_rollout_that_is_asked_for_no_more_is_taken_out(cluster):
    offer(cluster, SLOW, functionVersion="1")
    replica = await cluster.replica()
    await until(lambda: leads(replica) == Route("1"))
    move(cluster)
    await until(lambda: written(cluster) is not None)
    move(cluster, rollout=None)
    await until(lambda: leads(replica) == Route("2") and written(cluster) is None)


async def test_a_refused_word_is_said_again(cluster):
    offer(cluster, SLOW, functionVersion="1")
    replica = await cluster.replica()
    await until(lambda: leads(replica) == Route("1"))
    cluster.server.statuses_to_refuse = 1
    move(cluster)
    await until(lambda: leads(replica) == Route("1", "2", 0.1))
    assert written(cluster) is None
    await until(lambda: written(cluster) == told("Progressing", 0.1, 1))


async def test_the_api_server_may_be_away(cluster):
    offer(cluster, QUICK, functionVersion="1")
    replica = await cluster.replica()
    await until(lambda: leads(replica) == Route("1"))
    move(cluster)
    await until(lambda: written(cluster) is not None)
    await cluster.server.stop()
    await until(lambda: leads(replica) == Route("2"))
    await cluster.server.start()
    await until(lambda: written(cluster) == told("Completed", 1.0, 3))


async def test_what_another_gateway_wrote_late_is_put_right(cluster):
    offer(cluster, SLOW, functionVersion="1")
    replica = await cluster.replica()
    await until(lambda: leads(replica) == Route("1"))
    move(cluster)
    await until(lambda: written(cluster) is not None)
    cluster.server.change(ALIASES, LIVE, status={"rollout": {"weight": 0.7, "step": 5}})
    await until(lambda: written(cluster) == told("Progressing", 0.1, 1))
    assert leads(replica) == Route("1", "2", 0.1)


async def test_a_rollout_of_a_newer_release_does_not_jump(cluster):
    offer(cluster, SLOW, functionVersion="1")
    replica = await cluster.replica()
    await until(lambda: leads(replica) == Route("1"))
    move(cluster, rollout={"type": "Exponential"})
    cluster.server.put(VERSIONS, published(3))
    await until(lambda: "3" in replica.gateway.catalogue.versions(*NAMED[:2]))
    assert leads(replica) == Route("1")
