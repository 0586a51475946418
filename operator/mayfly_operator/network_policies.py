"""The NetworkPolicy of each namespace that has Functions: only gateways reach an agent.

Rule: applied once by each process that leads, and again only where it failed; a namespace keeps it.
"""

import logging

from mayfly_operator import resources
from mayfly_operator.apply import Cluster, RefusedByServerError
from mayfly_operator.settings import GatewayPeers

_log = logging.getLogger(__name__)


class NetworkPolicies:
    """Applies them."""

    def __init__(self, cluster: Cluster, peers: GatewayPeers) -> None:
        self._cluster = cluster
        self._peers = peers
        self._done: set[str] = set()

    async def ensure(self, namespace: str) -> None:
        """Apply it to a namespace, before the first pod is there.

        Raises:
            mayfly_operator.apply.UnavailableError: the server is away.
        """
        if not self._peers.enabled or namespace in self._done:
            return
        try:
            await self._cluster.apply("networkpolicies", resources.network_policy(namespace, self._peers))
        except RefusedByServerError as error:
            # Agents ask for the gateway's signature with and without a policy: nobody waits for it.
            _log.warning("no NetworkPolicy for %s: %s", namespace, error)
            return
        self._done.add(namespace)

    def forget(self, namespaces: set[str]) -> None:
        """Apply anew in all but these namespaces, should they come back."""
        self._done &= namespaces
