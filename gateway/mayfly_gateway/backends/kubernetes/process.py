"""Wiring: one gateway process of an installation, from its settings to its end."""

import asyncio
import contextlib
import logging
import signal
import uuid

from mayfly_gateway.archives import ArchiveRoutes
from mayfly_gateway.backends.kubernetes.absent import Absent
from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.archives import ArchiveStore
from mayfly_gateway.backends.kubernetes.backend import KubernetesBackend
from mayfly_gateway.backends.kubernetes.code import Packages
from mayfly_gateway.backends.kubernetes.collecting import WORK, Collector
from mayfly_gateway.backends.kubernetes.fetch import fetch
from mayfly_gateway.backends.kubernetes.invoked import Invoked
from mayfly_gateway.backends.kubernetes.keys import Keys
from mayfly_gateway.backends.kubernetes.registry import ClusterRegistry
from mayfly_gateway.backends.kubernetes.replicas import Replicas
from mayfly_gateway.backends.kubernetes.settings import ClusterSettings
from mayfly_gateway.backends.kubernetes.surroundings import Surroundings
from mayfly_gateway.backends.kubernetes.versions import version_key
from mayfly_gateway.catalogue import Target
from mayfly_gateway.nats_connection import NatsConnection
from mayfly_gateway.peers.leases import Leases
from mayfly_gateway.peers.ownership import Ownership
from mayfly_gateway.server import Gateway
from mayfly_gateway.server import Replicas as ReplicaSettings
from mayfly_gateway.settings import Settings
from mayfly_model.labels import FUNCTION_LABEL, split_name
from mayfly_model.runtime_list import parse_runtimes

_log = logging.getLogger(__name__)


def where_the_log_is(target: Target) -> str:
    """How a person reads the log of a function's instances."""
    function, _ = split_name(version_key(target)[1])
    return f"kubectl logs -n {target.namespace} -l {FUNCTION_LABEL}={function} --prefix --tail=100"


async def run(settings: ClusterSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OSError: a file cannot be read, or the address not be listened on.
        ValueError: a file does not hold what it should.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    keys = Keys.read(settings.keys)
    runtimes = parse_runtimes(settings.runtimes.read_text())
    api = await Api.connect(settings.kubeconfig)
    nats = NatsConnection(settings.nats_url, username=settings.nats_username, password=settings.nats_password)
    nats.start()
    archives = ArchiveStore(nats)
    # A container that is started anew has its pod's uid, and none of its memory.
    leases = Leases(nats, pod=settings.pod_uid, boot=uuid.uuid4().hex)
    leases.start()
    invoked = Invoked()
    gateway = Gateway(
        Settings(
            host=settings.host,
            port=settings.port,
            cluster=settings.cluster,
            namespace=settings.namespace,
            account_limit=settings.account_limit,
            unreserved_minimum=settings.unreserved_minimum,
            leave_time=settings.leave_time,
            stop_time=settings.stop_time,
        ),
        on_report=invoked.tell,
    )
    ownership = Ownership(settings.pod_uid)
    replicas = Replicas(api, ownership, namespace=settings.pod_namespace, service=settings.service)
    backend = KubernetesBackend(
        Surroundings(
            api=api,
            catalogue=gateway.catalogue,
            ownership=ownership,
            keys=keys,
            runtimes=runtimes,
            packages=Packages(archives, fetch),
            cluster=settings.cluster,
            endpoint=settings.endpoint,
            sizing=settings.sizing,
            invoked=invoked,
        )
    )
    await gateway.start(
        backend,
        replicas=ReplicaSettings(ownership=ownership, token=keys.word("gateways"), leases=leases),
        ready=lambda: backend.ready() and replicas.known.is_set(),
        archives=ArchiveRoutes(archives),
        registry=ClusterRegistry(api, gateway.catalogue),
        log_elsewhere=where_the_log_is,
        on_provisioned=backend.provisioned,
        on_rollout=backend.rollout,
        on_scaled=backend.scaled,
        why_absent=Absent(api).ask,
    )
    backend.start(
        adopt=gateway.dispatcher.adopt,
        let_go=gateway.let_go,
        retire=gateway.dispatcher.retire,
        owners_known=replicas.known,
    )
    collector = Collector(
        api=api,
        store=archives,
        versions=backend.versions,
        # A gateway that does not know the others yet would take all work for its own.
        mine=lambda: backend.ready() and replicas.known.is_set() and ownership.owns(WORK),
    )
    following, collecting = asyncio.create_task(replicas.run()), asyncio.create_task(collector.run())
    _log.info("serving on %s", gateway.url)
    await stopping.wait()
    _log.info("leaving")
    await gateway.leave()
    await gateway.stop()
    for task in (following, collecting):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await nats.close()
    ownership.close()
