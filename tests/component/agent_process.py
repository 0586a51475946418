"""A real agent process, spoken to as the gateway speaks to it, byte by byte.

`running()` starts one and, at its end, holds it to its promises: it ends by itself with status 0 and nothing on its
standard error, and nothing that its function started is alive.
"""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

SCRIPTED = [sys.executable, "-I", "-S", str(Path(__file__).with_name("scripted_runtime.py"))]
MARK = "MAYFLY_TEST_INSTANCE"
PATIENCE = 15.0


def eventually(condition: Callable[[], Any], *, within: float = PATIENCE) -> Any:
    """The condition's first true value; an AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"after {within} s still {value!r}"
        time.sleep(0.005)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an invocation was answered with; `seconds` until its payload was whole, `report` and `tail` from its end."""

    status: int
    headers: dict[str, str]
    payload: bytes
    seconds: float
    report: dict[str, Any] = field(default_factory=dict)
    tail: bytes | None = None

    @property
    def error(self) -> dict[str, Any]:
        """The payload of a failed invocation."""
        assert self.headers.get("mayfly-function-error") == "Unhandled", self
        content: dict[str, Any] = json.loads(self.payload)
        return content

    @property
    def text(self) -> str:
        """The payload of an invocation that did not fail."""
        assert "mayfly-function-error" not in self.headers, self
        return self.payload.decode()


