"""Pods that nobody can use are told to the operator for deletion, once, and no others are."""

import asyncio

from tests.component.kubernetes.api_server import PODS, VERSIONS
from tests.component.kubernetes.cluster import instances, placed, wanted
from tests.component.kubernetes.objects import HELLO, version
from tests.component.waiting import until

from mayfly_gateway.backends.kubernetes.placement import State


def retired(cluster) -> set[str]:
    status = cluster.server.objects[VERSIONS][HELLO].get("status", {})
    return {each["uid"] for each in status.get("retired", [])}


async def served_by_one(cluster) -> tuple:
    """A gateway with a pod that has served a call, and that pod's agent."""
    replica = await cluster.replica()
    assert (await replica.invoke())[0] == 200
    (agent,) = cluster.kubelet.agents.values()
    return replica, agent


async def test_a_pod_that_a_former_owner_retired_is_not_used_again(cluster):
    first, agent = await served_by_one(cluster)
    cluster.operator.paused = True
    first.owners.change(False)
    (key,) = cluster.server.objects[PODS]
    cluster.server.change(VERSIONS, HELLO, status={"retired": [{"name": key[1], "uid": agent.uid}]})
    second = await cluster.replica()
    assert placed(second)[agent.uid].state is State.LOST
    await until(lambda: wanted(cluster) == 0)
    cluster.operator.paused = False
    cluster.operator.reconcile()
    assert (await second.invoke('{"n": 2}'))[2] == {"n": 2}
    assert [body for _, body in agent.invocations] == [b"{}"]


async def test_what_a_former_owner_took_out_of_the_list_is_put_back(cluster):
    _, agent = await served_by_one(cluster)
    cluster.operator.paused = True
    cluster.kubelet.kill(agent)
    await until(lambda: retired(cluster) == {agent.uid})
    cluster.server.change(VERSIONS, HELLO, status={"retired": []})
    await until(lambda: retired(cluster) == {agent.uid})


async def test_a_pod_is_retired_only_after_its_number_was_taken_back(cluster):
    """Else the operator would put another in its place."""
    cluster.server.put(VERSIONS, version(keepAlive=0))
    await cluster.replica()
    cluster.server.change(VERSIONS, HELLO, spec={"instances": 1})
    await until(lambda: cluster.kubelet.agents)
    cluster.server.withheld.add("/scale")
    path = "/apis/mayfly.dev/v1beta1/namespaces/shop/versions/hello.latest/scale"
    await until(lambda: cluster.server.requests.count(("PATCH", path)) > 3)
    assert not retired(cluster)
    cluster.server.withheld.clear()
    await until(lambda: not cluster.server.objects[PODS])
    assert len(cluster.operator.created) == 1


async def test_an_agent_that_does_not_listen_yet_is_waited_for(cluster):
    first, agent = await served_by_one(cluster)
    first.owners.change(False)
    agent.die()
    second = await cluster.replica()
    await until(lambda: placed(second)[agent.uid].state is State.PROBED)
    call = asyncio.create_task(second.invoke())
    assert (await call)[0] == 200
    await agent.listen()
    await until(lambda: instances(second) == 2)
    assert not retired(cluster)


async def test_instances_of_another_key_are_replaced_without_a_call_that_fails(cluster):
    first, agent = await served_by_one(cluster)
    first.owners.change(False)
    agent.specialised["token"] = "of the key before"
    agent.foreign = True
    second = await cluster.replica()
    assert (await second.invoke('{"n": 1}'))[2] == {"n": 1}
    await until(lambda: agent.uid not in cluster.kubelet.agents)
    assert len(cluster.server.objects[PODS]) == 1


async def test_a_bare_pod_of_another_key_is_replaced(cluster):
    cluster.kubelet.script = lambda agent: setattr(agent, "foreign", len(cluster.kubelet.agents) == 1)
    replica = await cluster.replica()
    assert (await replica.invoke('{"n": 1}'))[2] == {"n": 1}
    await until(lambda: len(cluster.server.objects[PODS]) == 1)
    assert [each.foreign for each in cluster.kubelet.agents.values()] == [False]


async def test_an_instance_that_another_gateway_makes_the_functions_just_now_is_waited_for(cluster):
    """Its agent did not know the word when it was first asked."""
    first, agent = await served_by_one(cluster)
    first.owners.change(False)
    specialised, agent.specialised = agent.specialised, None
    agent.on_health = lambda: setattr(agent, "specialised", specialised)
    second = await cluster.replica()
    await until(lambda: instances(second) == 1)
    assert (await second.invoke())[0] == 200
    assert len(agent.invocations) == 2


async def test_an_instance_that_one_gateway_closes_finishes_the_call_of_another(cluster):
    cluster.server.put(VERSIONS, version(keepAlive=1))
    one, agent = await served_by_one(cluster)
    other = await cluster.replica()
    await until(lambda: instances(other) == 1)
    held = asyncio.create_task(other.invoke('{"do": "hold"}'))
    await until(lambda: agent.closed)
    assert (await one.invoke('{"n": 1}'))[2] == {"n": 1}
    assert not retired(cluster)
    agent.release()
    assert (await held)[0] == 200
