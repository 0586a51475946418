"""The gateway's view of the cluster stays true through long lines, gaps and everything that comes twice."""

import asyncio
import itertools

from tests.component.kubernetes.api_server import PODS, VERSIONS, conditions
from tests.component.kubernetes.cluster import instances, placed, wanted
from tests.component.kubernetes.objects import HELLO, NAMESPACE, version
from tests.component.waiting import until


async def test_a_version_with_much_code_is_followed(cluster):
    replica = await cluster.replica()
    code = {"inline": {f"file{n}.py": "#" * 90_000 for n in range(10)}}
    cluster.server.put(VERSIONS, version(code=code, memorySize=256))
    await until(lambda: replica.gateway.catalogue.resolve(NAMESPACE, "hello").memory_size == 256)


async def test_a_pod_replaced_by_another_of_its_name_while_nobody_told_is_gone(cluster):
    replica = await cluster.replica()
    assert (await replica.invoke())[0] == 200
    ((key, item),) = cluster.server.objects[PODS].items()
    old = item["metadata"]["uid"]
    cluster.operator.paused = True
    cluster.server.delete_unseen(PODS, key)
    new = cluster.server.put_unseen(
        PODS,
        {
            "metadata": {k: v for k, v in item["metadata"].items() if k not in ("uid", "resourceVersion")},
            "status": {"phase": "Pending"},
        },
    )
    cluster.server.compact()
    cluster.server.drop_watches()
    await until(lambda: new["metadata"]["uid"] in placed(replica))
    assert old not in placed(replica)


async def test_a_gateway_that_starts_does_not_scale_what_it_has_not_seen_yet(cluster):
    first = await cluster.replica()
    assert (await first.invoke())[0] == 200
    first.owners.change(False)
    cluster.server.scaled.clear()
    cluster.server.withheld.add(PODS)
    second = await cluster.replica(serves=False)
    await until(lambda: second.backend._versions.warm.is_set() or second.backend._instances._pause > 0.5)
    cluster.server.withheld.clear()
    await until(lambda: instances(second) == 1)
    assert cluster.server.scaled == []


async def test_a_gateway_that_does_not_know_the_others_yet_takes_nothing(cluster):
    first = await cluster.replica()
    assert (await first.invoke())[0] == 200
    (agent,) = cluster.kubelet.agents.values()
    known = asyncio.Event()
    cluster.server.requests.clear()
    second = await cluster.replica(serves=False, owners_known=known)
    await until(lambda: cluster.server.requests.count(("GET", PODS)) == 2)
    assert (await second.invoke())[0] == 503
    assert ("GET", VERSIONS) not in cluster.server.requests
    assert not second.backend.ready()
    second.owners.mine = False
    known.set()
    await second.serves()
    assert second.backend._sites.find(HELLO) is None
    assert len(agent.connections) == 1


async def test_gateways_that_both_take_themselves_for_the_owner_do_not_storm_the_api_server(cluster):
    replica = await cluster.replica()
    assert (await replica.invoke())[0] == 200
    loop = asyncio.get_running_loop()
    said: list[float] = []

    def contradict(path, key) -> None:
        if path == VERSIONS and wanted(cluster) == 1:
            said.append(loop.time())
            loop.call_soon(lambda: cluster.server.change(VERSIONS, HELLO, spec={"instances": 0}))

    cluster.server.on_change = contradict
    cluster.server.change(VERSIONS, HELLO, spec={"instances": 0})
    await until(lambda: len(said) == 4, within=20)
    gaps = [after - before for before, after in itertools.pairwise(said)]
    assert gaps[1] > 1.2
    assert gaps[2] > 2.4
    assert len(cluster.server.objects[PODS]) == 1


async def test_a_number_that_is_refused_is_said_again_more_and_more_slowly(cluster):
    cluster.operator.paused = True
    path = "/apis/mayfly.dev/v1beta1/namespaces/shop/versions/hello.latest/scale"
    cluster.server.refusals.extend(("PATCH", 403, "Forbidden") for _ in range(6))
    replica = await cluster.replica()
    loop = asyncio.get_running_loop()
    began = loop.time()
    call = asyncio.create_task(replica.invoke())
    await until(lambda: wanted(cluster) == 1, within=20)
    assert cluster.server.requests.count(("PATCH", path)) == 7
    assert loop.time() - began > 2.5
    cluster.operator.paused = False
    cluster.operator.reconcile()
    assert (await call)[0] == 200


async def test_when_a_version_was_called_last_is_written_down(cluster):
    replica = await cluster.replica()
    assert (await replica.invoke())[0] == 200
    await until(
        lambda: cluster.server.objects[VERSIONS][HELLO].get("status", {}).get("lastInvocationTime"), within=20
    )


def code_available(cluster):
    return [
        found for found in conditions(cluster.server.objects[VERSIONS][HELLO]) if found[0] == "CodeAvailable"
    ]


async def test_an_archive_that_was_not_uploaded_is_told_before_any_call_until_it_is_there(cluster):
    sha256 = "ab" * 32
    cluster.server.put(VERSIONS, version(code={"archive": f"sha256:{sha256}"}))
    await cluster.replica()
    await until(lambda: code_available(cluster) == [("CodeAvailable", "False", "CodeNotFound")])
    cluster.store.archives[NAMESPACE, sha256] = b""
    await until(lambda: code_available(cluster) == [("CodeAvailable", "True", "Available")], within=20)


async def test_nothing_is_told_of_an_archive_while_the_store_is_away(cluster):
    cluster.store.away = True
    cluster.server.put(VERSIONS, version(code={"archive": f"sha256:{'ab' * 32}"}))
    await cluster.replica()
    assert code_available(cluster) == []
    cluster.store.away = False
    await until(lambda: code_available(cluster) == [("CodeAvailable", "False", "CodeNotFound")], within=20)
