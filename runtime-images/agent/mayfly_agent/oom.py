"""Whether the kernel has killed for want of memory, as the cgroup of this process counts it."""

from __future__ import annotations

COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""cgroup v2 and v1, seen from inside a container."""


class KernelKills:
    """Remembers the count and tells whether it has grown; always False where there is no such cgroup."""

    def __init__(self) -> None:
        self._seen = _count()

    def happened(self) -> bool:
        """Whether the kernel has killed since the last call."""
        before, self._seen = self._seen, _count()
        return self._seen > before


def _count() -> int:
    for path in COUNTERS:
        try:
            with open(path, "rb", buffering=0) as file:
                fields = dict(line.split(None, 1) for line in file.read().splitlines())
        except (OSError, ValueError):
            continue
        return int(fields.get(b"oom_kill", 0))
    return 0
