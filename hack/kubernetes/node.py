"""The node: a process tree with its own processes, mounts and network, as a machine in the machine.

Rule: all that Kubernetes starts, mounts and writes into network tables is inside, so that the kernel takes it
away when the node's first process ends, however that happened. Outside are one wire, its routes and one table.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from layout import (
    BRIDGE,
    BRIDGE_IP,
    CGROUP,
    CLUSTER_CIDR,
    HOST_IP,
    HOST_LINK,
    LINK_PREFIX,
    LOGS,
    NFTABLE,
    NODE_IP,
    NODE_NAME,
    POD_CIDR,
    POD_PREFIX,
    SERVICE_CIDR,
    STATE,
)

# The first process carries this as its argument, and is found by it: no record can be out of date.
_MARK = "mayfly-kubernetes-node"
_NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts")
_ENDING = 20.0
# Kubernetes writes where these are; in the node they are folders of our state.
_OWN_FOLDERS = {"/var/log": "log/var", "/var/lib/cni": "cni"}
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


@dataclass(frozen=True, slots=True)
class Node:
    """A running node, by its first process as this machine numbers it."""

    pid: int

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a command inside, to its end; its output.

        Raises:
            SystemExit: it failed; the message is its own.
        """
        return run(*self._inside(), *command, stdin=stdin)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process inside that stays; what it says goes to its log."""
        with (LOGS / f"{name}.log").open("ab") as log:
            subprocess.run(
                [*self._inside(), "setsid", "--fork", *command],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_ENVIRONMENT,
                cwd="/",
            )

    def end(self, program: str) -> None:
        """End a program inside and wait until it has."""
        pids = self.pids(program)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        _await_end(pids)

    def pids(self, program: str | None = None) -> list[int]:
        """Its processes, or those of one program by the name of its file."""
        inside = _namespace(self.pid)
        return [
            pid
            for pid in _processes()
            if _namespace(pid) == inside and (program is None or _program(pid) == program)
        ]

    def _inside(self) -> list[str]:
        return ["nsenter", f"--target={self.pid}", *_NAMESPACES]


def running() -> Node | None:
    """The node that runs, if one does."""
    return next((Node(pid) for pid in _processes() if _marked(pid)), None)


def start(init: Path) -> Node:
    """Start a node with nothing in it; `init` is the program of its first process."""
    for folder in _OWN_FOLDERS.values():
        (STATE / folder).mkdir(parents=True)
    command = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc", str(init), _MARK]
    with (LOGS / "node.log").open("ab") as log:
        subprocess.run(
            ["setsid", "--fork", *command],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_ENVIRONMENT,
            cwd="/",
        )
    node = _first_process()
    _furnish(node)
    _wire(node)
    return node


def _first_process() -> Node:
    for _ in wait(5.0):
        if (node := running()) is not None:
            return node
    raise SystemExit(f"The node does not start: may this machine make namespaces? {LOGS / 'node.log'} tells.")


def _furnish(node: Node) -> None:
    node.run("mount", "--make-rshared", "/")
    node.run("hostname", NODE_NAME)
    for place, folder in _OWN_FOLDERS.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        node.run("mount", "--bind", str(STATE / folder), place)


def _wire(node: Node) -> None:
    run("ip", "link", "add", HOST_LINK, "type", "veth", "peer", "name", "eth0", "netns", str(node.pid))
    run("ip", "address", "add", f"{HOST_IP}/{LINK_PREFIX}", "dev", HOST_LINK)
    run("ip", "link", "set", HOST_LINK, "up")
    inside = f"""
        link set lo up
        address add {NODE_IP}/{LINK_PREFIX} dev eth0
        link set eth0 up
        route add default via {HOST_IP}
        link add {BRIDGE} type bridge
        address add {BRIDGE_IP}/{POD_PREFIX} dev {BRIDGE}
        link set {BRIDGE} up
    """
    node.run("ip", "-batch", "-", stdin=inside)
    for network in (POD_CIDR, SERVICE_CIDR):
        run("ip", "route", "add", network, "via", NODE_IP)
    node.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    node.run("nft", "-f", "-", stdin=_masquerade(f"ip saddr {CLUSTER_CIDR} oifname eth0"))
    run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    run("nft", "-f", "-", stdin=_masquerade(f"ip saddr {NODE_IP} oifname != {HOST_LINK}"))


def _masquerade(which: str) -> str:
    chain = f"chain postrouting {{ type nat hook postrouting priority srcnat; {which} masquerade; }}"
    return f"table ip {NFTABLE} {{\n{chain}\n}}\n"


def end() -> None:
    """End the node, if one runs, and take away what is outside of it. Whoever else has died, this is enough."""
    if (node := running()) is not None:
        pids = node.pids()
        with suppress(ProcessLookupError):
            os.kill(node.pid, signal.SIGKILL)
        _await_end(pids)
    _unwire()
    _remove_cgroups()


def _await_end(pids: list[int]) -> None:
    left = {pid: _started(pid) for pid in pids}
    for _ in wait(_ENDING):
        left = {pid: started for pid, started in left.items() if started and _started(pid) == started}
        if not left:
            return
    raise SystemExit(f"These processes of the node do not end: {', '.join(map(str, left))}")


def _unwire() -> None:
    for command in (["ip", "link", "delete", HOST_LINK], ["nft", "delete", "table", "ip", NFTABLE]):
        if shutil.which(command[0]):
            subprocess.run(command, check=False, capture_output=True)


def hierarchies() -> list[Path]:
    """The roots of the machine's control groups: one (version 2), or one for each resource (version 1)."""
    root = Path("/sys/fs/cgroup")
    return (
        [root]
        if (root / "cgroup.controllers").exists()
        else [path for path in root.iterdir() if path.is_dir()]
    )


def _remove_cgroups() -> None:
    for hierarchy in hierarchies():
        for folder, _, _ in os.walk(hierarchy / CGROUP, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()


def run(*command: str, stdin: str | None = None) -> str:
    """Run a command to its end; its output.

    Raises:
        SystemExit: it failed; the message is its own.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=stdin or "")
    if done.returncode:
        raise SystemExit(f"`{' '.join(command)}` failed:\n{done.stderr or done.stdout}")
    return done.stdout


def wait(seconds: float, pause: float = 0.05) -> Iterator[None]:
    """A turn for each look at something that will be, until the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(pause)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _marked(pid: int) -> bool:
    """Whether this is a node's first process; `unshare`, its parent, carries the mark too."""
    with suppress(OSError):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return arguments[1:2] == [_MARK.encode()]
    return False


def _namespace(pid: int) -> str | None:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return None


def _program(pid: int) -> str | None:
    """The name of the file that the process runs, even when it has been replaced since."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
    return None


def _started(pid: int) -> str | None:
    """When the process started, in ticks since boot, or None when it is gone or a zombie."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[19] if fields[0] not in "ZX" else None
    return None
