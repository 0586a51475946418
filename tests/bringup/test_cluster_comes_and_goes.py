"""`make cluster` and `make cluster-down` on this machine, however the cluster ended. Takes down the one that runs."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "hack/kubernetes"
COMPONENTS = (
    "containerd",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kube-router",
)
OURS = re.compile(
    r"mayfly-kubernetes|mayfly-node|10\.24[34]\.|10\.96\.|cni0|kube-proxy|KUBE-|containerd-shim"
)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs Linux and root"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module", autouse=True)
def _cluster_taken_down() -> Iterator[None]:
    yield
    command("down")


def command(*words: str) -> str:
    done = subprocess.run([sys.executable, SCRIPTS, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def up(kubeconfig: Path) -> float:
    """Seconds until it was up; what had to be built first is not counted."""
    start = time.monotonic()
    command("up", f"--kubeconfig={kubeconfig}")
    return time.monotonic() - start


def pids(component: str) -> list[int]:
    return [int(pid) for pid in command("pid", component).split()]


def kubectl(kubeconfig: Path, *words: str) -> str:
    program = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(
        [program, f"--kubeconfig={kubeconfig}", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def left_behind() -> list[str]:
    """Whatever of the cluster this machine shows: processes, mounts, links, routes, rules, sets, groups."""
    looks = {
        "process": ["ps", "-eo", "args"],
        "mount": ["cat", "/proc/self/mounts"],
        "link": ["ip", "-oneline", "link"],
        "route": ["ip", "route", "show", "table", "all"],
        "rule": ["nft", "list", "ruleset"],
        "old rule": ["iptables-save"],
        "set": ["ipset", "list", "-name"],
        "namespace": ["ip", "netns"],
        "group": ["find", "/sys/fs/cgroup", "-maxdepth", "2", "-name", "mayfly-kubernetes"],
    }
    found = []
    for kind, look in looks.items():
        if shutil.which(look[0]):
            lines = subprocess.run(look, capture_output=True, text=True, check=True).stdout.splitlines()
            found += [f"{kind}: {line}" for line in lines if OURS.search(line) and str(SCRIPTS) not in line]
    return found


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A cluster that runs."""
    place = tmp_path / "kubeconfig"
    up(place)
    return place


def test_a_second_up_leaves_the_cluster_as_it_is(kubeconfig: Path, tmp_path: Path) -> None:
    before = {name: pids(name) for name in COMPONENTS}
    other = tmp_path / "other-checkout" / "kubeconfig"
    assert up(other) < 10
    assert {name: pids(name) for name in COMPONENTS} == before
    assert other.stat().st_mode & 0o777 == 0o600
    assert "node-1" in kubectl(other, "get", "nodes")


def test_down_leaves_nothing_and_up_takes_twenty_seconds(kubeconfig: Path) -> None:
    assert left_behind(), "the look itself must see a cluster"
    command("down")
    assert left_behind() == []
    command("down")
    assert up(kubeconfig) < 20
    assert "Ready" in kubectl(kubeconfig, "get", "nodes")


def test_up_after_a_crash_of_everything(kubeconfig: Path) -> None:
    kubectl(kubeconfig, "create", "configmap", "remembered")
    for name in ("containerd", "kubelet", "kube-apiserver", "etcd"):
        for pid in pids(name):
            os.kill(pid, signal.SIGKILL)
    assert up(kubeconfig) < 30
    assert "Ready" in kubectl(kubeconfig, "get", "nodes")
    assert "remembered" not in kubectl(kubeconfig, "get", "configmaps"), "a cluster made anew"


def test_a_kubeconfig_is_good_for_the_next_cluster(kubeconfig: Path, tmp_path: Path) -> None:
    command("down")
    up(tmp_path / "another")
    assert "node-1" in kubectl(kubeconfig, "get", "nodes")


def test_up_when_one_component_is_gone(kubeconfig: Path) -> None:
    (kubelet,) = pids("kubelet")
    os.kill(kubelet, signal.SIGKILL)
    up(kubeconfig)
    assert pids("kubelet") not in ([], [kubelet])


def test_a_component_can_be_ended_and_started_again(kubeconfig: Path) -> None:
    (before,) = pids("kube-scheduler")
    os.kill(before, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while pids("kube-scheduler") and time.monotonic() < deadline:
        pass
    command("start", "kube-scheduler")
    (after,) = pids("kube-scheduler")
    assert after != before


def test_the_machine_s_own_settings_come_back(kubeconfig: Path) -> None:
    forwarding = Path("/proc/sys/net/ipv4/ip_forward")
    command("down")
    forwarding.write_text("0")
    up(kubeconfig)
    assert forwarding.read_text().strip() == "1"
    command("down")
    assert forwarding.read_text().strip() == "0"
