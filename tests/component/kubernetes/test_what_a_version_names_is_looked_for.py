"""The operator says what a Version names and is not there before anybody calls it, and until that is disproved."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from tests.component.kubernetes.api_server import PODS, VERSIONS, api_server
from tests.component.kubernetes.objects import HELLO, NAMESPACE, version
from tests.unit.operator_objects import NOON, SETTINGS

from mayfly_operator.apply import Cluster
from mayfly_operator.cache import Cache
from mayfly_operator.events import Events
from mayfly_operator.intake import Intake
from mayfly_operator.lists import Lists
from mayfly_operator.references import AGAIN_AFTER
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.version_reconciler import VersionReconciler

NO_ACCOUNT = (
    403,
    'pods "x" is forbidden: error looking up service account: serviceaccount "clerk" not found',
    "Forbidden",
)
FULL = (403, 'pods "x" is forbidden: exceeded quota: small', "Forbidden")


class Operator(SimpleNamespace):
    """`look()` has it take over what there is and act on the Version; gives `Ready` and when it looks again."""

    async def look(self) -> tuple[str, str, float | None]:
        await self.lists.load()
        again = await self.reconciler.reconcile(HELLO)
        await self.lists.load()
        ready = self.server.objects[VERSIONS][HELLO]["status"]["conditions"][0]
        return ready["status"], ready["reason"], again

    def want(self, instances: int) -> None:
        self.server.change(VERSIONS, HELLO, spec={"instances": instances})

    def start_anew(self) -> None:
        """Another process."""
        cache = Cache()
        intake = Intake(cache)
        around = Surroundings(
            cache=cache,
            cluster=self.cluster,
            intake=intake,
            events=Events(self.cluster),
            settings=SETTINGS,
            clock=lambda: self.now,
        )
        self.reconciler, self.lists = VersionReconciler(around), Lists(cache, self.cluster, intake)


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    async with api_server() as server:
        configuration = Configuration()
        configuration.host = server.url
        cluster = Cluster(ApiClient(configuration), may_write=lambda: True)
        operator = Operator(server=server, cluster=cluster, now=NOON)
        operator.start_anew()
        yield operator
        await cluster.close()


async def test_a_service_account_that_is_not_there_is_told_before_any_call(operator):
    operator.server.put(VERSIONS, version(serviceAccountName="clerk"))
    operator.server.admission = NO_ACCOUNT
    assert await operator.look() == ("False", "ServiceAccountNotFound", AGAIN_AFTER)
    operator.server.admission = None
    operator.now += AGAIN_AFTER
    assert (await operator.look())[:2] == ("True", "Available")
    assert not operator.server.objects[PODS]


async def test_a_config_map_of_the_environment_that_is_not_there_is_told_before_any_call(operator):
    operator.server.put(VERSIONS, version(environment={"configMapRefs": ["words"]}))
    assert (await operator.look())[:2] == ("False", "EnvironmentNotFound")
    operator.server.objects["/api/v1/configmaps"] = {(NAMESPACE, "words"): {"metadata": {"name": "words"}}}
    operator.now += AGAIN_AFTER
    assert (await operator.look())[:2] == ("True", "Available")


async def test_what_is_well_is_looked_at_once(operator):
    operator.server.put(VERSIONS, version(serviceAccountName="clerk"))
    assert await operator.look() == ("True", "Available", None)
    operator.start_anew()
    operator.server.admission = NO_ACCOUNT
    assert await operator.look() == ("True", "Available", None)


@pytest.mark.parametrize("refusal", [NO_ACCOUNT, FULL])
async def test_a_refusal_stays_though_nobody_asks_any_more(operator, refusal):
    operator.server.put(VERSIONS, version())
    operator.want(1)
    operator.server.admission = refusal
    _, reason, _ = await operator.look()
    operator.want(0)
    for _ in range(2):
        operator.now += AGAIN_AFTER
        assert (await operator.look())[:2] == ("False", reason)
    operator.start_anew()
    assert (await operator.look())[:2] == ("False", reason)


async def test_a_pod_disproves_a_refusal_at_once(operator):
    operator.server.put(VERSIONS, version())
    operator.want(1)
    operator.server.admission = FULL
    await operator.look()
    operator.want(0)
    assert (await operator.look())[:2] == ("False", "QuotaExceeded")
    operator.server.admission = None
    operator.want(1)
    assert (await operator.look())[:2] == ("True", "Available")


async def test_a_secret_that_an_instance_lacked_is_missing_until_an_instance_runs(operator):
    operator.server.put(VERSIONS, version(environment={"secretRefs": ["keys"]}))
    operator.want(1)
    await operator.look()
    (pod,) = operator.server.objects[PODS]
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "keys" not found'}
    operator.server.change(PODS, pod, status={"containerStatuses": [{"state": {"waiting": waiting}}]})
    assert (await operator.look())[:2] == ("False", "EnvironmentNotFound")
    operator.want(0)
    operator.server.delete(PODS, pod)
    for _ in range(2):
        operator.now += AGAIN_AFTER
        assert (await operator.look())[:2] == ("False", "EnvironmentNotFound")
    operator.want(1)
    assert (await operator.look())[:2] == ("False", "EnvironmentNotFound")
    (pod,) = operator.server.objects[PODS]
    state = {"running": {"startedAt": "2026-11-25T10:00:00Z"}}
    operator.server.change(PODS, pod, status={"phase": "Running", "containerStatuses": [{"state": state}]})
    assert (await operator.look())[:2] == ("True", "Available")
