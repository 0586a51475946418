"""The cluster: up, down, and whether it is healthy.

Rule: what is healthy is left alone; anything else is taken down whole and made anew. Nothing is repaired.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import binaries
import configuration
import containerd
import image_archive
import machine
import node as nodes
import pki
import storage
import sysctls
from layout import (
    ADMIN_KUBECONFIG,
    CGROUP,
    CONTAINERD_ROOT,
    HERE,
    KUBECONFIGS,
    LOGS,
    NODE_NAME,
    PKI,
    RUN,
    STATE,
    VOLUMES,
)
from node import Node, run, wait

KUBECTL = Path(sys.executable).with_name("kubectl")
_KEPT = (CONTAINERD_ROOT, KUBECONFIGS, LOGS, PKI)
_PATIENCE = 60.0
_DOUBT = 10.0


def up(kubeconfig: Path) -> None:
    """Bring the cluster up unless it is, and write how to reach it to `kubeconfig`."""
    start = time.monotonic()
    machine.prepare()
    programs = binaries.build()
    state = "was up"
    if not healthy(programs):
        down()
        begun = time.monotonic()
        _start(programs)
        state = f"came up in {time.monotonic() - begun:.1f} s"
    _write_kubeconfig(kubeconfig)
    print(f"The cluster {state} ({time.monotonic() - start:.1f} s in all). export KUBECONFIG={kubeconfig}")


def down() -> None:
    """Take everything of the cluster away but its images, its certificates and its last logs."""
    nodes.end()
    sysctls.restore()
    shutil.rmtree(RUN, ignore_errors=True)
    for path in STATE.glob("*"):
        if path not in _KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def healthy(programs: Mapping[str, Path]) -> bool:
    """Whether every component runs and the node is ready."""
    node = nodes.running()
    if node is None or not all(node.pids(name) for name in configuration.commands(programs)):
        return False
    # A busy machine's node may look away for a moment; nobody's cluster goes for that.
    return any(_ready() for _ in wait(_DOUBT))


def restart(component: str) -> None:
    """Start a component that was ended, as it was started before."""
    node = nodes.running()
    if node is None:
        raise SystemExit("The cluster is down.")
    if not node.pids(component):
        node.start(component, configuration.commands(binaries.build())[component])


def pids(component: str) -> list[int]:
    """The processes of a component as this machine numbers them."""
    node = nodes.running()
    return node.pids(component) if node else []


def _start(programs: Mapping[str, Path]) -> None:
    _make_folders()
    sysctls.remember()
    _write_configuration(_image("pause", programs["pause"]))
    pki.write()
    node = nodes.start(programs["pause"])
    commands = configuration.commands(programs)
    for name in ("containerd", "etcd", "kube-apiserver"):
        node.start(name, commands[name])
    _await("containerd answers", containerd.answers)
    _without_leftovers(node, commands["containerd"])
    _load("pause", programs["pause"])
    dns = _load("coredns", programs["coredns"])
    _await("the API server is ready", _api_server_ready)
    for name in ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"):
        node.start(name, commands[name])
    _furnish(dns)
    _await("the node is ready", _ready)
    # It ends at once where the node is not known yet.
    node.start("kube-router", commands["kube-router"])
    _kubectl(
        "rollout", "status", "--namespace=kube-system", "deployment/coredns", f"--timeout={_PATIENCE:.0f}s"
    )


def _furnish(dns: str) -> None:
    """What every cluster has: DNS and storage."""
    _kubectl("apply", "--filename=-", stdin=(HERE / "dns.yaml").read_text().replace("IMAGE", dns))
    volumes = {"apiVersion": "v1", "kind": "List", "items": storage.manifests()}
    _kubectl("create", "--filename=-", stdin=json.dumps(volumes))


def _make_folders() -> None:
    shutil.rmtree(LOGS, ignore_errors=True)
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder in (RUN, LOGS, CONTAINERD_ROOT, configuration.CNI_CONFIGURATION.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    for name in storage.names():
        (VOLUMES / name).mkdir(parents=True)
    # The kubelet wants the group of all its pods to exist, in each hierarchy there is.
    for hierarchy in nodes.hierarchies():
        (hierarchy / CGROUP).mkdir(exist_ok=True)


def _write_configuration(pause: str) -> None:
    configuration.CONTAINERD_CONFIGURATION.write_text(configuration.containerd(pause, machine.cni_folder()))
    configuration.CNI_CONFIGURATION.write_text(json.dumps(configuration.cni()))
    configuration.KUBELET_CONFIGURATION.write_text(json.dumps(configuration.kubelet(machine.resolv_conf())))


def _without_leftovers(node: Node, command: list[str]) -> None:
    """Remove the containers of the node before, with a containerd that has not told anybody about them."""
    if left := containerd.leftovers():
        containerd.remove(left)
        node.end("containerd")
        node.start("containerd", command)
        _await("containerd answers", containerd.answers)


def _image(name: str, program: Path) -> str:
    """The name of a program's image, which tells its content."""
    return f"localhost/mayfly/{name}:{program.parent.name}"


def _load(name: str, program: Path) -> str:
    image = _image(name, program)
    if image not in containerd.images():
        archive = program.with_suffix(".tar")
        if not archive.exists():
            image_archive.write(archive, image, program)
        containerd.load(archive)
    return image


def _await(what: str, condition: Callable[[], bool]) -> None:
    for _ in wait(_PATIENCE):
        if condition():
            return
    raise SystemExit(f"Not within {_PATIENCE:.0f} s: {what}. The logs are in {LOGS}.")


def _api_server_ready() -> bool:
    return _asked("get", "--raw", "/readyz") is not None


def _ready() -> bool:
    path = '{.status.conditions[?(@.type=="Ready")].status}'
    return _asked("get", "node", NODE_NAME, f"--output=jsonpath={path}") == "True"


def _asked(*arguments: str) -> str | None:
    """What kubectl answers, or None when the cluster does not."""
    command = [str(KUBECTL), f"--kubeconfig={ADMIN_KUBECONFIG}", "--request-timeout=3s", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def _kubectl(*arguments: str, stdin: str | None = None) -> str:
    return run(str(KUBECTL), f"--kubeconfig={ADMIN_KUBECONFIG}", *arguments, stdin=stdin)


def _write_kubeconfig(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(ADMIN_KUBECONFIG.read_bytes())
    unfinished.rename(target)
