"""A Runtime API of the plainest kind, to run a runtime against without agent and gateway."""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ARN = "arn:aws:lambda:local:default:function:tested"
PREFIX = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Posted:
    """What the runtime handed in: `kind` is response, error or init/error."""

    kind: str
    request_id: str | None
    payload: bytes
    headers: Mapping[str, str]

    @property
    def value(self) -> Any:
        return json.loads(self.payload)


@dataclass
class RuntimeApi:
    """Serves one runtime: events go in by `invoke`, and what it posts comes out."""

    events: "queue.Queue[tuple[str, bytes, dict[str, str]]]" = field(default_factory=queue.Queue)
    posted: "queue.Queue[Posted]" = field(default_factory=queue.Queue)
    asked: "queue.Queue[float]" = field(default_factory=queue.Queue)
    count: int = 0

    def __enter__(self) -> "RuntimeApi":
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                if self.path != f"{PREFIX}/invocation/next":
                    self._answer(404, b"{}")
                    return
                api.asked.put(time.perf_counter())
                request_id, payload, headers = api.events.get()
                if not request_id:
                    self.close_connection = True
                    return
                self._answer(200, payload, {"Lambda-Runtime-Aws-Request-Id": request_id, **headers})

            def do_POST(self) -> None:
                payload = self.rfile.read(int(self.headers["Content-Length"]))
                *_, request_id, kind = self.path.split("/")
                if self.path == f"{PREFIX}/init/error":
                    request_id, kind = "", "init/error"
                api.posted.put(Posted(kind, request_id or None, payload, dict(self.headers.items())))
                self._answer(202, b'{"status":"OK"}')

            def _answer(self, status: int, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)
                self.wfile.flush()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def deliver(self, event: object, **headers: str) -> str:
        """Have an event taken by the next poll; its request id. A header `Trace_Id` is `Lambda-Runtime-Trace-Id`."""
        self.count += 1
        request_id = f"00000000-0000-4000-8000-{self.count:012}"
        named = {f"Lambda-Runtime-{name.replace('_', '-')}": value for name, value in headers.items()}
        standard = {
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + 30) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        }
        self.events.put((request_id, json.dumps(event).encode(), standard | named))
        return request_id

    def invoke(self, event: object, **headers: str) -> Posted:
        request_id = self.deliver(event, **headers)
        posted = self.posted.get(timeout=20)
        assert posted.request_id == request_id, posted
        return posted


class Runtime:
    """A runtime process against an API of its own; what it writes is collected.

    With `telemetry` it gets a telemetry descriptor into the same pipe, as the agent gives one.
    """

    def __init__(
        self, argv: list[str], directory: Path, environment: Mapping[str, str], *, telemetry: bool = False
    ) -> None:
        self.api = RuntimeApi().__enter__()
        reader, writer = os.pipe()
        # A description of its own: Node.js makes that of its standard output non-blocking.
        frames = os.open(f"/dev/fd/{writer}", os.O_WRONLY)
        extra = {"_LAMBDA_TELEMETRY_LOG_FD": str(frames)} if telemetry else {}
        self.process = subprocess.Popen(
            argv,
            cwd=directory,
            env={**environment, "AWS_LAMBDA_RUNTIME_API": self.api.address, **extra},
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            pass_fds=[frames] if telemetry else [],
        )
        os.close(writer)
        os.close(frames)
        self.written = bytearray()
        self.collector = threading.Thread(target=self._collect, args=[reader])
        self.collector.start()

    def __enter__(self) -> "Runtime":
        return self

    def __exit__(self, *args: object) -> None:
        self.process.kill()
        self.process.wait()
        self.collector.join()
        self.api.events.put(("", b"", {}))
        self.api.__exit__()

    def _collect(self, reader: int) -> None:
        with open(reader, "rb", buffering=0) as pipe:
            while data := pipe.read(65536):
                self.written += data

    def end(self) -> tuple[int, str]:
        """Wait for the process to end by itself: its status and its output."""
        status = self.process.wait(timeout=20)
        self.collector.join()
        return status, self.written.decode("utf-8", "replace")

    def output(self) -> str:
        """End the process and read what it has written."""
        self.process.terminate()
        return self.end()[1]
