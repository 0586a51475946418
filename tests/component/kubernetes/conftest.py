"""A cluster in this process and one gateway of it, or more."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from tests.component.kubernetes.api_server import VERSIONS, api_server
from tests.component.kubernetes.cluster import Kubelet, Operator, Replica, Store
from tests.component.kubernetes.objects import version


@pytest.fixture
async def cluster() -> AsyncIterator[SimpleNamespace]:
    """An API server with the function hello, an operator, a kubelet; `replica()` starts a gateway."""
    replicas: list[Replica] = []
    async with api_server() as server:
        operator, kubelet, store = Operator(server), Kubelet(server), Store()
        server.put(VERSIONS, version())

        async def replica(*, mine: bool = True, serves: bool = True, **settings) -> Replica:
            new = Replica(server, store, fetch=None)
            new.owners.mine = mine
            await new.start(**settings)
            replicas.append(new)
            if serves:
                await new.serves()
            return new

        running = asyncio.create_task(kubelet.run())
        yield SimpleNamespace(server=server, operator=operator, kubelet=kubelet, store=store, replica=replica)
        for each in replicas:
            await each.stop()
        kubelet.stop()
        await running
        for agent in kubelet.agents.values():
            agent.die()
