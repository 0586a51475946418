"""Published Versions have pods of their own, and Aliases lead to them as the cluster says."""

from tests.component.kubernetes.api_server import ALIASES, FUNCTIONS, PODS, VERSIONS
from tests.component.kubernetes.objects import NAMESPACE, alias, published, version
from tests.component.waiting import until

from mayfly_model.labels import VERSION_LABEL

NAMED = (NAMESPACE, "hello")
LIVE = (NAMESPACE, "hello.live")


def executed(reply):
    """Status and executed version."""
    status, headers, _ = reply
    return status, headers.get("X-Amz-Executed-Version")


def pods(cluster):
    """The Versions that the pods are of, one for each pod."""
    return sorted(pod["metadata"]["labels"][VERSION_LABEL] for pod in cluster.server.objects[PODS].values())


def led(replica):
    """The version to which the alias leads."""
    route = replica.gateway.catalogue.leads(*NAMED, "live")
    return None if route is None else route.version


def said(replica):
    """The version that the alias names."""
    return replica.gateway.catalogue.aliases(*NAMED)["live"].version


async def test_each_version_is_scaled_by_itself(cluster):
    cluster.server.put(VERSIONS, published(1, timeout=7))
    cluster.server.put(VERSIONS, published(2, memorySize=256))
    replica = await cluster.replica()
    await until(lambda: len(replica.gateway.catalogue.versions(*NAMED)) == 3)
    for version_called in ("1", "2", "$LATEST", "1"):
        assert executed(await replica.invoke(name=f"hello:{version_called}")) == (200, version_called)
    assert pods(cluster) == ["hello.1", "hello.2", "hello.latest"]
    assert sorted(cluster.server.scaled) == [("hello.1", 1), ("hello.2", 1), ("hello.latest", 1)]
    told = {
        (agent.specialised["function"]["version"], agent.specialised["function"]["memorySize"])
        for agent in cluster.kubelet.agents.values()
    }
    assert told == {("1", 128), ("2", 256), ("$LATEST", 128)}


async def test_aliases_are_followed_and_touch_no_pod(cluster):
    cluster.server.put(VERSIONS, published(1))
    cluster.server.put(VERSIONS, published(2, timeout=7))
    cluster.server.put(ALIASES, alias("1"))
    replica = await cluster.replica()
    for number in ("1", "2", "1"):
        cluster.server.change(ALIASES, LIVE, spec={"functionVersion": number})
        await until(lambda number=number: led(replica) == number)
        assert executed(await replica.invoke(name="hello:live")) == (200, number)
    assert pods(cluster) == ["hello.1", "hello.2"]
    cluster.server.delete(ALIASES, LIVE)
    await until(lambda: led(replica) is None)
    status, _, body = await replica.invoke(name="hello:live")
    assert status == 404
    assert body["Message"] == "Function not found: arn:aws:lambda:local:shop:function:hello:live"


async def test_an_alias_waits_for_the_version_that_it_names(cluster):
    cluster.server.put(VERSIONS, published(1))
    cluster.server.put(ALIASES, alias("1"))
    replica = await cluster.replica()
    await until(lambda: led(replica) == "1")
    cluster.server.change(ALIASES, LIVE, spec={"functionVersion": "2"})
    await until(lambda: said(replica) == "2")
    assert executed(await replica.invoke(name="hello:live")) == (200, "1")
    cluster.server.put(VERSIONS, published(2))
    await until(lambda: led(replica) == "2")
    assert executed(await replica.invoke(name="hello:live")) == (200, "2")


async def test_a_deleted_version_finishes_what_it_runs(cluster):
    cluster.server.put(VERSIONS, published(1))
    replica = await cluster.replica()
    await until(lambda: "1" in replica.gateway.catalogue.versions(*NAMED))
    assert executed(await replica.invoke(name="hello:1")) == (200, "1")
    cluster.server.delete(VERSIONS, (NAMESPACE, "hello.1"))
    await until(lambda: "1" not in replica.gateway.catalogue.versions(*NAMED))
    assert executed(await replica.invoke(name="hello:1")) == (404, None)
    (agent,) = cluster.kubelet.agents.values()
    await until(lambda: agent.closed)
    assert executed(await replica.invoke()) == (200, "$LATEST")


async def test_an_edited_function_keeps_the_pods_of_its_published_versions(cluster):
    cluster.server.put(VERSIONS, published(1))
    replica = await cluster.replica()
    await until(lambda: "1" in replica.gateway.catalogue.versions(*NAMED))
    assert executed(await replica.invoke(name="hello:1")) == (200, "1")
    (agent,) = cluster.kubelet.agents.values()
    cluster.server.put(VERSIONS, version(memorySize=256))
    await until(lambda: replica.gateway.catalogue.resolve(*NAMED).memory_size == 256)
    assert executed(await replica.invoke(name="hello:1")) == (200, "1")
    assert len(agent.invocations) == 2


async def test_a_function_is_handed_over_with_all_its_versions(cluster):
    cluster.server.put(VERSIONS, published(1))
    first, second = await cluster.replica(), await cluster.replica(mine=False)
    await until(lambda: all("1" in each.gateway.catalogue.versions(*NAMED) for each in (first, second)))
    for qualifier in ("1", "$LATEST"):
        await first.invoke(name=f"hello:{qualifier}")
    agents = list(cluster.kubelet.agents.values())
    first.owners.change(False)
    second.owners.change(True)
    for qualifier in ("1", "$LATEST"):
        assert executed(await second.invoke(name=f"hello:{qualifier}")) == (200, qualifier)
    assert [len(agent.invocations) for agent in agents] == [2, 2]


async def test_a_function_that_nothing_came_of_yet_says_why(cluster):
    replica = await cluster.replica()
    found = {"type": "Ready", "status": "False", "reason": "ConfigMapNotFound", "message": "code is missing"}
    broken = {
        "metadata": {"namespace": NAMESPACE, "name": "broken"},
        "spec": {"runtime": "python3.13"},
        "status": {"conditions": [found]},
    }
    cluster.server.put(FUNCTIONS, broken)
    status, _, answer = await replica.invoke(name="broken")
    assert (status, answer["message"]) == (502, "ConfigMapNotFound: code is missing")


async def test_a_function_that_is_not_there_is_not_found(cluster):
    replica = await cluster.replica()
    assert (await replica.invoke(name="nobody"))[0] == 404
