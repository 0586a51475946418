"""Put the example functions' dependencies into their code directories, as a Lambda archive holds them.

    python examples/prepare.py

Only what is missing is installed: hash-pinned wheels for the runtime that the example names, whichever Python runs
this. Standard library only.
"""

import fcntl
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent


def prepare(example: Path) -> bool:
    """Install the example's requirements into its code directory; whether there was anything to do.

    Raises:
        SystemExit: pip could not, with its reason.
    """
    with (example / "requirements.txt").open() as lock:
        # Two that run at once would install into one directory.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _prepare(example)


def _prepare(example: Path) -> bool:
    requirements = example / "requirements.txt"
    installed = example / ".installed.txt"
    wanted = requirements.read_text()
    if installed.is_file() and installed.read_text() == wanted:
        return False
    print(f"installing the dependencies of {example.name} (once)", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    place = ["--upgrade", "--target", str(example / "src"), "--python-version", python_version(example)]
    pinned = ["--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(requirements)]
    done = subprocess.run([*pip, *place, *pinned], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the dependencies of {example.name} could not be installed:\n{done.stderr.strip()}")
    installed.write_text(wanted)
    return True


def python_version(example: Path) -> str:
    """The Python that the example's runtime is, such as 3.11."""
    found = re.search(r"runtime: python(3\.\d+)", (example / "function.yaml").read_text())
    if found is None:
        raise SystemExit(f"{example / 'function.yaml'} names no Python runtime")
    return found[1]


if __name__ == "__main__":
    for requirements in sorted(EXAMPLES.glob("*/requirements.txt")):
        prepare(requirements.parent)
