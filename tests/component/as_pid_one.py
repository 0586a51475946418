"""Becomes what a container's first process is: uid 1000, no privileges, PID 1 of its namespaces. Then runs the command.

Started by root through `unshare`, with the folders that the command needs (separated by colons) and the command. Those
that lie where uid 1000 may not go, as an interpreter below /root does, are shown to it at the same path.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PLAIN_USER = 1000


def closed_ancestor(folder: Path) -> Path | None:
    """The topmost folder on the way that others may not pass."""
    way = [*reversed(folder.parents), folder]
    return next((place for place in way if not place.stat().st_mode & 0o001), None)


def show(folders: list[Path]) -> None:
    """Mount the folders over themselves with a way to them that is open."""
    hidden = [folder for folder in folders if closed_ancestor(folder)]
    kept = {folder: tempfile.mkdtemp(dir="/tmp") for folder in hidden}
    for folder, place in kept.items():
        mount("--bind", str(folder), place)
    for closed in {closed_ancestor(folder) for folder in hidden}:
        mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(closed))
    for folder, place in kept.items():
        folder.mkdir(parents=True, exist_ok=True)
        mount("--bind", place, str(folder))


def mount(*arguments: str) -> None:
    """Mount, in this mount namespace alone."""
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    needed, *command = sys.argv[1:]
    show([Path(folder) for folder in needed.split(":")])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    plain = [f"--reuid={PLAIN_USER}", f"--regid={PLAIN_USER}", "--clear-groups"]
    weak = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    os.execvp("setpriv", ["setpriv", *plain, *weak, *command])
