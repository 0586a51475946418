"""A cluster small enough for a test: an API server, an operator and a kubelet that a test can hold back, agents."""

import asyncio
import itertools
import json
import os
from ipaddress import ip_address

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from tests.component.kubernetes.agents import PodAgent
from tests.component.kubernetes.api_server import PODS, VERSIONS, ApiServer
from tests.component.kubernetes.objects import HELLO, NAMESPACE, pod, running, waiting_pod
from tests.component.signing import Signer
from tests.component.waiting import until

from mayfly_gateway.archives import StoreUnavailableError
from mayfly_gateway.backends.kubernetes.absent import Absent
from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.backend import KubernetesBackend
from mayfly_gateway.backends.kubernetes.code import CodeError, Packages
from mayfly_gateway.backends.kubernetes.invoked import Invoked
from mayfly_gateway.backends.kubernetes.keys import Keys
from mayfly_gateway.backends.kubernetes.surroundings import Surroundings
from mayfly_gateway.server import Gateway
from mayfly_gateway.settings import Settings
from mayfly_model.conditions import Reason
from mayfly_model.labels import (
    POOL_LABEL,
    POOL_TEMPLATE_ANNOTATION,
    REVISION_ANNOTATION,
    VERSION_LABEL,
    instance_labels,
    pod_name,
)
from mayfly_model.runtime_list import RuntimeImage

SIGNER = Signer()
# Another run on this machine has other addresses.
ADDRESSES = itertools.count(os.getpid() * 32_749)
RUNTIMES = {
    "python3.13": RuntimeImage(
        "python3.13", "python", "3.13", image="python", bootstrap="/var/runtime/bootstrap"
    )
}


class Operator:
    """Creates the pods that Versions lack and deletes those that ended or were retired, as the real one does."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.paused = False
        self.created: list[str] = []
        self.pool = 0
        self.template = "t1"
        server.on_change = self.on_change

    def on_change(self, path: str, key: tuple[str, str]) -> None:
        if not self.paused:
            asyncio.get_running_loop().call_soon(self.reconcile)

    def reconcile(self) -> None:
        for key, version in tuple(self.server.objects[VERSIONS].items()):
            for claim in version.get("status", {}).get("claimed", []):
                self._take_in(key, version, claim)
            self._reconcile(key, version)
        self._fill()

    def _take_in(self, key: tuple[str, str], version: dict, claim: dict) -> None:
        item = self.server.objects[PODS].get((key[0], claim["name"]))
        waits = item is not None and POOL_LABEL in item["metadata"]["labels"]
        if waits and item["metadata"]["uid"] == claim["uid"]:
            labels = instance_labels(function="hello", version=key[1], runtime="python3.13")
            metadata = {
                "labels": labels | {POOL_LABEL: None},
                "annotations": {REVISION_ANNOTATION: claim["revision"]},
            }
            self.server.change(PODS, (key[0], claim["name"]), metadata=metadata)

    def _fill(self) -> None:
        """Keep the pool at its size; what waits there is never deleted before it has ended."""
        waiting = {
            key: each
            for key, each in self.server.objects[PODS].items()
            if POOL_LABEL in each["metadata"]["labels"]
        }
        for key, each in waiting.items():
            if each["status"]["phase"] in ("Succeeded", "Failed"):
                self.server.delete(PODS, key)
        current = [
            each
            for each in waiting.values()
            if each["metadata"]["annotations"][POOL_TEMPLATE_ANNOTATION] == self.template
            and each["status"]["phase"] not in ("Succeeded", "Failed")
        ]
        for _ in range(self.pool - len(current)):
            self.server.put(PODS, waiting_pod(self.template))

    def _reconcile(self, key: tuple[str, str], version: dict) -> None:
        retired = {each["uid"] for each in version.get("status", {}).get("retired", [])}
        pods = {
            name: each
            for (namespace, name), each in self.server.objects[PODS].items()
            if namespace == key[0] and each["metadata"]["labels"].get(VERSION_LABEL) == key[1]
        }
        revision = version["spec"]["revision"]
        alive = 0
        for name, found in tuple(pods.items()):
            over = found["status"]["phase"] in ("Succeeded", "Failed")
            if over or found["metadata"]["uid"] in retired:
                self.server.delete(PODS, (key[0], name))
            elif found["metadata"]["annotations"][REVISION_ANNOTATION] == revision:
                alive += 1
        for ordinal in itertools.count():
            if alive >= version["spec"].get("instances", 0):
                break
            name = pod_name(key[1], revision, ordinal)
            if name not in pods:
                alive += 1
                self.created.append(name)
                self.server.put(PODS, pod(key, name, revision))


class Kubelet:
    """Runs pods: an agent for each, and what became of it in the pod's status."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.paused = False
        self.ended = False
        self.agents: dict[str, PodAgent] = {}
        self.agent = PodAgent
        self.script = lambda agent: None

    async def run(self) -> None:
        while not self.ended:
            news = self.server.news
            if not self.paused:
                await self.sync()
            await news.wait()

    def stop(self) -> None:
        """Have `run` return: a listening socket that was being made would be lost if it were cancelled."""
        self.ended = True
        self.server.news.set()

    async def sync(self) -> None:
        for key, each in tuple(self.server.objects[PODS].items()):
            if each["status"]["phase"] == "Pending" and each["metadata"]["uid"] not in self.agents:
                await self.start(key)
        uids = {each["metadata"]["uid"] for each in self.server.objects[PODS].values()}
        for uid in self.agents.keys() - uids:
            self.agents.pop(uid).die()

    async def start(self, key: tuple[str, str]) -> PodAgent:
        address = str(ip_address("127.16.0.1") + next(ADDRESSES) % 2**23)
        uid = self.server.objects[PODS][key]["metadata"]["uid"]
        agent = self.agents[uid] = self.agent(uid, address)
        self.script(agent)
        agent.on_close = lambda: self.complete(key, uid)
        await agent.listen()
        if key in self.server.objects[PODS]:
            self.server.change(PODS, key, status=running(address))
        return agent

    def complete(self, key: tuple[str, str], uid: str) -> None:
        """The pod's agent has ended by itself; another pod may have its name by now."""
        item = self.server.objects[PODS].get(key)
        if item is not None and item["metadata"]["uid"] == uid:
            self.end(key, exit_code=0, reason="Completed")

    def end(self, key: tuple[str, str], *, exit_code: int, reason: str) -> None:
        """The pod's container has ended."""
        if key in self.server.objects[PODS]:
            phase = "Failed" if exit_code else "Succeeded"
            state = {"terminated": {"exitCode": exit_code, "reason": reason}}
            self.server.change(PODS, key, status={"phase": phase, "containerStatuses": [{"state": state}]})

    def kill(self, agent: PodAgent) -> None:
        """The pod's processes die; its status says so when `end` is called."""
        agent.die()

    def key(self, agent: PodAgent) -> tuple[str, str]:
        pods = self.server.objects[PODS].items()
        return next(key for key, each in pods if each["metadata"]["uid"] == agent.uid)


