"""Building images by buildah, in a storage of our own in the cache."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from layout import CACHE
from node import run

OPTIONS = ("--layers", "--isolation=chroot", "--network=host", "--quiet")
# A build asks the package indexes as this machine may, which may trust authorities of its own.
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


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


def save(reference: str, archive: Path) -> None:
    """Write an image into an archive for containerd; uncompressed, for it goes nowhere else."""
    unfinished = archive.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    run(
        *_buildah(),
        "push",
        "--quiet",
        "--disable-compression",
        reference,
        f"oci-archive:{unfinished}:{reference}",
    )
    unfinished.rename(archive)


def _buildah() -> list[str]:
    return [
        "buildah",
        f"--root={CACHE / 'buildah'}",
        f"--runroot={CACHE / 'buildah-run'}",
        "--storage-driver=overlay",
    ]
