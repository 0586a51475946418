"""An operator that dies after any of its writes: the next one goes on where it was, and nothing is published twice."""

import pytest
from tests.component.operator.api_server import api_server
from tests.unit.operator_objects import SETTINGS, function_item

from mayfly_operator.alias_reconciler import AliasReconciler
from mayfly_operator.apply import Cluster, UnavailableError
from mayfly_operator.cache import Cache
from mayfly_operator.events import Events
from mayfly_operator.function_reconciler import FunctionReconciler
from mayfly_operator.intake import Intake
from mayfly_operator.network_policies import NetworkPolicies
from mayfly_operator.publisher import Publisher
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.version_reconciler import VersionReconciler

KEY = ("shop", "hello")


@pytest.fixture
async def server(tmp_path):
    async with api_server(tmp_path) as (made, kubeconfig):
        made.kubeconfig = kubeconfig
        yield made


class Process:
    """An operator, as far as it reconciles: it lists, and works until there is nothing to do."""

    def __init__(self, server, cluster):
        self.server = server
        self.cache = Cache()
        self.intake = Intake(self.cache)
        around = Surroundings(
            cache=self.cache, cluster=cluster, intake=self.intake, events=Events(cluster), settings=SETTINGS
        )
        self.functions = FunctionReconciler(
            around,
            policies=NetworkPolicies(cluster, SETTINGS.network_policy),
            publisher=Publisher(around),
        )
        self.versions = VersionReconciler(around)
        self.aliases = AliasReconciler(around)

    def look(self):
        for kind, take in (
            ("functions", self.intake.function),
            ("versions", self.intake.version),
            ("aliases", self.intake.alias),
        ):
            for item in self.server.all(kind):
                take(item)

    async def work(self):
        before = None
        while before != len(self.server.writes):
            before = len(self.server.writes)
            self.look()
            await self.functions.reconcile(KEY)
            for version in tuple(self.cache.versions):
                await self.versions.reconcile(version.key)
            for alias in tuple(self.cache.aliases):
                await self.aliases.reconcile(alias.key)


async def operate(server, *, dies_after=None):
    """Operators, one after the other, until there is nothing left to do."""
    server.dies_after = dies_after
    while True:
        cluster = await Cluster.connect(server.kubeconfig, lambda: True)
        try:
            await Process(server, cluster).work()
        except UnavailableError:
            continue
        else:
            return
        finally:
            await cluster.close()


def declared(**spec):
    item = function_item(**spec)
    return {"apiVersion": "mayfly.dev/v1beta1", "kind": "Function", **item, "metadata": {"name": "hello"}}


def version(number, **spec):
    metadata = {"name": f"hello.{number}"}
    spec = {"functionName": "hello", **spec}
    return {"apiVersion": "mayfly.dev/v1beta1", "kind": "Version", "metadata": metadata, "spec": spec}


def published(server):
    """Timeouts by number: what tells the contents apart."""
    found = {}
    for item in server.all("versions"):
        number = item["metadata"]["name"].partition(".")[2]
        if number != "latest" and item["spec"].get("configuration"):
            found[int(number)] = item["spec"]["configuration"]["timeout"]
    return found


def last(server):
    return server.get("functions", "hello")["status"].get("lastPublishedVersion", 0)


DEATHS = range(1, 13)


