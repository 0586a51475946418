"""AWS's own Lambda emulator as an oracle: the program inside the wheel of aws-sam-cli, run without Docker.

Rule: one call at a time, for two at once crash it.
"""

import asyncio
import contextlib
import hashlib
import http.client
import os
import platform
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.waiting import eventually

from mayfly_gateway.backends.local.installs import cache_directory, installed, run
from mayfly_gateway.backends.local.runtimes import RuntimeCommand

REQUIREMENTS = Path(__file__).with_name("rie-requirements.txt")
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
FUNCTION = "told"
ARN = f"arn:aws:lambda:us-east-1:012345678912:function:{FUNCTION}"
"""The one function that it knows, whatever its name."""


def missing() -> str | None:
    """Why it cannot run on this machine."""
    if not sys.platform.startswith("linux") or platform.machine() not in MACHINES:
        return f"AWS's emulator does not run on {sys.platform} {platform.machine()}"
    return None


def program() -> Path:
    """The emulator, fetched once from the package index."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]

    async def build(place: Path) -> None:
        pip = (
            sys.executable,
            "-I",
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        )
        status, output = await run(
            (*pip, "--no-deps", "--require-hashes", "-r", REQUIREMENTS, "--dest", place)
        )
        assert status == 0, output
        (wheel,) = place.glob("*.whl")
        name = f"aws-lambda-rie-{MACHINES[platform.machine()]}"
        with zipfile.ZipFile(wheel) as archive:
            (place / "aws-lambda-rie").write_bytes(archive.read(f"samcli/local/rapid/{name}"))
        (place / "aws-lambda-rie").chmod(0o755)
        wheel.unlink()

    return asyncio.run(installed(cache_directory() / "tests" / f"rie-{digest}", build)) / "aws-lambda-rie"


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator."""

    port: int

    def invoke(self, body: bytes, headers: Mapping[str, str], query: str = "") -> tuple[int, bytes]:
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            path = f"/2015-03-31/functions/function/invocations{query}"
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@contextlib.contextmanager
def emulator(
    command: Sequence[str | Path],
    code: Path,
    *,
    runtime: RuntimeCommand,
    timeout: int,
    environment: Mapping[str, str],
) -> Iterator[Emulator]:
    """The emulator with a runtime below it, started with the variables that it expects to find."""
    port, runtime_port = free_port(), free_port()
    variables = {
        "PATH": os.pathsep.join((*runtime.folders, "/usr/local/bin", "/usr/bin", "/bin")),
        **runtime.environment,
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime.name}",
        "LAMBDA_TASK_ROOT": str(code),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        **environment,
    }
    addresses = (
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
    )
    with subprocess.Popen(
        [program(), *addresses, *command],
        cwd=code,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            eventually(lambda: listens(port))
            yield Emulator(port)
        finally:
            process.terminate()
            process.wait(10)
            # It leaves runtimes behind, each a group of its own in its session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def listens(port: int) -> bool:
    """Whether anybody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
