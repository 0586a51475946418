"""What each component's account may do, and nothing else: (where, API group, resource, name) → verbs.

The chart is held to it by what it renders, and a cluster by what `kubectl auth can-i --list` says there.
"""

from typing import Literal, NamedTuple


class Target(NamedTuple):
    """What a permission is for; `name` is empty where it is for every one."""

    where: Literal["cluster", "release"]
    group: str
    resource: str
    name: str = ""


READ = frozenset({"get", "list", "watch"})

PERMISSIONS: dict[str, dict[Target, frozenset[str]]] = {
    "mayfly-gateway": {
        Target("cluster", "mayfly.dev", "aliases"): READ | {"create", "patch", "delete"},
        Target("cluster", "mayfly.dev", "aliases/status"): frozenset({"patch"}),
        Target("cluster", "mayfly.dev", "functions"): frozenset({"get", "list", "patch"}),
        Target("cluster", "mayfly.dev", "functions/status"): frozenset({"patch"}),
        Target("cluster", "mayfly.dev", "versions"): READ | {"create", "patch", "delete"},
        Target("cluster", "mayfly.dev", "versions/scale"): frozenset({"patch"}),
        Target("cluster", "mayfly.dev", "versions/status"): frozenset({"patch"}),
        Target("cluster", "", "pods"): READ,
        Target("cluster", "", "pods/resize"): frozenset({"patch"}),
        Target("release", "discovery.k8s.io", "endpointslices"): READ,
    },
    "mayfly-operator": {
        Target("cluster", "mayfly.dev", "functions"): READ,
        Target("cluster", "mayfly.dev", "functions/status"): frozenset({"patch"}),
        Target("cluster", "mayfly.dev", "versions"): READ | {"create", "patch", "delete"},
        Target("cluster", "mayfly.dev", "versions/status"): frozenset({"patch"}),
        Target("cluster", "mayfly.dev", "aliases"): READ | {"patch"},
        Target("cluster", "mayfly.dev", "aliases/status"): frozenset({"patch"}),
        Target("cluster", "", "pods"): READ | {"create", "delete", "patch"},
        Target("cluster", "", "configmaps"): frozenset({"get"}),
        Target("cluster", "", "events"): frozenset({"create", "patch"}),
        Target("cluster", "networking.k8s.io", "networkpolicies", "mayfly-instances"): frozenset(
            {"create", "patch"}
        ),
        Target("release", "coordination.k8s.io", "leases"): frozenset({"create"}),
        Target("release", "coordination.k8s.io", "leases", "mayfly-operator"): frozenset({"get", "update"}),
    },
    "mayfly-uninstall": {
        Target("cluster", "", "pods"): frozenset({"list", "delete"}),
        Target("cluster", "mayfly.dev", "versions"): frozenset({"list"}),
        Target("cluster", "mayfly.dev", "versions/scale"): frozenset({"patch"}),
    },
    "mayfly-test": {
        Target("release", "mayfly.dev", "functions", "mayfly-test"): frozenset({"create", "patch", "delete"}),
    },
    "mayfly-nats": {},
}
