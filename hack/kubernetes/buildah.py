"""Building images by buildah, in a storage of our own in the cache."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from layout import CACHE
from node import run

OPTIONS = ("--layers", "--isolation=chroot", "--network=host", "--quiet")
# A build asks the package indexes as this machine may, which may trust authorities of its own.
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

_MOST_STEPS = 400


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Nobody else builds or tidies up meanwhile."""
    with (CACHE / "buildah.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def has(reference: str) -> bool:
    """Whether the storage holds this image."""
    command = [*_buildah(), "inspect", "--type=image", reference]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def build(reference: str, dockerfile: Path, context: Path, arguments: Mapping[str, str]) -> None:
    """Build an image.

    Raises:
        SystemExit: it fails; the message is the build's.
    """
    trusted = [f"--volume={_AUTHORITIES}:{_AUTHORITIES}:ro"] if _AUTHORITIES.exists() else []
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    files = [f"--file={dockerfile}", f"--tag={reference}", str(context)]
    run(*_buildah(), "build", *OPTIONS, *trusted, *given, *files)


def save(reference: str, archive: Path, name: str) -> None:
    """Write an image into an archive that gives it the name `name`; as Docker does, which compresses nothing."""
    run(*_buildah(), "push", "--quiet", reference, f"docker-archive:{archive}:{name}")


def keep_only(references: Collection[str]) -> None:
    """Forget the other images of the same names and, when they have become many, the steps that nothing is built on."""
    # What builds that were killed have left, and stages that are only copied from, keep images in use.
    run(*_buildah(), "rm", "--all")
    names = {reference.rpartition(":")[0] for reference in references}
    listed = run(*_buildah(), "images", "--all", "--format={{.Name}}:{{.Tag}}").split()
    old = [image for image in listed if image.rpartition(":")[0] in names and image not in references]
    if old:
        run(*_buildah(), "rmi", *old)
    if listed.count("<none>:<none>") > _MOST_STEPS:
        run(*_buildah(), "rmi", "--prune", "--force")


def _buildah() -> list[str]:
    return [
        "buildah",
        f"--root={CACHE / 'buildah'}",
        f"--runroot={CACHE / 'buildah-run'}",
        "--storage-driver=overlay",
    ]
