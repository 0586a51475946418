"""What the machine must have: root, Linux, and programs from its distribution's packages.

Rule: a program that is there is used as it is; only what is missing is installed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

_LOCK = Path("/run/mayfly-kubernetes-packages.lock")
PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "gcc": "gcc",
}
# CNI plugins are no commands; distributions disagree on their folder.
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
FILES = {
    CNI_FOLDERS: "containernetworking-plugins",
    (Path("/usr/include/stdlib.h"),): "libc6-dev",
}


def missing_packages() -> list[str]:
    """The packages whose programs or files this machine lacks."""
    lacking = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    lacking |= {package for places, package in FILES.items() if not any(place.exists() for place in places)}
    return sorted(lacking)


def prepare() -> None:
    """Install what is missing.

    Raises:
        SystemExit: this is no Linux, not root, has no apt-get for what is missing, or lacks Go.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise SystemExit(
            "The cluster needs Linux and root. If you have a cluster, set KUBECONFIG and skip this step."
        )
    with _LOCK.open("w") as lock:
        # Whoever comes second finds them installed.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if packages := missing_packages():
            _install(packages)
    if shutil.which("npm") is None:
        raise SystemExit("Node.js comes from its npm package here: install npm.")
    if shutil.which("go") is None:
        raise SystemExit("Kubernetes is built from source here: install Go 1.21 or newer.")


def _install(packages: list[str]) -> None:
    if shutil.which("apt-get") is None:
        raise SystemExit(f"Install these programs first: {', '.join(packages)}")
    print(f"Installing {', '.join(packages)}", flush=True)
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=subprocess.DEVNULL)
    subprocess.run(install, check=True, env=quiet, stdout=subprocess.DEVNULL)


def cni_folder() -> Path:
    """Where the CNI plugins are."""
    return next(folder for folder in CNI_FOLDERS if (folder / "bridge").exists())


def resolv_conf() -> Path:
    """The file that names the servers to ask about the outside: a resolver on loopback is none for a pod."""
    behind = Path("/run/systemd/resolve/resolv.conf")
    return behind if behind.exists() else Path("/etc/resolv.conf")
