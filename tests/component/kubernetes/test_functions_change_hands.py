"""A function that moves from one gateway to another loses no call and no instance."""

import asyncio
import hashlib

import pytest
from tests.component.kubernetes.api_server import PODS, VERSIONS
from tests.component.kubernetes.cluster import SIGNER, instances, placed, wanted
from tests.component.kubernetes.objects import HELLO, NAMESPACE, version
from tests.component.waiting import until

from mayfly_gateway.backends.kubernetes.keys import Keys
from mayfly_gateway.backends.kubernetes.placement import State
from mayfly_model.publishing import packed


async def test_a_call_is_served_by_a_pod(cluster):
    replica = await cluster.replica()
    status, _, body = await replica.invoke('{"n": 1}')
    assert (status, body) == (200, {"n": 1})
    assert wanted(cluster) == 1


async def test_a_gateway_that_let_a_function_go_asks_for_nothing_more(cluster):
    """Its launch was just waiting for the pod's agent to listen."""
    cluster.kubelet.script = lambda agent: setattr(agent, "listen", lambda: asyncio.sleep(0))
    replica = await cluster.replica(launch_time=1.0)
    call = asyncio.create_task(replica.invoke())
    await until(lambda: cluster.kubelet.agents)
    await until(lambda: [each.state for each in placed(replica).values()] == [State.USED])
    replica.owners.change(False)
    assert (await call)[0] == 503
    before = list(cluster.server.scaled)
    cluster.server.change(VERSIONS, HELLO, spec={"instances": 3})
    await until(lambda: not replica.gateway.dispatcher._fleet._launches)
    assert replica.backend._sites.find(HELLO) is None
    assert cluster.server.scaled == before
    assert wanted(cluster) == 3


@pytest.mark.parametrize("change", ["let go", "updated"])
async def test_a_launch_whose_function_went_on_while_its_code_was_fetched_waits_for_no_pod(cluster, change):
    archive = packed({"app.py": "handler = print"})
    code = {"archive": f"sha256:{hashlib.sha256(archive).hexdigest()}"}
    cluster.server.put(VERSIONS, version(code=code))
    cluster.store.archives[NAMESPACE, code["archive"].removeprefix("sha256:")] = archive
    replica = await cluster.replica()
    cluster.store.open.clear()
    call = asyncio.create_task(replica.invoke())
    await until(lambda: cluster.store.asked)
    launch = next(iter(replica.gateway.dispatcher._fleet._launches))
    if change == "let go":
        replica.owners.change(False)
    else:
        cluster.server.put(VERSIONS, version(code=code, memorySize=256))
        await until(lambda: replica.gateway.catalogue.resolve(NAMESPACE, "hello").memory_size == 256)
    cluster.store.open.set()
    await until(launch.done, within=5)
    assert (await call)[0] == (503 if change == "let go" else 200)
    assert {agent.specialised["revision"] for agent in cluster.kubelet.agents.values()} == (
        set() if change == "let go" else {cluster.server.objects[VERSIONS][HELLO]["spec"]["revision"]}
    )


async def test_an_instance_that_another_gateway_took_at_the_last_moment_is_left_to_work_and_then_used(
    cluster,
):
    keys = Keys(SIGNER.key)
    revision = cluster.server.objects[VERSIONS][HELLO]["spec"]["revision"]

    def take(agent) -> None:
        if len(cluster.kubelet.agents) == 1:
            agent.specialised = {"token": keys.session_token(agent.uid), "revision": revision}
            agent.free.clear()

    cluster.kubelet.script = take
    replica = await cluster.replica()
    assert (await replica.invoke('{"n": 1}'))[2] == {"n": 1}
    taken = next(iter(cluster.kubelet.agents.values()))
    assert not taken.invocations
    assert placed(replica)[taken.uid].state is State.PROBED
    taken.free.set()
    await until(lambda: instances(replica) == 2)
    assert len(cluster.server.objects[PODS]) == 2


async def test_the_number_that_a_former_owner_says_late_is_corrected(cluster):
    replica = await cluster.replica()
    assert (await replica.invoke())[0] == 200
    cluster.server.change(VERSIONS, HELLO, spec={"instances": 0})
    await until(lambda: wanted(cluster) == 1)


async def test_a_pod_that_is_of_no_use_is_retired_though_its_first_report_was_refused(cluster):
    replica = await cluster.replica()
    assert (await replica.invoke())[0] == 200
    await until(lambda: not replica.backend._reports._tasks)
    cluster.server.statuses_to_refuse = 1
    for agent in tuple(cluster.kubelet.agents.values()):
        cluster.kubelet.kill(agent)
    await until(lambda: not cluster.server.objects[PODS], within=20)


async def test_a_call_outlives_a_change_that_is_taken_back_at_once(cluster):
    """Its launch is given up for the one content when the other is served again."""
    cluster.operator.paused = True
    replica = await cluster.replica()
    call = asyncio.create_task(replica.invoke('{"n": 1}'))
    await until(lambda: wanted(cluster) == 1)
    for memory in (256, 128):
        cluster.server.put(VERSIONS, version(memorySize=memory))
    await until(lambda: replica.backend._versions._version == str(cluster.server.version))
    cluster.operator.paused = False
    await until(lambda: wanted(cluster) == 1)
    cluster.operator.reconcile()
    assert (await call)[2] == {"n": 1}


async def test_instances_that_are_being_adopted_take_nothing_from_what_the_namespace_shares(cluster):
    first = await cluster.replica()
    assert (await first.invoke())[0] == 200
    (agent,) = cluster.kubelet.agents.values()
    agent.free.clear()
    first.owners.change(False)
    second = await cluster.replica(account_limit=1)
    await until(lambda: [each.state for each in placed(second).values()] == [State.PROBED])
    assert (await second.invoke())[0] == 200
    agent.free.set()


async def test_two_gateways_that_both_take_themselves_for_the_owner_end_no_call_of_each_other(cluster):
    one = await cluster.replica()
    assert (await one.invoke())[0] == 200
    (agent,) = cluster.kubelet.agents.values()
    other = await cluster.replica()
    await until(lambda: instances(other) == 1)
    held = asyncio.create_task(other.invoke('{"do": "hold"}'))
    await until(lambda: agent.held)
    assert (await one.invoke('{"n": 1}'))[2] == {"n": 1}
    assert placed(one)[agent.uid].state is State.PROBED
    agent.release()
    assert (await held)[0] == 200
    await until(lambda: instances(one) == 2)
    assert not cluster.server.objects[VERSIONS][HELLO].get("status", {}).get("retired")
