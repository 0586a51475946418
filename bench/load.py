"""A closed-loop HTTP load: so many callers, each sending its next request when the last is answered.

    python bench/load.py [--each] SECONDS ADDRESS...

One caller per ADDRESS: `http://[namespace@]host:port/path`, or `unix:path#token` for an agent called directly. Prints
one JSON object: requests, seconds, and latencies p50, p95 and p99 in ms; with --each also when each call began, by the
machine's monotonic clock, and its latency in seconds.
"""

import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

import uvloop

BODY = b'{"name": "Ada"}'
REQUEST_ID = b"5f3b1c9e-8f4e-4d6a-9a51-3f1f0a7c2d10"


class Caller(asyncio.Protocol):
    """One connection; `latencies` in seconds, and when each began."""

    def __init__(self, request: bytes, deadline: float) -> None:
        self.request = request
        self.deadline = deadline
        self.latencies: list[float] = []
        self.begins: list[float] = []
        self.ended = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.began = 0.0
        self.answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.buffer = b""
        self.answered = False
        self.began = time.perf_counter()
        if self.began > self.deadline:
            self.ended.set_result(None)
            self.transport.close()
            return
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.ended.set_exception(RuntimeError(self.buffer[:300].decode("latin-1")))
            self.transport.close()
            return
        if b"Mayfly-Payload-Length" in head:
            self.agent_answer(body)
        elif len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            self.answer()
            self.send()

    def agent_answer(self, body: bytes) -> None:
        """The caller of an agent has its answer with the payload; the instance is free with the trailers."""
        if not self.answered and body:
            self.answer()
        if body.endswith(b"\r\n\r\n"):
            self.send()

    def answer(self) -> None:
        self.answered = True
        self.latencies.append(time.perf_counter() - self.began)
        self.begins.append(self.began)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or RuntimeError("the connection was closed"))


async def call(address: str, deadline: float) -> Caller:
    """One caller until the deadline."""
    loop = asyncio.get_running_loop()
    if address.startswith("unix:"):
        path, _, token = address.removeprefix("unix:").partition("#")
        head = (
            b"POST /invoke HTTP/1.1\r\nHost: agent\r\nAuthorization: Bearer %b\r\n"
            b"Lambda-Runtime-Aws-Request-Id: %b\r\nLambda-Runtime-Trace-Id: Root=1\r\n"
            b"Lambda-Runtime-Invoked-Function-Arn: arn\r\nContent-Length: %d\r\n\r\n"
        ) % (token.encode(), REQUEST_ID, len(BODY))
        _, caller = await loop.create_unix_connection(lambda: Caller(head + BODY, deadline), path)
    else:
        url = urlsplit(address)
        account = f"X-Mayfly-Namespace: {url.username}\r\n" if url.username else ""
        head = (
            f"POST {url.path} HTTP/1.1\r\nHost: {url.hostname}\r\n{account}Content-Length: {len(BODY)}\r\n\r\n"
        ).encode()
        _, caller = await loop.create_connection(
            lambda: Caller(head + BODY, deadline), url.hostname, url.port
        )
    await caller.ended
    return caller


async def main(seconds: float, addresses: list[str], *, each: bool) -> None:
    """Run all callers and print what they saw."""
    began = time.perf_counter()
    callers = await asyncio.gather(*(call(address, began + seconds) for address in addresses))
    elapsed = time.perf_counter() - began
    latencies = sorted(latency * 1000 for caller in callers for latency in caller.latencies)
    told: dict[str, object] = {
        "requests": len(latencies),
        "seconds": elapsed,
        "p50": latencies[len(latencies) // 2],
        "p95": latencies[len(latencies) * 95 // 100],
        "p99": latencies[len(latencies) * 99 // 100],
    }
    if each:
        told["each"] = [
            pair for caller in callers for pair in zip(caller.begins, caller.latencies, strict=True)
        ]
    print(json.dumps(told))


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--each"]
    uvloop.run(main(float(words[0]), words[1:], each="--each" in sys.argv))