@pytest.mark.parametrize("writes", DEATHS)
async def test_on_change_every_content_is_published_once(server, writes):
    for timeout in (1, 2, 3):
        server.put("functions", declared(publish="OnChange", timeout=timeout))
        await operate(server, dies_after=writes)
    assert published(server) == {1: 1, 2: 2, 3: 3}
    assert last(server) == 3
    server.put("functions", declared(publish="OnChange", timeout=3, description="no change"))
    await operate(server, dies_after=writes)
    assert published(server) == {1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize("writes", DEATHS)
async def test_numbers_that_people_ask_for_are_published_in_their_order(server, writes):
    server.put("functions", declared(timeout=5))
    server.put("versions", version(9))
    server.put("versions", version(4, description="before the sale"))
    await operate(server, dies_after=writes)
    assert published(server) == {4: 5, 9: 5}
    assert last(server) == 9
    assert server.get("versions", "hello.4")["spec"]["description"] == "before the sale"


@pytest.mark.parametrize("writes", DEATHS)
async def test_a_number_is_not_given_again_when_its_version_was_deleted(server, writes):
    server.put("functions", declared(publish="OnChange", timeout=1))
    await operate(server)
    server.delete("versions", "hello.1")
    server.put("functions", declared(publish="OnChange", timeout=2))
    await operate(server, dies_after=writes)
    assert published(server) == {2: 2}
    server.put("versions", version(1))
    await operate(server, dies_after=writes)
    assert published(server) == {2: 2}
    assert server.get("versions", "hello.1")["status"]["conditions"][0]["reason"] == "VersionNumberUsed"


async def test_what_somebody_else_published_meanwhile_is_no_reason_for_another(server):
    server.put("functions", declared(publish="OnChange", timeout=1))
    await operate(server)
    server.put("functions", declared(publish="OnChange", timeout=2))
    cluster = await Cluster.connect(server.kubeconfig, lambda: True)
    late = Process(server, cluster)
    late.look()
    await operate(server)
    # It knows of the edit, and not of the version that was made of it.
    await late.functions.reconcile(KEY)
    await late.work()
    await cluster.close()
    assert published(server) == {1: 1, 2: 2}


async def test_a_number_that_nobody_gets_any_more_is_in_nobodys_way(server):
    server.put("functions", declared(publish="OnChange", timeout=1))
    await operate(server)
    server.delete("versions", "hello.1")
    server.put("versions", version(1))
    server.put("functions", declared(publish="OnChange", timeout=2))
    await operate(server)
    assert published(server) == {2: 2}


async def test_what_was_edited_just_before_it_was_asked_for_is_what_is_published(server):
    server.put("functions", declared(timeout=1))
    cluster = await Cluster.connect(server.kubeconfig, lambda: True)
    process = Process(server, cluster)
    await process.work()
    server.put("functions", declared(timeout=2))
    # The news of the Version comes before the news of the Function.
    process.intake.version(server.put("versions", version(1)))
    await process.functions.reconcile(KEY)
    assert published(server) == {}
    await process.work()
    await cluster.close()
    assert published(server) == {1: 2}


@pytest.mark.parametrize("writes", DEATHS)
async def test_an_alias_is_owned_and_its_versions_know_of_it(server, writes):
    server.put("functions", declared(publish="OnChange", timeout=1))
    spec = {"functionName": "hello", "functionVersion": "1"}
    server.put("aliases", {"kind": "Alias", "metadata": {"name": "hello.live"}, "spec": spec})
    await operate(server, dies_after=writes)
    alias = server.get("aliases", "hello.live")
    assert alias["status"]["functionVersion"] == "1"
    assert alias["metadata"]["ownerReferences"][0]["name"] == "hello"
    assert server.get("versions", "hello.1")["status"]["aliases"] == ["live"]


async def test_a_version_from_a_backup_gets_its_owner_and_counts(server):
    server.put("functions", declared(publish="OnChange", timeout=1))
    await operate(server)
    backup = server.get("versions", "hello.1")
    server.delete("functions", "hello")
    server.delete("versions", "hello.1")
    server.delete("versions", "hello.latest")
    spec = backup["spec"] | {"functionVersion": "8"}
    server.put("versions", version(8) | {"spec": spec})
    server.put("functions", declared(publish="OnChange", timeout=1))
    await operate(server)
    assert published(server) == {8: 1}
    assert last(server) == 8
    assert (
        server.get("versions", "hello.8")["metadata"]["ownerReferences"][0]["uid"]
        == (server.get("functions", "hello")["metadata"]["uid"])
    )
