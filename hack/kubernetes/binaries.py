"""Kubernetes, etcd, CoreDNS, Helm and kube-router, built from the Go module proxy into the cache.

Rule: a binary's folder is named by what went into it (sources, pins, flags, compiler), so what is there is right.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from layout import CACHE, HERE, KUBERNETES_VERSION

_STAMP = f"-X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"
_PAUSE = ("gcc", "-Os", "-static", "-s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A module of `tools/` and the programs that it builds, by Go package."""

    name: str
    programs: dict[str, str]
    stamp: str = ""

    @property
    def module(self) -> Path:
        """The folder of its go.mod."""
        return HERE / "tools" / self.name

    @property
    def flags(self) -> list[str]:
        """What `go build` is told."""
        return ["-trimpath", f"-ldflags=-s -w {self.stamp}".rstrip()]


_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
TOOLS = (
    Tool(name="etcd", programs={"etcd": "go.etcd.io/etcd/server/v3"}),
    Tool(
        name="kubernetes",
        programs={name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
        stamp=_STAMP,
    ),
    Tool(
        name="kube-router",
        programs={"kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"},
    ),
    Tool(name="coredns", programs={"coredns": "."}),
    Tool(name="helm", programs={"helm": "helm.sh/helm/v4/cmd/helm"}),
)


def build() -> dict[str, Path]:
    """Build what the cache lacks; every program by its name, `pause` included."""
    return {"pause": pause()} | {name: path for tool in TOOLS for name, path in _built(tool).items()}


def helm() -> Path:
    """Helm alone, for those who bring their own cluster."""
    return next(_built(tool)["helm"] for tool in TOOLS if tool.name == "helm")


def pause() -> Path:
    """The first process of a pod's sandbox, and of the node: it reaps, and ends when told."""
    source = HERE / "pause.c"
    target = CACHE / f"pause-{_digest(source.read_bytes(), repr(_PAUSE).encode())}" / "pause"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")
        subprocess.run([*_PAUSE, "-o", unfinished, source], check=True)
        unfinished.rename(target)
    return target


def _built(tool: Tool) -> dict[str, Path]:
    folder = CACHE / f"{tool.name}-{_inputs(tool)}"
    if not folder.exists():
        _build(tool, folder)
        _forget_others(tool, folder)
    return {name: folder / name for name in tool.programs}


def _inputs(tool: Tool) -> str:
    version = subprocess.run(["go", "version"], check=True, capture_output=True, cwd=tool.module).stdout
    sources = [path.read_bytes() for path in sorted(tool.module.iterdir())]
    return _digest(*sources, version, repr(tool).encode())


def _build(tool: Tool, folder: Path) -> None:
    print(f"Building {', '.join(tool.programs)} (once; minutes)", flush=True)
    start = time.monotonic()
    unfinished = folder.with_suffix(".unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    for name, package in tool.programs.items():
        command = ["go", "build", *tool.flags, "-o", str(unfinished / name), package]
        subprocess.run(command, check=True, cwd=tool.module, env=environment)
    unfinished.rename(folder)
    print(f"Built in {time.monotonic() - start:.0f} s", flush=True)


def _forget_others(tool: Tool, current: Path) -> None:
    for folder in CACHE.glob(f"{tool.name}-*"):
        version = folder.name.removeprefix(f"{tool.name}-").removesuffix(".unfinished")
        if folder != current and len(version) == len(_digest()):
            shutil.rmtree(folder)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]
