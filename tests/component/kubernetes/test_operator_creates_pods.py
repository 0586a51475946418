"""The operator creates the pods that a Version lacks, whatever the API server answers in between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from tests.component.kubernetes.api_server import PODS, VERSIONS, api_server
from tests.component.kubernetes.objects import HELLO, NAMESPACE, pod, version
from tests.component.waiting import until
from tests.unit.operator_objects import SETTINGS

from mayfly_model.labels import pod_name
from mayfly_operator.apply import Cluster
from mayfly_operator.cache import Cache
from mayfly_operator.events import Events
from mayfly_operator.intake import Intake
from mayfly_operator.lists import Lists
from mayfly_operator.surroundings import Surroundings
from mayfly_operator.version_reconciler import VersionReconciler
from mayfly_operator.work_queue import WorkQueue


@contextlib.asynccontextmanager
async def background(work) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def operator() -> AsyncIterator[SimpleNamespace]:
    """An API server with the function hello; `list()` has the operator take over what is there, and go on."""
    async with api_server() as server:
        configuration = Configuration()
        configuration.host = server.url
        cluster = Cluster(ApiClient(configuration), may_write=lambda: True)
        cache = Cache()
        intake = Intake(cache)
        around = Surroundings(
            cache=cache, cluster=cluster, intake=intake, events=Events(cluster), settings=SETTINGS
        )
        reconciler = VersionReconciler(around)
        intake.versions = WorkQueue("Version", reconciler.reconcile, workers=4)
        lists = Lists(cache, cluster, intake)
        async with background(intake.versions.run()):
            server.put(VERSIONS, version())
            await lists.load()
            # A status that is written is news, after which everything is looked at once more.
            await until(lambda: server.objects[VERSIONS][HELLO].get("status"))
            yield SimpleNamespace(server=server, list=lists.load, intake=intake, reconciler=reconciler)
        await cluster.close()


def names(server) -> set[str]:
    return {name for _, name in server.objects[PODS]}


def ordinals(server, count: int, *, first: int = 0) -> set[str]:
    revision = server.objects[VERSIONS][HELLO]["spec"]["revision"]
    return {pod_name(HELLO[1], revision, number) for number in range(first, first + count)}


async def test_a_name_that_somebody_elses_pod_has_is_passed_over(operator):
    (first,) = ordinals(operator.server, 1)
    foreign = {"metadata": {"namespace": NAMESPACE, "name": first, "labels": {"app": "another"}}}
    operator.server.put(PODS, foreign)
    operator.server.change(VERSIONS, HELLO, spec={"instances": 2})
    await operator.list()
    await until(lambda: names(operator.server) == ordinals(operator.server, 3), within=5)


async def test_retired_pods_are_deleted_though_none_can_be_created(operator):
    server = operator.server
    revision = server.objects[VERSIONS][HELLO]["spec"]["revision"]
    (name,) = ordinals(server, 1)
    old = server.put(PODS, pod(HELLO, name, revision))
    server.change(
        VERSIONS,
        HELLO,
        spec={"instances": 2},
        status={"retired": [{"name": name, "uid": old["metadata"]["uid"]}]},
    )
    server.refusals.extend(("POST", 500, "InternalError") for _ in range(100))
    await operator.list()
    await until(lambda: not names(server), within=5)
