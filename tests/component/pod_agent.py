"""A real agent as it runs in a pod: on a TCP port, for whoever holds the gateway's key. See `agent_process`."""

import contextlib
import hashlib
import io
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

from tests.component.agent_process import MARK, Agent, Answer, Gateway, eventually
from tests.component.signing import Signer

SIGNER = Signer()


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
        body = {
            **self.body(),
            "revision": "r1",
            "enforceMemory": False,
            **({"code": package} if package else {}),
        }
        return json.dumps(body | changes).encode()

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

    def become(self, files: Mapping[str, str | bytes] | None = None, **changes: Any) -> Answer:
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

    def end(self) -> None:
        """Close it and hold it to its promises."""
        if self.process.poll() is None:
            with contextlib.closing(self.connect()) as gateway:
                assert gateway.call("POST", "/close", headers=self.bearer()).status == 202
        status = self.wait()
        trouble = (self.home / "trouble").read_text()
        assert (status, trouble) == (0, ""), (status, trouble)
        assert self.survivors() == []


@contextlib.contextmanager
def pod(*, ends: bool = True, **options: Any) -> Iterator[PodAgent]:
    """A bare agent. `ends`: whether it has become a function at the end, and must then end well."""
    with tempfile.TemporaryDirectory(prefix="mf", ignore_cleanup_errors=True) as home:
        agent = PodAgent(Path(home), **options)
        try:
            yield agent
            if ends:
                agent.end()
        finally:
            agent.destroy()


__all__ = ["MARK", "SIGNER", "PodAgent", "packed", "pod"]
