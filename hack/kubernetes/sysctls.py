"""The machine's kernel settings that Kubernetes changes, and what they were.

Rule: they belong to the whole machine, so they are remembered before the node starts and put back when it ends.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from layout import RUN

_NAMES = (
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
)
_REMEMBERED = RUN / "sysctls.json"
_ROOT = Path("/proc/sys")


def remember() -> None:
    """Note how they are."""
    values = {name: (_ROOT / name).read_text().strip() for name in _NAMES if (_ROOT / name).exists()}
    _REMEMBERED.write_text(json.dumps(values))


def restore() -> None:
    """Put back what was noted, if anything was."""
    if not _REMEMBERED.exists():
        return
    for name, value in json.loads(_REMEMBERED.read_text()).items():
        # Some machines let a container read them and not write.
        with suppress(OSError):
            (_ROOT / name).write_text(value)
