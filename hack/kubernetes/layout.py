"""Where everything is and what it is called: versions, addresses, folders. Constants, and nothing that acts.

Rule: one machine has one cluster, so its folders are fixed; what is built goes to the cache of the person who builds.
"""

from __future__ import annotations

import os
from pathlib import Path

KUBERNETES_VERSION = "v1.37.2"

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mayfly" / "kubernetes"

# What must not outlive the machine's own uptime (sockets, process ids), and what may (images, logs).
RUN = Path("/run/mayfly-kubernetes")
STATE = Path("/var/lib/mayfly-kubernetes")
PKI = STATE / "pki"
LOGS = STATE / "log"
VOLUMES = STATE / "volumes"
CONTAINERD_ROOT = STATE / "containerd"
KUBECONFIGS = STATE / "kubeconfig"
ADMIN_KUBECONFIG = KUBECONFIGS / "admin"
CONTAINERD_SOCKET = RUN / "containerd.sock"
CGROUP = "mayfly-kubernetes"

NODE_NAME = "node-1"
# The two ends of the wire between this machine and the node, which has a network of its own.
HOST_LINK = "mayfly-node"
HOST_IP = "10.243.0.1"
NODE_IP = "10.243.0.2"
LINK_PREFIX = 30
API_SERVER = f"https://{NODE_IP}:6443"
BRIDGE = "cni0"
BRIDGE_IP = "10.244.0.1"
CLUSTER_CIDR = "10.244.0.0/16"
POD_CIDR = "10.244.0.0/22"
POD_PREFIX = 22
SERVICE_CIDR = "10.96.0.0/16"
KUBERNETES_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
# The table of nftables that is ours, on this machine and in the node.
NFTABLE = "mayfly-kubernetes"
