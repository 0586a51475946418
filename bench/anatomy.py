"""Where each millisecond of a first call goes, seen from outside: packets on the wire, and what the function says.

sudo nsenter --net=/proc/PID/ns/net python bench/anatomy.py [--rounds N]     (PID: of a process in the node's network)

A capture on the node costs what is measured next to nothing: the kernel stamps each packet as it passes. In between,
the function tells when its module was imported and its handler called, and its REPORT how long its INIT was, all by
the same clock.
"""

import argparse
import contextlib
import json
import socket
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import claims
from installed import WIDTH, Caller, Cluster, installed

CODE = """
import time
BEGAN = time.time_ns()

def handler(event, context):
    return {"imported": BEGAN, "called": time.time_ns()}
"""
SO_TIMESTAMPNS = 35
EVERY_PROTOCOL = 0x0003
SYN = 0x02
SNAP = 2048
STAGES = (
    ("client to gateway", "asked", "arrived"),
    ("gateway: to the owner, choose a pod, sign", "arrived", "dialled"),
    ("dial", "dialled", "connected"),
    ("gateway: send instruction and code", "connected", "specialise"),
    ("agent: check permit and digest, unpack", "specialise", "started"),
    ("runtime: become the function, until its module begins", "started", "imported"),
    ("runtime: the module, until it asks for a call", "imported", "initialised"),
    ("gateway: hand over the call", "initialised", "invoke"),
    ("agent and runtime: until the handler begins", "invoke", "called"),
    ("handler, and back through runtime and agent", "called", "answered"),
    ("gateway: to the client", "answered", "done"),
)


@dataclass(frozen=True)
class Packet:
    """One TCP segment, as it was first seen; `at` in seconds since 1970."""

    at: float
    source: tuple[str, int]
    target: tuple[str, int]
    flags: int
    payload: bytes


class Capture:
    """Every TCP segment on the node, from when it is made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERY_PROTOCOL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self._socket.settimeout(0.05)
        self._raw: list[tuple[float, bytes]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                data, told, _, _ = self._socket.recvmsg(SNAP, 64)
                full, part = struct.unpack("qq", told[0][2][:16])
                self._raw.append((full + part / 1e9, data))

    def end(self) -> list[Packet]:
        """What was seen, each segment once: a bridge shows it several times."""
        self._over.set()
        self._thread.join()
        self._socket.close()
        seen, found = set(), []
        for at, data in sorted(self._raw):
            if len(data) < 40 or data[0] >> 4 != 4 or data[9] != 6:
                continue
            start = (data[0] & 15) * 4
            ports = struct.unpack("!HH", data[start : start + 4])
            source, target = (socket.inet_ntoa(data[i : i + 4]) for i in (12, 16))
            flags = data[start + 13]
            payload = data[start + (data[start + 12] >> 4) * 4 : int.from_bytes(data[2:4], "big")]
            key = (source, target, data[start : start + 12], flags, payload[:32])
            if key not in seen:
                seen.add(key)
                found.append(Packet(at, (source, ports[0]), (target, ports[1]), flags, payload))
        return found


def moments(packets: list[Packet], asked: float, done: float, told: dict[str, int]) -> dict[str, float]:
    """When each thing happened, in seconds since 1970."""
    first = _first(packets, lambda each: each.payload.startswith(b"POST /2015-03-31"))
    specialise = _last(packets, lambda each: each.payload.startswith(b"POST /specialise"))
    flow = specialise.source, specialise.target
    out = [each for each in packets if (each.source, each.target) == flow]
    back = [each for each in packets if (each.target, each.source) == flow]
    invoke = _first(out, lambda each: each.payload.startswith(b"POST /invoke"))
    answers = [each for each in back if each.payload.startswith(b"HTTP/1.1 200")]
    report = b"".join(each.payload for each in back).partition(b"Mayfly-Report: ")[2].partition(b"\r\n")[0]
    initialised = answers[0].at
    return {
        "asked": asked,
        "arrived": first.at,
        "dialled": _first(out, lambda each: bool(each.flags & SYN)).at,
        "connected": _first(back, lambda each: bool(each.flags & SYN)).at,
        "specialise": specialise.at,
        "started": initialised - json.loads(report)["initMs"] / 1000,
        "imported": told["imported"] / 1e9,
        "initialised": initialised,
        "invoke": invoke.at,
        "called": told["called"] / 1e9,
        "answered": _first(answers, lambda each: each.at > invoke.at).at,
        "done": done,
    }


def _first(packets: list[Packet], fits) -> Packet:  # type: ignore[no-untyped-def]
    return next(each for each in packets if fits(each))


def _last(packets: list[Packet], fits) -> Packet:  # type: ignore[no-untyped-def]
    return next(each for each in reversed(packets) if fits(each))


def rounds(it: Cluster, count: int) -> Iterator[dict[str, float]]:
    """First calls, one after the other."""
    caller = Caller(it)
    for number in range(count):
        name = f"anatomy-{number}"
        it.function(name, CODE, keepAlive=60, memorySize=512)
        it.known(name)
        it.filled(1)
        capture = Capture()
        asked = time.time()
        told = caller.call(name)
        done = time.time()
        # The end of the agent's answer comes after the payload.
        time.sleep(0.1)
        assert isinstance(told, dict)
        yield moments(capture.end(), asked, done, told)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with installed() as it:
        if not claims.pool(it):
            raise SystemExit("no warm pools here: pools.enabled is false")
        found = list(rounds(it, options.rounds))
    for what, begin, end in (*STAGES, ("in all", "asked", "done")):
        taken = sorted((each[end] - each[begin]) * 1000 for each in found)
        late = taken[int(0.95 * len(taken))]
        print(f"{what:{WIDTH}} {statistics.median(taken):8.2f} ms p50 {late:8.2f} ms p95")


if __name__ == "__main__":
    main()
