"""How fast this machine is just now: other work shares it, and a bound in seconds would be a bound on that."""

import subprocess
import sys
import time


def a_moment() -> float:
    """Seconds that thirty starts of a bare interpreter take here and now: about 0.3 on a machine at rest."""
    began = time.monotonic()
    for _ in range(3):
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
    return 10 * (time.monotonic() - began)
