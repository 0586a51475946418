"""Reads which gateways are ready out of the EndpointSlices of their Service. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from mayfly_gateway.peers.ownership import Peer


def ready_peers(slices: Iterable[Mapping[str, Any]], *, port_name: str) -> tuple[Peer, ...]:
    """The gateways that are ready, by uid; a slice is an EndpointSlice of discovery.k8s.io/v1 as JSON.

    One that is about to end is not ready, though it goes on with what it runs.
    """
    found = (peer for each in slices for peer in _peers(each, port_name))
    return tuple(sorted(set(found)))


def _peers(endpoint_slice: Mapping[str, Any], port_name: str) -> Iterable[Peer]:
    ports = (port for port in endpoint_slice.get("ports") or () if port.get("name") == port_name)
    number = next((port["port"] for port in ports if port.get("port")), None)
    if number is None:
        return
    for endpoint in endpoint_slice.get("endpoints") or ():
        uid = (endpoint.get("targetRef") or {}).get("uid")
        conditions = endpoint.get("conditions") or {}
        ready = conditions.get("ready", True) and not conditions.get("terminating", False)
        if uid and ready and endpoint.get("addresses"):
            yield Peer(uid, (endpoint["addresses"][0], number))
