"""A pod that waits becomes a function's by its agent's word; the rest follows, and nobody waits for it."""

import asyncio

from tests.component.kubernetes.api_server import PODS, VERSIONS
from tests.component.kubernetes.cluster import wanted
from tests.component.kubernetes.objects import HELLO, NAMESPACE, version
from tests.component.waiting import until

from mayfly_gateway.backends.kubernetes.pools import SETTLED
from mayfly_model.labels import POOL_LABEL, REVISION_ANNOTATION, VERSION_LABEL


def status(cluster) -> dict:
    return cluster.server.objects[VERSIONS][HELLO].get("status", {})


def waiting(cluster) -> list[dict]:
    return [
        each for each in cluster.server.objects[PODS].values() if POOL_LABEL in each["metadata"]["labels"]
    ]


def owned(cluster) -> list[dict]:
    pods = cluster.server.objects[PODS].values()
    return [each for each in pods if each["metadata"]["labels"].get(VERSION_LABEL) == HELLO[1]]


async def fill(cluster, size: int, replica) -> None:
    """A pool of this size, all of whose pods run and are known to a gateway."""
    cluster.operator.pool = size
    cluster.operator.reconcile()
    target = replica.gateway.catalogue.resolve(NAMESPACE, "hello", None)
    await until(lambda: replica.backend.spare(target) == size)


async def test_a_first_call_takes_a_pod_that_waits(cluster):
    replica = await cluster.replica()
    await fill(cluster, 2, replica)
    status_code, _, body = await replica.invoke('{"n": 1}')
    assert (status_code, body) == (200, {"n": 1})
    assert cluster.operator.created == []
    await until(lambda: len(owned(cluster)) == 1)
    (pod,) = owned(cluster)
    assert (
        pod["metadata"]["annotations"][REVISION_ANNOTATION]
        == replica.backend._sites.find(HELLO).target.digest
    )
    await until(lambda: wanted(cluster) == 1)
    assert len(waiting(cluster)) == 2
    assert cluster.operator.created == []


async def test_the_pod_gets_what_the_function_has(cluster):
    replica = await cluster.replica()
    cluster.server.put(VERSIONS, version(memorySize=1769))
    await until(lambda: replica.backend._sites.find(HELLO).target.memory_size == 1769)
    await fill(cluster, 1, replica)
    await replica.invoke()
    await until(lambda: cluster.server.resized)
    (resources,) = cluster.server.resized.values()
    assert resources == {
        "requests": {"cpu": "100m", "memory": "1769Mi"},
        "limits": {"cpu": "1000m", "memory": "1769Mi"},
    }


async def test_without_a_pod_that_waits_one_is_asked_for(cluster):
    replica = await cluster.replica()
    assert (await replica.invoke())[0] == 200
    assert len(cluster.operator.created) == 1


async def test_a_claimed_pod_goes_idle_like_any_other(cluster):
    replica = await cluster.replica()
    cluster.server.put(VERSIONS, version(keepAlive=1))
    await until(lambda: replica.backend._sites.find(HELLO).target.keep_alive == 1)
    await fill(cluster, 1, replica)
    await replica.invoke()
    await until(lambda: len(owned(cluster)) == 1)
    await until(lambda: owned(cluster) == [])
    assert wanted(cluster) == 0


async def test_a_pod_that_another_claimed_first_is_left_and_the_next_one_taken(cluster):
    replica = await cluster.replica()
    await fill(cluster, 3, replica)
    for agent in tuple(cluster.kubelet.agents.values())[:2]:
        agent.specialised = {"token": "another's", "revision": "r", "versionName": "other.latest"}
    assert (await replica.invoke())[0] == 200
    assert cluster.operator.created == []


async def test_pods_that_have_ended_and_are_not_known_to_have_are_passed_over(cluster):
    replica = await cluster.replica()
    await fill(cluster, 3, replica)
    await asyncio.sleep(SETTLED)
    for agent in tuple(cluster.kubelet.agents.values())[:2]:
        agent.die()
    assert (await replica.invoke())[0] == 200
    assert cluster.operator.created == []