class Gateway:
    """One connection to an agent's control socket: its path, or its host and port."""

    def __init__(self, address: Path | tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect(str(address) if isinstance(address, Path) else address)
        except OSError:
            self.socket.close()
            raise
        self._buffer = b""
        self._sent = 0.0

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self._sent = time.monotonic()
        self.socket.sendall(data)

    def more(self) -> None:
        """Wait for more bytes. Raises ConnectionError when the agent has hung up."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"the agent has hung up after {self._buffer[:200]!r}")
        self._buffer += data

    def until(self, mark: bytes) -> bytes:
        """Everything up to and without the mark."""
        while mark not in self._buffer:
            self.more()
        part, _, self._buffer = self._buffer.partition(mark)
        return part

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        parts, have = [self._buffer], len(self._buffer)
        while have < size:
            parts.append(self.socket.recv(1 << 20))
            assert parts[-1], "the agent has hung up"
            have += len(parts[-1])
        whole = b"".join(parts)
        self._buffer = whole[size:]
        return whole[:size]

    def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """A request that is no invocation, or is refused, and its answer."""
        self.send(head(method, path, {"Content-Length": str(len(body)), **(headers or {})}) + body)
        return self.whole()

    def whole(self) -> Answer:
        """An answer of known length."""
        status, headers = self._head()
        payload = self.exactly(int(headers["content-length"]))
        return Answer(status=status, headers=headers, payload=payload, seconds=time.monotonic() - self._sent)

    def payload(self) -> Answer:
        """The first part of an invocation's answer: what the caller waits for."""
        status, headers = self._head()
        assert status == 200, (status, headers)
        size = int(headers["mayfly-payload-length"])
        payload = b""
        if size:
            assert int(self.until(b"\r\n"), 16) == size
            payload = self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        return Answer(status=status, headers=headers, payload=payload, seconds=time.monotonic() - self._sent)

    def end(self, answer: Answer) -> Answer:
        """The second part: the instance is free."""
        assert self.exactly(3) == b"0\r\n"
        trailers = fields(self.until(b"\r\n\r\n").split(b"\r\n"))
        tail = trailers.get("mayfly-log-tail")
        return Answer(
            status=answer.status,
            headers=answer.headers,
            payload=answer.payload,
            seconds=answer.seconds,
            report=json.loads(trailers["mayfly-report"]),
            tail=None if tail is None else base64.b64decode(tail, validate=True),
        )

    def _head(self) -> tuple[int, dict[str, str]]:
        first, *lines = self.until(b"\r\n\r\n").split(b"\r\n")
        return int(first.split()[1]), fields(lines)


class Agent:
    """One agent, from bare to its end."""

    def __init__(self, home: Path, *, read_log: bool = True) -> None:
        self.home = home
        self.code = home / "code"
        self.code.mkdir()
        self.mark = uuid.uuid4().hex
        self.token = "secret-token"
        self.records: list[dict[str, Any]] = []
        self.path = home / "agent.sock"
        self.process = self.launch()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        if read_log:
            self._reader.start()
        self.gateway = self.connect()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process."""
        return start(self.path)

    def connect(self) -> Gateway:
        """One more connection of the gateway."""
        return Gateway(self.path)

    def specialise(self, **changes: Any) -> Answer:
        """Become a function: by default the scripted runtime, 256 MB, 3 s."""
        return self.gateway.call("POST", "/specialise", json.dumps(self.body(**changes)).encode())

    def body(
        self,
        *,
        memory: int = 256,
        timeout: int = 3,
        environment: dict[str, str] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """The JSON of `specialise`."""
        return {
            "token": self.token,
            "function": {
                "name": "f",
                "version": "$LATEST",
                "memorySize": memory,
                "timeout": timeout,
            },
            "command": SCRIPTED,
            "directory": str(self.code),
            "environment": {"PATH": os.defpath, MARK: self.mark, **(environment or {})},
            "runtimeVersion": "scripted:1",
            "logFormat": "Text",
            "maxConcurrency": 1,
            "enforceMemory": True,
        } | changes

    def send(
        self,
        payload: str | bytes,
        *,
        gateway: Gateway | None = None,
        request_id: str | None = None,
        tail: bool = False,
        **headers: str,
    ) -> str:
        """Send an invocation without waiting for anything; returns its request id."""
        request_id = request_id or str(uuid.uuid4())
        body = payload.encode() if isinstance(payload, str) else payload
        lines = {
            "Authorization": f"Bearer {self.token}",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:default:function:f",
            "Lambda-Runtime-Trace-Id": "Root=1-5e1b4151-43a0913a12345678901234567",
            "Content-Length": str(len(body)),
            **({"Mayfly-Log-Tail": "1"} if tail else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        (gateway or self.gateway).send(head("POST", "/invoke", lines) + body)
        return request_id

    def invoke(self, payload: str | bytes, **options: Any) -> Answer:
        """An invocation, until the instance is free again."""
        gateway = options.get("gateway") or self.gateway
        self.send(payload, **options)
        return gateway.end(gateway.payload())

    def state(self) -> str:
        """What /health says, over a connection of its own."""
        with contextlib.closing(self.connect()) as gateway:
            state: str = json.loads(gateway.call("GET", "/health").payload)["state"]
        return state

    def close(self) -> Answer:
        """Ask it to end."""
        return self.gateway.call("POST", "/close", headers={"Authorization": f"Bearer {self.token}"})

    # The log.

    def messages(self, request_id: str | None = "any") -> list[str]:
        """What has been logged, of one request id or of all."""
        return [
            record["message"]
            for record in self.records
            if request_id == "any" or record["requestId"] == request_id
        ]

    def logged(self, text: str, request_id: str | None = "any") -> str:
        """The first message that holds the text, once it is there."""
        found: str = eventually(lambda: next((m for m in self.messages(request_id) if text in m), None))
        return found

    def read_log(self) -> None:
        """Begin to read the log."""
        self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # A killed agent may leave half a line.
            if line.endswith(b"\n"):
                self.records.append(json.loads(line))

    # Processes.

    def survivors(self) -> list[psutil.Process]:
        """Everything alive that the function started, wherever it hid."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            ended = process.status() == psutil.STATUS_ZOMBIE
            return not ended and process.environ().get(MARK) == self.mark
        except (psutil.Error, OSError):
            return False

    def wait(self) -> int:
        """Wait for its end; the exit status."""
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        """Hang up as a gateway that ends does, and hold the agent to its promises."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        status = self.wait()
        self.gateway.close()
        trouble = (self.home / "trouble").read_text()
        assert (status, trouble) == (0, "")
        assert self.survivors() == []

    def destroy(self) -> None:
        """End it in any case, and what it left."""
        self.process.kill()
        self.process.wait()
        for process in self.survivors():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        if self._reader.ident is not None:
            self._reader.join(PATIENCE)
        for file in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if file is not None:
                    file.close()
        self.gateway.close()


@contextlib.contextmanager
def running(*, read_log: bool = True, ends: bool = True) -> Iterator[Agent]:
    """A bare agent. `ends`: whether it is still there at the end and must then end well."""
    # Not pytest's tmp_path: the path of a Unix socket is at most 104 bytes long.
    with tempfile.TemporaryDirectory(prefix="mf", ignore_cleanup_errors=True) as home:
        agent = Agent(Path(home), read_log=read_log)
        try:
            yield agent
            if ends:
                agent.end()
        finally:
            agent.destroy()


@contextlib.contextmanager
def serving(*, read_log: bool = True, ends: bool = True, **options: Any) -> Iterator[Agent]:
    """An agent that is a function already."""
    with running(read_log=read_log, ends=ends) as agent:
        assert agent.specialise(**options).status == 200
        yield agent


def start(path: Path) -> subprocess.Popen[bytes]:
    """Start an agent as the local backend does, listening on a socket at `path`."""
    with socket.socket(socket.AF_UNIX) as listener, (path.parent / "trouble").open("wb") as trouble:
        listener.bind(str(path))
        listener.listen(128)
        return subprocess.Popen(
            [sys.executable, "-I", "-m", "mayfly_agent", "--listen-fd", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=trouble,
            start_new_session=True,
            env={"PATH": os.defpath},
        )


def head(method: str, path: str, headers: dict[str, str]) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def fields(lines: list[bytes]) -> dict[str, str]:
    """Header lines by their lower-case names."""
    pairs = (line.decode("latin-1").partition(": ") for line in lines if line)
    return {name.lower(): value for name, _, value in pairs}


def works(agent):
    """Whether the instance serves an invocation."""
    assert agent.invoke("respond(b'as ever')").text == "as ever"


def failure(answer):
    return answer.error["errorType"], answer.error["errorMessage"]
