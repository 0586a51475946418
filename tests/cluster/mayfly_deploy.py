"""`mayfly deploy` as a person runs it."""

import subprocess
import sys
from pathlib import Path

PATIENCE = 150.0
"""Seconds until a command counts as one that does not end."""


def deploy(*words: str | Path, status: int = 0) -> str:
    """What it wrote: on its standard output, or on its standard error if it is to fail with another status."""
    done = subprocess.run(
        [sys.executable, "-m", "mayfly_cli", "deploy", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr if status else done.stdout
