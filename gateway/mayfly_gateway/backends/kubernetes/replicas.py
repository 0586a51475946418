"""Which gateways there are, out of the EndpointSlices of their Service."""

import asyncio
from typing import Any

import msgspec

from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.objects import Metadata
from mayfly_gateway.backends.kubernetes.watch import Watch
from mayfly_gateway.peers.endpoints import ready_peers
from mayfly_gateway.peers.ownership import Ownership

_PORT_NAME = "http"


class EndpointSlice(msgspec.Struct, frozen=True):
    """An EndpointSlice of discovery.k8s.io/v1, its content as JSON."""

    metadata: Metadata
    endpoints: list[dict[str, Any]] | None = None
    ports: list[dict[str, Any]] | None = None


class Replicas:
    """Keeps the ownership equal to what the Service's EndpointSlices say."""

    def __init__(self, api: Api, ownership: Ownership, *, namespace: str, service: str) -> None:
        self._ownership = ownership
        self._watch = Watch(
            api,
            f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
            EndpointSlice,
            self._on_slice,
            selector=f"kubernetes.io/service-name={service}",
        )

    @property
    def known(self) -> asyncio.Event:
        """Set once the replicas were read."""
        return self._watch.warm

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._watch.run()

    def _on_slice(self, _before: EndpointSlice | None, _after: EndpointSlice | None) -> None:
        # In the next turn, when a list or a burst of changes has been taken over whole.
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        slices = ({"endpoints": each.endpoints, "ports": each.ports} for each in self._watch.objects.values())
        self._ownership.set_peers(ready_peers(slices, port_name=_PORT_NAME))
