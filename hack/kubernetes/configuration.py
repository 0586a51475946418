"""What the node's programs are told: their files and command lines. Pure.

Rule: Kubernetes's own defaults, except where one node, no container registry, or this machine's limits forbid.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layout import (
    API_SERVER,
    BRIDGE,
    CGROUP,
    CLUSTER_CIDR,
    CONTAINERD_ROOT,
    CONTAINERD_SOCKET,
    DNS_SERVICE_IP,
    KUBECONFIGS,
    NODE_IP,
    NODE_NAME,
    PKI,
    POD_CIDR,
    RUN,
    SERVICE_CIDR,
    STATE,
)

CNI_CONFIGURATION = STATE / "cni-configuration" / "10-bridge.conflist"
CONTAINERD_CONFIGURATION = STATE / "containerd.toml"
KUBELET_CONFIGURATION = STATE / "kubelet.json"


def containerd(pause_image: str, cni_plugins: Path) -> str:
    """The configuration file of containerd."""
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE (machines in containers) no pod would start.
    return f"""\
version = 2
root = "{CONTAINERD_ROOT}"
state = "{RUN}/containerd"

[grpc]
  address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins}"
    conf_dir = "{CNI_CONFIGURATION.parent}"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


def cni() -> dict[str, Any]:
    """The pod network: a bridge. What leaves the node is masqueraded by the node's own table."""
    addresses = {
        "type": "host-local",
        "dataDir": str(RUN / "addresses"),
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True, "ipam": addresses}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def kubelet(resolv_conf: Path) -> dict[str, Any]:
    """The kubelet's configuration file; `resolv_conf` names the servers outside the cluster."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(PKI / "kubelet.crt"),
        "tlsPrivateKeyFile": str(PKI / "kubelet.key"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_SERVICE_IP],
        "resolvConf": str(resolv_conf),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "maxPods": 250,
        "serializeImagePulls": False,
        # The images are the only ones there are.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }


def commands(programs: Mapping[str, Path]) -> dict[str, list[str]]:
    """The command line of every component, in the order in which they start."""
    return {
        "containerd": ["containerd", f"--config={CONTAINERD_CONFIGURATION}"],
        "etcd": [str(programs["etcd"]), *_etcd()],
        "kube-apiserver": [str(programs["kube-apiserver"]), *_api_server()],
        "kube-controller-manager": [str(programs["kube-controller-manager"]), *_controller_manager()],
        "kube-scheduler": [
            str(programs["kube-scheduler"]),
            *_clients("kube-scheduler"),
            "--leader-elect=false",
        ],
        "kubelet": [str(programs["kubelet"]), *_kubelet()],
        "kube-proxy": [str(programs["kube-proxy"]), *_proxy()],
        "kube-router": [str(programs["kube-router"]), *_router()],
    }


def _etcd() -> list[str]:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return [
        f"--data-dir={STATE}/etcd",
        # A cluster of tests may lose its data with its machine.
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
    ]


def _api_server() -> list[str]:
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        f"--advertise-address={NODE_IP}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--tls-cert-file={PKI}/apiserver.crt",
        f"--tls-private-key-file={PKI}/apiserver.key",
        f"--client-ca-file={PKI}/ca.crt",
        f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key",
        f"--kubelet-certificate-authority={PKI}/ca.crt",
        # By name it would not find the node, and exec and logs would fail.
        "--kubelet-preferred-address-types=InternalIP,Hostname",
        f"--service-account-key-file={PKI}/service-accounts.pub",
        f"--service-account-signing-key-file={PKI}/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--requestheader-client-ca-file={PKI}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={PKI}/front-proxy-client.crt",
        f"--proxy-client-key-file={PKI}/front-proxy-client.key",
    ]


def _controller_manager() -> list[str]:
    return [
        *_clients("kube-controller-manager"),
        f"--service-account-private-key-file={PKI}/service-accounts.key",
        f"--root-ca-file={PKI}/ca.crt",
        f"--cluster-signing-cert-file={PKI}/ca.crt",
        f"--cluster-signing-key-file={PKI}/ca.key",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={CLUSTER_CIDR}",
        f"--node-cidr-mask-size={POD_CIDR.rpartition('/')[2]}",
        "--leader-elect=false",
    ]


def _clients(name: str) -> list[str]:
    """How a component that also serves reaches the API server, for itself and to check its own callers."""
    return [f"--{use}kubeconfig={KUBECONFIGS / name}" for use in ("", "authentication-", "authorization-")]


def _kubelet() -> list[str]:
    return [
        f"--config={KUBELET_CONFIGURATION}",
        f"--kubeconfig={KUBECONFIGS / 'kubelet'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_IP}",
        f"--root-dir={STATE}/kubelet",
    ]


def _proxy() -> list[str]:
    return [
        f"--kubeconfig={KUBECONFIGS / 'kube-proxy'}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={CLUSTER_CIDR}",
        f"--hostname-override={NODE_NAME}",
        # The size of the connection table is the machine's; a network of one's own may not set it.
        "--conntrack-max-per-core=0",
    ]


def _router() -> list[str]:
    return [
        "--run-router=false",
        "--run-firewall=true",
        "--run-service-proxy=false",
        "--enable-cni=false",
        "--enable-ipv6=false",
        f"--kubeconfig={KUBECONFIGS / 'kube-router'}",
        f"--master={API_SERVER}",
        f"--hostname-override={NODE_NAME}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
    ]
