"""What the project's images are built on here: Debian by mmdebstrap, Node.js out of its npm package.

Rule: the Dockerfiles know none of this; with published images as their arguments they build anywhere.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import buildah
from layout import CACHE, HERE
from node import run

_NODE_PINS = HERE / "tools" / "node"
_UNREAD = ("doc", "info", "lintian", "locale", "man")
# curl: AWS's custom runtimes are told to use it. libstdc++6: Node.js and many compiled Python packages load it.
_PACKAGES = ("ca-certificates", "curl", "libstdc++6", "python3")
_LEAN = tuple(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _UNREAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An image to build on, and the command that makes its root."""

    name: str
    command: tuple[str, ...]

    @property
    def reference(self) -> str:
        """Its name, which tells the command."""
        pins = (_NODE_PINS / "package-lock.json").read_bytes()
        digest = hashlib.sha256(repr(self.command).encode() + pins).hexdigest()[:16]
        return f"localhost/mayfly/base-{self.name}:{digest}"

    def prepare(self) -> None:
        """Make it, unless it is there."""
        if buildah.has(self.reference):
            return
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            source = self._root(Path(folder))
            dockerfile = Path(folder) / "Dockerfile"
            dockerfile.write_text(f"FROM scratch\nADD {source} /\n")
            buildah.build(self.reference, dockerfile, Path(folder), {})
        print(f"Made {self.reference} in {time.monotonic() - start:.1f} s", flush=True)

    def _root(self, folder: Path) -> str:
        """Make the root in the folder; its name there."""
        if self.command[0] == "mmdebstrap":
            run(*self.command, str(folder / "root.tar"))
            return "root.tar"
        for pins in _NODE_PINS.iterdir():
            shutil.copy(pins, folder)
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=folder, check=True)
        program = folder / "root/usr/local/bin/node"
        program.parent.mkdir(parents=True)
        (folder / "node_modules" / self.command[1] / "bin/node").rename(program)
        return "root"


def debian(suite: str) -> Base:
    """Debian's essential packages and its Python."""
    return _debian(suite, suite, *_PACKAGES)


def builder(suite: str) -> Base:
    """The same with pip."""
    return _debian(f"{suite}-builder", suite, *_PACKAGES, "python3-pip")


def node(major: int) -> Base:
    """Node.js alone."""
    return Base(name=f"node-{major}", command=("npm", f"node-{major}"))


def _debian(name: str, suite: str, *packages: str) -> Base:
    command = (
        "mmdebstrap",
        "--quiet",
        "--variant=essential",
        *_LEAN,
        f"--include={','.join(packages)}",
        suite,
    )
    return Base(name=name, command=command)
