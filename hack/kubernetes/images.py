"""The project's images: which there are, and building and loading what has changed.

Rule: an image's inputs are what its Dockerfile copies, the Dockerfile itself, and its arguments; their hash is the
image's tag where it is built and its mark in the cluster, so that nothing is built or loaded twice.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import bases
import buildah
import containerd
import machine
import node as nodes
from layout import CACHE, ROOT

_COPY = re.compile(r"^(?:COPY|ADD)\s+(?!--from)(.+?)\s+\S+$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of ours: its Dockerfile, and the bases that fill the Dockerfile's arguments."""

    name: str
    dockerfile: str
    arguments: dict[str, bases.Base] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Its name in the cluster."""
        return f"localhost/mayfly/{self.name}:dev"

    @property
    def built(self) -> str:
        """Its name where it is built, which tells its inputs."""
        return f"localhost/mayfly/{self.name}:{inputs(self)}"


def _python(suite: str) -> dict[str, bases.Base]:
    return {"BASE": bases.debian(suite), "BUILDER": bases.builder(suite)}


_RUNTIMES = "runtime-images"
IMAGES = (
    Image(name="control-plane", dockerfile="images/control-plane/Dockerfile", arguments=_python("trixie")),
    Image(name="nats", dockerfile="images/nats/Dockerfile", arguments={"BUILDER": bases.builder("trixie")}),
    Image(
        name="runtime-python3.11", dockerfile=f"{_RUNTIMES}/python/Dockerfile", arguments=_python("bookworm")
    ),
    Image(
        name="runtime-python3.13", dockerfile=f"{_RUNTIMES}/python/Dockerfile", arguments=_python("trixie")
    ),
    Image(
        name="runtime-nodejs20",
        dockerfile=f"{_RUNTIMES}/nodejs/Dockerfile",
        arguments=_python("trixie") | {"NODE": bases.node(20)},
    ),
    Image(
        name="runtime-nodejs22",
        dockerfile=f"{_RUNTIMES}/nodejs/Dockerfile",
        arguments=_python("trixie") | {"NODE": bases.node(22)},
    ),
    Image(
        name="runtime-provided.al2023",
        dockerfile=f"{_RUNTIMES}/provided/Dockerfile",
        arguments=_python("trixie"),
    ),
)


def build() -> None:
    """Build what has changed."""
    machine.prepare()
    CACHE.mkdir(parents=True, exist_ok=True)
    with buildah.alone():
        changed = [image for image in IMAGES if not buildah.has(image.built)]
        wanted = {base for image in changed for base in image.arguments.values()}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(bases.Base.prepare, wanted))
            list(pool.map(_build, changed))
        if changed:
            buildah.keep_only({image.built for image in IMAGES})


def load() -> None:
    """Load into the cluster what it does not have."""
    if nodes.running() is None:
        print("No cluster runs here: the images are built and not loaded.")
        return
    there = containerd.marks()
    for image in IMAGES:
        if there.get(image.reference) != inputs(image):
            _load(image)
    containerd.forget_nameless()


def _load(image: Image) -> None:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        archive = Path(folder) / "image.tar"
        buildah.save(image.built, archive, image.reference)
        containerd.load(archive)
    containerd.mark(image.reference, inputs(image))
    print(f"Loaded {image.reference} in {time.monotonic() - start:.1f} s", flush=True)


def _build(image: Image) -> None:
    start = time.monotonic()
    arguments = {name: base.reference for name, base in image.arguments.items()}
    buildah.build(image.built, ROOT / image.dockerfile, ROOT, arguments)
    print(f"Built {image.reference} in {time.monotonic() - start:.1f} s", flush=True)


def inputs(image: Image) -> str:
    """The hash of all that goes into an image."""
    digest = hashlib.sha256(repr((buildah.OPTIONS, image)).encode())
    dockerfile = ROOT / image.dockerfile
    digest.update(dockerfile.read_bytes())
    for path in _copied(dockerfile.read_text()):
        mode = path.stat().st_mode & 0o111
        digest.update(f"{path.relative_to(ROOT)}\0{mode}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _copied(dockerfile: str) -> Iterator[Path]:
    """The files that a Dockerfile copies out of the tree."""
    for sources in _COPY.findall(dockerfile):
        for source in sources.split():
            path = ROOT / source
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)
