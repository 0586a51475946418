"""An image of one program and nothing else, as the archive that container runtimes import (OCI layout).

Rule: no builder and no base, so that a cluster can start before either is there.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_OCI = "application/vnd.oci.image"


def write(target: Path, name: str, program: Path) -> None:
    """Write an archive that holds the image `name`: `program` at the root, started as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    with tarfile.open(unfinished, "w") as archive:
        for path, content in _layout(name, program).items():
            _add(archive, path, content)
    unfinished.rename(target)


def _layout(name: str, program: Path) -> dict[str, bytes]:
    layer = _layer(program)
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs = [layer, json.dumps(config).encode()]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _described(blobs[1], "config.v1+json"),
        "layers": [_described(layer, "layer.v1.tar")],
    }
    blobs.append(json.dumps(manifest).encode())
    described = _described(blobs[2], "manifest.v1+json")
    named = described | {"annotations": {"io.containerd.image.name": name}}
    return {
        "oci-layout": json.dumps({"imageLayoutVersion": "1.0.0"}).encode(),
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [named]}).encode(),
        **{f"blobs/{_digest(blob).replace(':', '/')}": blob for blob in blobs},
    }


def _layer(program: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        _add(layer, program.name, program.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _described(blob: bytes, kind: str) -> dict[str, object]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"