async def test_where_all_that_wait_are_taken_a_pod_is_asked_for(cluster):
    replica = await cluster.replica()
    await fill(cluster, 5, replica)
    for agent in cluster.kubelet.agents.values():
        agent.specialised = {"token": "another's", "revision": "r", "versionName": "other.latest"}
    assert (await replica.invoke())[0] == 200
    assert len(cluster.operator.created) == 1


async def test_an_instance_that_cannot_be_resized_is_replaced(cluster):
    replica = await cluster.replica()
    await fill(cluster, 2, replica)
    cluster.server.no_resize = (403, "exceeded quota")
    assert (await replica.invoke())[0] == 200
    (first,) = [agent for agent in cluster.kubelet.agents.values() if agent.specialised]
    await until(lambda: first.closed)
    assert (await replica.invoke())[0] == 200
    assert len(cluster.operator.created) == 1
    await until(lambda: len(owned(cluster)) == 1)


async def test_functions_with_secrets_of_their_own_have_pods_of_their_own(cluster):
    replica = await cluster.replica()
    await fill(cluster, 1, replica)
    cluster.server.put(VERSIONS, version(environment={"secretRefs": ["s"]}))
    target = lambda: replica.gateway.catalogue.resolve(NAMESPACE, "hello", None)  # noqa: E731
    await until(lambda: replica.backend.spare(target()) == 0)
    assert (await replica.invoke())[0] == 200
    assert len(cluster.operator.created) == 1


async def test_pods_of_an_old_template_are_claimed_no_more(cluster):
    replica = await cluster.replica()
    await fill(cluster, 1, replica)
    old = next(iter(cluster.kubelet.agents.values()))
    cluster.operator.template = "t2"
    cluster.operator.reconcile()
    await until(lambda: len(cluster.kubelet.agents) == 2)
    target = replica.gateway.catalogue.resolve(NAMESPACE, "hello", None)
    await until(lambda: replica.backend.spare(target) == 1)
    await replica.invoke()
    assert old.specialised is None


async def test_a_burst_of_short_calls_takes_the_pool_and_asks_for_nothing_more(cluster):
    replica = await cluster.replica()
    await fill(cluster, 10, replica)
    answers = await asyncio.gather(*(replica.invoke(f'{{"n": {number}}}') for number in range(40)))
    assert [answer[2] for answer in answers] == [{"n": number} for number in range(40)]
    assert cluster.operator.created == []
    await until(lambda: len(waiting(cluster)) == 10)


async def test_a_pod_that_takes_no_connection_costs_a_moment_and_is_not_tried_again(cluster):
    replica = await cluster.replica()
    await fill(cluster, 1, replica)
    cluster.operator.pool = 0
    (silent,) = cluster.kubelet.agents.values()
    silent.die()
    assert (await replica.invoke())[0] == 200
    assert len(cluster.operator.created) == 1
    target = replica.gateway.catalogue.resolve(NAMESPACE, "hello", None)
    assert replica.backend.spare(target) == 0


async def test_a_new_owner_finds_what_was_claimed_and_not_reported(cluster):
    cluster.operator.paused = True
    first = await cluster.replica()
    cluster.operator.paused = False
    await fill(cluster, 1, first)
    cluster.server.withheld = {"/status"}
    assert (await first.invoke('{"n": 1}'))[2] == {"n": 1}
    (agent,) = [each for each in cluster.kubelet.agents.values() if each.specialised]
    first.owners.change(False)
    cluster.server.withheld = set()
    second = await cluster.replica(doubt=0.05)
    await until(lambda: owned(cluster))
    assert owned(cluster)[0]["metadata"]["uid"] == agent.uid
    await until(lambda: wanted(cluster) == 1)
    cluster.operator.pool = 0
    assert (await second.invoke('{"n": 2}'))[2] == {"n": 2}
    assert len(agent.invocations) == 2
