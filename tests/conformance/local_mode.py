"""The real local mode as a process of its own: manifests in, an endpoint out, and nothing left when it ends."""

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from tests.conformance.waiting import eventually

START_TIME = 300.0
"""Seconds until it serves: the first time on a machine it installs and builds runtime clients."""
STOP_TIME = 30.0
DEVELOPER = {
    "AWS_ACCESS_KEY_ID": "AKIADEVELOPERSOWNKEY",
    "AWS_SECRET_ACCESS_KEY": "the-developers-own-secret",
    "AWS_PROFILE": "the-developers-own-profile",
    "DEVELOPER_TOKEN": "the-developers-own-token",
    "PYTHONSTARTUP": "/the-developers-own-startup.py",
    "NODE_OPTIONS": "--stack-trace-limit=33",
    "TZ": "Asia/Tokyo",
    "LANG": "de_CH.UTF-8",
}
"""What the shell holds in which the local mode is started; none of it may reach a function."""

LINUX = sys.platform.startswith("linux")
_MAYFLY = Path(sys.executable).with_name("mayfly")


class LocalMode:
    """`mayfly dev` on the manifests below `home/manifests`."""

    def __init__(
        self, home: Path, *, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.manifests = home / "manifests"
        self._temporary = home / "tmp"
        self._command = (_MAYFLY, "dev", self.manifests, "--port", "0", *options)
        self._environment = environment or {}
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.output: list[str] = []

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._temporary.mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self._process = subprocess.Popen(
            [str(word) for word in self._command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=inherited | DEVELOPER | {"TMPDIR": str(self._temporary)} | self._environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.process = psutil.Process(self._process.pid)
        try:
            self._wait_until_it_serves()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def _wait_until_it_serves(self) -> None:
        self.endpoint = self._endpoint()
        # With its spare agents there and watching files it is at rest: these descriptors it needs for itself.
        runtimes = {function["runtime"] for function in self.functions().values()}
        waiting = {runtime for runtime in runtimes if LINUX and runtime.startswith("python")}
        spares = len(waiting) + (not waiting or waiting < runtimes)
        eventually(lambda: len(self.process.children()) == spares, state=self._who_is_left)
        if LINUX:
            eventually(lambda: any("inotify" in name for name in self._open()), state=self._open)
        self._descriptors = self._open()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def _endpoint(self) -> str:
        while True:
            line = self._lines.get(timeout=START_TIME)
            assert line is not None, f"it ended at once: {''.join(self.output)}"
            if line.startswith("Endpoint"):
                return line.split()[1]

    def get(self, path: str) -> Any:
        """The JSON, or the lines of JSON, of a page of the gateway's own API."""
        with urllib.request.urlopen(f"{self.endpoint}/mayfly/v1beta1/{path}", timeout=10) as answer:
            body = answer.read()
            lines = answer.headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) for line in body.splitlines()] if lines else json.loads(body)

    def functions(self, namespace: str = "default") -> dict[str, dict[str, Any]]:
        """What the gateway says of its functions, by name."""
        return {function["name"]: function for function in self.get(f"namespaces/{namespace}/functions")}

    def log(self, function: str, *, namespace: str = "default", tail: int = 1000) -> list[dict[str, Any]]:
        """The latest records of a function's log."""
        records = self.get(f"namespaces/{namespace}/functions/{function}/logs?tail={tail}")
        assert isinstance(records, list)
        return records

    def descendants(self) -> list[psutil.Process]:
        """Every process below it."""
        try:
            return self.process.children(recursive=True)
        except psutil.NoSuchProcess:
            # One of them ended while they were looked up.
            return self.descendants() if self.process.is_running() else []

    def _open(self) -> list[str]:
        """Its open descriptors, by what they lead to, without the numbers that tell two of a kind apart."""
        if not LINUX:
            return ["descriptor"] * self.process.num_fds()
        names = []
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                names.append(re.sub(r":\[\d+\]", "", str(entry.readlink())))
        return sorted(names)

    def stop(self) -> None:
        """End it as a person does, having taken its functions away first, and see that nothing is left."""
        errors = [number for number, line in enumerate(self.output) if line.startswith("error:")]
        trouble = "".join(self.output[errors[0] :][:40]) if errors else None
        try:
            self._take_functions_away()
        finally:
            below = self.descendants()
            self._process.send_signal(signal.SIGINT)
            try:
                status = self._process.wait(STOP_TIME)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                raise AssertionError(f"it did not end: {''.join(self.output[-40:])}") from None
            finally:
                self._reader.join(STOP_TIME)
                if self._process.stdout is not None:
                    self._process.stdout.close()
        left = [process for process in below if lives(process)]
        for process in left:
            process.kill()
        assert status == 0, f"exit status {status}: {''.join(self.output[-40:])}"
        assert not left, f"processes outlived it: {left}"
        assert sorted(self._temporary.iterdir()) == [], "files outlived it"
        assert not trouble, f"it had trouble of its own: {trouble}"

    def _take_functions_away(self) -> None:
        """Without functions it is as it was before the first call: as many processes, as many descriptors."""
        for manifest in self.manifests.iterdir():
            manifest.unlink()
        eventually(lambda: len(self.descendants()) <= 1, within=STOP_TIME, state=self._who_is_left)
        # Elsewhere than on Linux it cannot be seen from outside when it begins to watch, which takes a few.
        allowed = len(self._descriptors) + (0 if LINUX else 4)
        eventually(lambda: len(self._open()) <= allowed, within=STOP_TIME, state=self._new_descriptors)

    def _who_is_left(self) -> list[str]:
        """Its processes, each by its state, its folder and its command, and what the local mode said last."""
        left = []
        for process in self.descendants():
            with contextlib.suppress(psutil.Error):
                left.append(
                    f"{process.pid} {process.status()} {process.cwd()} {' '.join(process.cmdline()[-3:])}"
                )
        return [*left, *self.output[-10:]]

    def _new_descriptors(self) -> list[str]:
        return sorted((Counter(self._open()) - Counter(self._descriptors)).elements())


def lives(process: psutil.Process) -> bool:
    """Whether a process has not ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
