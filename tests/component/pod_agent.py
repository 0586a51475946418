"""A real agent as it runs in a pod: on a TCP port, for whoever holds the gateway's key. See `agent_process`."""

import contextlib
import hashlib
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
from tests.component.agent_process import Agent, Answer, Gateway, eventually
from tests.component.signing import Signer

SIGNER = Signer()
ROOT = Path(__file__).resolve().parents[2]
AS_PID_ONE = Path(__file__).with_name("as_pid_one.py")
PLAIN_USER = 1000
NUMBERS = itertools.count()


def packed(files: Mapping[str, str | bytes]) -> bytes:
    """A zip archive of these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        return int(other.getsockname()[1])


class PodAgent(Agent):
    """One agent in the state in which a pod's image starts it. `variables` are its environment beside its key."""

    def __init__(self, home: Path, *, variables: Mapping[str, str] | None = None) -> None:
        self.uid = str(uuid.uuid4())
        self.address = ("127.0.0.1", free_port())
        self.variables = variables or {}
        super().__init__(home, read_log=False)
        self._output = b""

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process."""
        with (self.home / "trouble").open("wb") as trouble:
            return subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=trouble,
                start_new_session=True,
                env={
                    "PATH": os.defpath,
                    "MAYFLY_PUBLIC_KEY": SIGNER.modulus,
                    "MAYFLY_INSTANCE_UID": self.uid,
                    **self.variables,
                },
            )

    def command(self) -> list[str]:
        """The argument vector."""
        host, port = self.address
        return [sys.executable, "-I", "-m", "mayfly_agent", "--listen", f"{host}:{port}"]

    def connect(self) -> Gateway:
        """One more connection, as soon as the agent listens."""

        def dial() -> Gateway | None:
            assert self.process.poll() is None, (self.home / "trouble").read_text()
            try:
                return Gateway(self.address)
            except ConnectionRefusedError:
                return None

        gateway: Gateway = eventually(dial)
        return gateway

    def instruction(self, code: bytes | None, kind: str = "zip", /, **changes: Any) -> bytes:
        """The first part of the body: what the gateway says of the code behind it."""
        package = None if code is None else {"format": kind, "sha256": hashlib.sha256(code).hexdigest()}
        ours = {"revision": "r1", "enforceMemory": False, **({"code": package} if package else {})}
        return json.dumps(self.body(**(ours | changes))).encode()

    def specialise_with(
        self, instruction: bytes, code: bytes = b"", *, gateway: Gateway | None = None, **headers: str
    ) -> Answer:
        """Send both parts with a permit."""
        body = instruction + code
        lines = {
            "Authorization": f"Bearer {SIGNER.permit(self.uid, body)}",
            "Mayfly-Instruction-Length": str(len(instruction)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return (gateway or self.gateway).call("POST", "/specialise", body, lines)

    def become(self, files: Mapping[str, str | bytes] | None = None, /, **changes: Any) -> Answer:
        """Become the scripted runtime beside these files."""
        code = packed(files or {"app.py": ""})
        answer = self.specialise_with(self.instruction(code, **changes), code)
        assert answer.status == 200, answer
        return answer

    def bearer(self) -> dict[str, str]:
        """The header of the session token."""
        return {"Authorization": f"Bearer {self.token}"}

    def log(self) -> str:
        """What `kubectl logs` would show so far; the whole if the agent has ended."""
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.process.stdout.fileno(), 65536):
                self._output += data
        return self._output.decode()

    def logged(self, text: str, request_id: str | None = "any") -> str:
        """The first line that holds the text, once it is there."""

        def line() -> str | None:
            return next((line for line in self.log().splitlines() if text in line), None)

        found: str = eventually(line)
        return found

    def end(self) -> None:
        """Close it and hold it to its promises."""
        if self.process.poll() is None:
            with contextlib.closing(self.connect()) as gateway:
                assert gateway.call("POST", "/close", headers=self.bearer()).status == 202
        status = self.wait()
        trouble = (self.home / "trouble").read_text()
        assert (status, trouble) == (0, ""), (status, trouble)
        assert self.survivors() == []


class FirstProcess(PodAgent):
    """An agent as a container runtime starts it: PID 1 and uid 1000, with namespaces and a network of its own.

    Its host, and so the gateway's address, is this process; user code's is the loopback.
    """

    def __init__(self, home: Path, **options: Any) -> None:
        os.chown(home, PLAIN_USER, PLAIN_USER)
        self.link = f"mf{os.getpid()}-{next(NUMBERS) % 1000}"
        number = (os.getpid() * 16 + next(NUMBERS)) % 16384 * 4
        self.host, self.guest = (f"169.254.{number // 256}.{number % 256 + place}" for place in (1, 2))
        super().__init__(home, **options)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it, and connect its network namespace."""
        os.chown(self.code, PLAIN_USER, PLAIN_USER)
        process = super().launch()
        eventually(lambda: namespace(process.pid) != namespace(os.getpid()))
        inside = ("nsenter", "-t", str(process.pid), "-n", "ip")
        name = self.link
        for words in (
            ("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(process.pid)),
            ("ip", "addr", "add", f"{self.host}/30", "dev", name),
            ("ip", "link", "set", name, "up"),
            (*inside, "addr", "add", f"{self.guest}/30", "dev", "eth0"),
            (*inside, "link", "set", "eth0", "up"),
        ):
            subprocess.run(words, check=True)
        self.address = (self.guest, 8080)
        return process

    def command(self) -> list[str]:
        """The argument vector."""
        unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--net"]
        needed = {sys.prefix, sys.base_prefix, str(ROOT)}
        agent = [sys.executable, "-I", "-m", "mayfly_agent", "--listen", "0.0.0.0:8080"]
        return [*unshare, sys.executable, str(AS_PID_ONE), ":".join(sorted(needed)), *agent]

    def destroy(self) -> None:
        """End it in any case, and its network at once: the kernel would take its time."""
        super().destroy()
        subprocess.run(["ip", "link", "del", self.link], capture_output=True)

    @property
    def pid(self) -> int:
        """The agent's own pid, as this process sees it."""
        (child,) = psutil.Process(self.process.pid).children()
        return child.pid


def namespace(pid: int) -> str:
    """Which network namespace the process is in."""
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def can_be_first() -> bool:
    """Whether this process may make namespaces and networks."""
    words = ["unshare", "--pid", "--fork", "--mount-proc", "--net", "ip", "link", "set", "lo", "up"]
    return sys.platform == "linux" and os.geteuid() == 0 and subprocess.run(words).returncode == 0


@contextlib.contextmanager
def pod(*, ends: bool = True, kind: type[PodAgent] = PodAgent, **options: Any) -> Iterator[PodAgent]:
    """A bare agent. `ends`: whether it has become a function at the end, and must then end well."""
    with tempfile.TemporaryDirectory(prefix="mf", ignore_cleanup_errors=True) as home:
        agent = kind(Path(home), **options)
        try:
            yield agent
            if ends:
                agent.end()
        finally:
            agent.destroy()
