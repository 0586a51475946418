"""`mayfly dev` as a person starts it: a process of its own, read line by line."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

MAYFLY = (sys.executable, "-m", "mayfly_cli")
PATIENCE = 60.0
"""Seconds until something that must happen counts as not happening."""


def function(name: str, code: str, **spec: object) -> str:
    """A manifest of a Python function with one inline file."""
    fields = {"runtime": "python3.11", "handler": "app.handler", **spec}
    settings = "".join(f"  {field}: {value}\n" for field, value in fields.items())
    body = "".join(f"        {line}\n" for line in code.strip().splitlines())
    return (
        "apiVersion: mayfly.dev/v1beta1\nkind: Function\n"
        f"metadata: {{name: {name}}}\nspec:\n{settings}  code:\n    inline:\n      app.py: |\n{body}"
    )


def mayfly(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*MAYFLY, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
        check=False,
    )


class LocalMode:
    """A running `mayfly dev`; as a context it is ended by Ctrl-C and must have ended well."""

    def __init__(self, *paths: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*MAYFLY, "dev", *map(str, paths), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **environment},
        )
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match in the output so far or to come."""
        with self._news:
            self._news.wait_for(lambda: re.search(pattern, self.output), PATIENCE)
            found = re.search(pattern, self.output)
        assert found is not None, f"{pattern!r} did not come:\n{self.output}"
        return found

    @property
    def output(self) -> str:
        """All that was printed."""
        return "".join(self._lines)

    @property
    def endpoint(self) -> str:
        """The gateway's URL."""
        return self.wait_for(r"Endpoint\s+(http://\S+)")[1]

    def interrupt(self) -> float:
        """Ctrl-C; the seconds that the end took."""
        began = time.monotonic()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(PATIENCE)
        return time.monotonic() - began

    def close(self) -> None:
        """Read the rest of the output of a process that has ended."""
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def kill(self) -> None:
        """End it as nobody should."""
        self.process.kill()
        self.process.wait()
        self.end_reading()

    def end_reading(self) -> None:
        """Read the rest of the output, whose writers have all ended."""
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> "LocalMode":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.interrupt()
        self.close()
        assert error is not None or self.process.returncode == 0, self.output