class Store:
    """Archives in memory. `away`: it says that it does not answer; while it is not `open` it says nothing."""

    def __init__(self) -> None:
        self.archives: dict[tuple[str, str], bytes] = {}
        self.away = False
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def get(self, namespace: str, sha256: str) -> bytes | None:
        self.asked += 1
        await self.open.wait()
        if self.away:
            raise CodeError(Reason.CODE_NOT_FOUND, "the store of code archives does not answer")
        return self.archives.get((namespace, sha256))

    async def has(self, namespace: str, sha256: str) -> bool:
        if self.away:
            raise StoreUnavailableError("away")
        return (namespace, sha256) in self.archives

    async def keep(self, namespace: str, sha256: str, data: bytes) -> None:
        if not self.away:
            self.archives[namespace, sha256] = data


class Owners:
    """Who owns what, as the test says."""

    def __init__(self) -> None:
        self.mine = True
        self.listeners = []

    def owns(self, function: tuple[str, str]) -> bool:
        return self.mine

    def on_change(self, listener) -> None:
        self.listeners.append(listener)

    def change(self, mine: bool) -> None:
        self.mine = mine
        for listener in self.listeners:
            listener()


class Replica:
    """One gateway of the cluster."""

    def __init__(self, server: ApiServer, store: Store, fetch=None, owners=None) -> None:
        self.server = server
        self.owners = owners or Owners()
        self.packages = Packages(store, fetch)
        self.session = aiohttp.ClientSession()

    async def start(self, owners_known=None, doubt=5.0, peers=None, **settings) -> None:
        configuration = Configuration()
        configuration.host = self.server.url
        invoked = Invoked()
        self.gateway = Gateway(
            Settings(**{"port": 0, "stop_time": 0.2, "launch_time": 10.0, **settings}), on_report=invoked.tell
        )
        api = Api(ApiClient(configuration))
        self.backend = KubernetesBackend(
            Surroundings(
                api=api,
                catalogue=self.gateway.catalogue,
                ownership=self.owners,
                keys=Keys(SIGNER.key),
                runtimes=RUNTIMES,
                packages=self.packages,
                cluster="cluster",
                doubt=doubt,
                invoked=invoked,
            )
        )
        await self.gateway.start(
            self.backend,
            ready=self.backend.ready,
            on_provisioned=self.backend.provisioned,
            on_rollout=self.backend.rollout,
            on_scaled=self.backend.scaled,
            replicas=peers,
            why_absent=Absent(api).ask,
        )
        dispatcher = self.gateway.dispatcher
        self.backend.start(
            adopt=dispatcher.adopt,
            let_go=self.gateway.let_go,
            retire=dispatcher.retire,
            owners_known=owners_known,
        )

    async def stop(self) -> None:
        await self.gateway.stop()
        await self.session.close()

    async def invoke(self, payload="{}", name="hello") -> tuple[int, dict, dict]:
        """Status, headers and body."""
        url = f"{self.gateway.url}/2015-03-31/functions/{name}/invocations"
        headers = {"X-Mayfly-Namespace": NAMESPACE}
        async with self.session.post(url, data=payload, headers=headers) as answer:
            return answer.status, dict(answer.headers), json.loads(await answer.read())

    async def serves(self, name="hello") -> None:
        await until(lambda: self.gateway.catalogue.resolve(NAMESPACE, name) is not None)


def instances(replica: Replica) -> int:
    """How many instances a gateway has of hello's `$LATEST`."""
    target = replica.gateway.catalogue.resolve(NAMESPACE, "hello")
    return 0 if target is None else replica.gateway.dispatcher.instances(target)


def wanted(cluster) -> int:
    """How many instances of hello's `$LATEST` the operator is asked for."""
    return cluster.server.objects[VERSIONS][HELLO]["spec"].get("instances", 0)


def placed(replica: Replica) -> dict:
    """The pods of hello's `$LATEST` that a gateway knows, by uid."""
    return replica.backend._sites.find(HELLO).placement.placed
