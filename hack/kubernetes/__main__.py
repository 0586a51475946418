"""A real single-node Kubernetes on this machine, from package registries alone.

python hack/kubernetes up | down | images | install | helm | pid COMPONENT | start COMPONENT
"""

from __future__ import annotations

import argparse
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import binaries
import cluster
import images
import install
from layout import ROOT


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python hack/kubernetes", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring the cluster up, unless it is")
    up.add_argument("--kubeconfig", type=Path, default=ROOT / ".cluster" / "kubeconfig")
    commands.add_parser("down", help="take it away")
    images_ = commands.add_parser("images", help="build the project's images and load them into the cluster")
    images_.add_argument("--build-only", action="store_true")
    install_ = commands.add_parser("install", help="install the chart on $KUBECONFIG")
    install_.add_argument("--values", type=Path, help="values of your own, with the images that you pushed")
    commands.add_parser("helm", help="print the path of Helm, which is built first if need be")
    for name, what in (
        ("pid", "print the process ids of a component"),
        ("start", "start a component that ended"),
    ):
        commands.add_parser(name, help=what).add_argument("component")
    chosen = parser.parse_args()
    match chosen.command:
        case "up":
            with _alone("cluster"):
                cluster.up(chosen.kubeconfig)
        case "down":
            with _alone("cluster"):
                cluster.down()
        case "images":
            with _alone("images"):
                images.build()
                if not chosen.build_only:
                    images.load()
        case "install":
            install.install(install.kubeconfig(), chosen.values)
        case "helm":
            print(binaries.helm())
        case "pid":
            print(*cluster.pids(chosen.component))
        case "start":
            cluster.restart(chosen.component)


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """One at a time on this machine."""
    with Path(f"/run/mayfly-kubernetes-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()
