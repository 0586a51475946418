"""containerd's images and containers, through its own command.

Rule: the images outlive the node in containerd's folder; its containers do not.
"""

from __future__ import annotations

from pathlib import Path

from layout import CONTAINERD_SOCKET
from node import run


def _ctr(*arguments: str) -> str:
    return run("ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", *arguments)


def answers() -> bool:
    """Whether containerd serves."""
    try:
        _ctr("version")
    except SystemExit:
        return False
    return True


def images() -> set[str]:
    """The names of the images that are there."""
    return set(_ctr("images", "ls", "--quiet").split())


def load(archive: Path) -> None:
    """Import the image of an archive under the name that it carries."""
    _ctr("images", "import", str(archive))


def leftovers() -> list[str]:
    """The containers of a node that is gone."""
    return _ctr("containers", "ls", "--quiet").split()


def remove(containers: list[str]) -> None:
    """Remove containers that do not run."""
    _ctr("containers", "rm", *containers)
