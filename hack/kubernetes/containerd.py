"""containerd's images and containers, through its own command.

Rule: the images outlive the node in containerd's folder; its containers do not.
"""

from __future__ import annotations

import re
from pathlib import Path

from layout import CONTAINERD_SOCKET
from node import run

_MARK = "mayfly.dev/inputs"


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


def mark(image: str, value: str) -> None:
    """Remember with an image what it was made of."""
    _ctr("images", "label", image, f"{_MARK}={value}")


def marks() -> dict[str, str]:
    """What the marked images were made of, by their names."""
    found = {}
    for line in _ctr("images", "ls").splitlines():
        if value := re.search(rf"\b{_MARK}=([^,\s]+)", line):
            found[line.split()[0]] = value[1]
    return found


def forget_nameless() -> None:
    """Forget the images whose name another has taken, which stay under their digests."""
    digests = {name: digest for name, _, digest, *_ in map(str.split, _ctr("images", "ls").splitlines()[1:])}
    named = {digest for name, digest in digests.items() if not name.startswith("sha256:")}
    if nameless := [name for name, digest in digests.items() if digest not in named]:
        _ctr("images", "rm", *nameless)


def leftovers() -> list[str]:
    """The containers of a node that is gone."""
    return _ctr("containers", "ls", "--quiet").split()


def remove(containers: list[str]) -> None:
    """Remove containers that do not run."""
    _ctr("containers", "rm", *containers)
