"""`make bench`: what the gateway adds, and what an instance costs, as ratios within one run.

The machine may be shared and noisy, so that no time is compared with one of another run: every figure is a ratio of two
things measured in turn, round by round, and the median over the rounds. CPU is the process's own, from the kernel.
"""

import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
ROUNDS = 3
COLD_ROUNDS = 7
SETTLED = 0.3
WARM_ROUNDS = 3
SECONDS = 2.0
CALLERS = (1, 16, 64)


@contextlib.contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that ends when its standard input is closed, or else is ended."""
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        assert running.stdin is not None
        running.stdin.close()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def line(running: subprocess.Popen[str]) -> str:
    """The next line of its output."""
    assert running.stdout is not None
    return running.stdout.readline().strip()


def load(addresses: list[str]) -> dict[str, float]:
    """One round of load from a process of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py"), str(SECONDS), *addresses], stdout=subprocess.PIPE, check=True
    )
    return dict(json.loads(done.stdout))


def cpu(pid: int) -> float:
    """The process's CPU time so far, in s."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def measured(addresses: list[str], pid: int | None) -> dict[str, float]:
    """A round, and the requests per CPU second of the process in the middle."""
    before = cpu(pid) if pid is not None else 0.0
    result = load(addresses)
    result["rate"] = result["requests"] / result["seconds"]
    if pid is not None:
        result["per_core"] = result["requests"] / (cpu(pid) - before)
    return result


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def go_proxy() -> Iterator[tuple[str, int] | None]:
    """The peer's URL and pid; None without Go."""
    if shutil.which("go") is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        binary = f"{folder}/reverse-proxy"
        subprocess.run(["go", "build", "-o", binary, "."], cwd=HERE / "reverse_proxy", check=True)
        echo, proxy = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        servers = [
            subprocess.Popen([binary, "echo", echo]),
            subprocess.Popen([binary, "proxy", proxy, f"http://{echo}"]),
        ]
        try:
            for address in (echo, proxy):
                wait_for(address)
            yield f"http://{proxy}/echo", servers[1].pid
        finally:
            for server in servers:
                server.kill()
                server.wait()


def wait_for(address: str) -> None:
    """Until somebody listens there, 10 s at most."""
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def median(rounds: list[dict[str, float]], figure: str) -> float:
    """The middle one of a figure."""
    return statistics.median(each[figure] for each in rounds)


def compare(first: list[dict[str, float]], second: list[dict[str, float]], figure: str) -> float:
    """The ratio first / second, round by round, its median."""
    return statistics.median(a[figure] / b[figure] for a, b in zip(first, second, strict=True))


def throughput() -> None:
    """A function that answers at once: all cores are busy, so the CPU time of the process in the middle counts."""
    print("\nechoing function, the machine saturated")
    print(
        f"{'callers':>7} {'req/s':>7} {'p50 ms':>8} {'p99 ms':>8} {'/ agents req/s':>15} "
        f"{'req per CPU s':>14} {'/ Go per CPU s':>15}"
    )
    with setting("echo") as (url, pid, direct), go_proxy() as peer:
        for callers in CALLERS:
            settle_instances(url, callers)
            straight, through, others = interleaved(callers, url, pid, direct, peer)
            go = f"{compare(through, others, 'per_core'):15.2f}" if others else f"{'no Go here':>15}"
            print(
                f"{callers:7} {median(through, 'rate'):7.0f} {median(through, 'p50'):8.2f} "
                f"{median(through, 'p99'):8.2f} {compare(through, straight, 'rate'):15.2f} "
                f"{median(through, 'per_core'):14.0f} {go}",
                flush=True,
            )
        print(f"gateway resident after the load: {resident(pid):.0f} MB")


def latency() -> None:
    """A function that sleeps 20 ms: the machine has room, so what is seen is what the gateway adds."""
    print("\nfunction that takes 20 ms, the machine not saturated")
    print(
        f"{'callers':>7} {'req/s':>7} {'p50 ms':>8} {'p99 ms':>8} {'added p50':>10} {'/ agents p50':>13} "
        f"{'/ agents p99':>13}"
    )
    with setting("wait") as (url, pid, direct):
        for callers in CALLERS:
            settle_instances(url, callers)
            straight, through, _ = interleaved(callers, url, pid, direct, None)
            added = statistics.median(a["p50"] - b["p50"] for a, b in zip(through, straight, strict=True))
            print(
                f"{callers:7} {median(through, 'rate'):7.0f} {median(through, 'p50'):8.2f} "
                f"{median(through, 'p99'):8.2f} {added:7.2f} ms {compare(through, straight, 'p50'):13.2f} "
                f"{compare(through, straight, 'p99'):13.2f}",
                flush=True,
            )


def settle_instances(url: str, callers: int) -> None:
    """Call until the gateway has as many instances as these callers need: it adds them step by step."""
    for _ in range(WARM_ROUNDS):
        load([url] * callers)


@contextlib.contextmanager
def setting(function: str) -> Iterator[tuple[str, int, list[str]]]:
    """The function behind the gateway, the gateway's pid, and as many instances to be called directly."""
    count = max(CALLERS)
    serve = str(HERE / "serve.py")
    with process(sys.executable, serve, "gateway") as gateway:
        urls = [line(gateway) for _ in range(2)]
        url = next(url for url in urls if f"/{function}/" in url)
        with process(sys.executable, serve, "agents", function, str(count)) as agents:
            yield url, gateway.pid, [line(agents) for _ in range(count)]


def interleaved(
    callers: int, url: str, pid: int, direct: list[str], peer: tuple[str, int] | None
) -> tuple[list[dict[str, float]], list[dict[str, float]], list[dict[str, float]]]:
    """Rounds against the agents, through the gateway, and through the peer, in turn."""
    straight, through, others = [], [], []
    for _ in range(ROUNDS):
        straight.append(measured(direct[:callers], None))
        through.append(measured([url] * callers, pid))
        if peer is not None:
            others.append(measured([peer[0]] * callers, peer[1]))
    return straight, through, others


def resident(pid: int) -> float:
    """Resident memory in MB."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def cold_start() -> None:
    """First calls, each of a new instance, against the interpreter of the function's runtime."""
    ratios, colds = [], []
    for _ in range(COLD_ROUNDS):
        with process(sys.executable, str(HERE / "serve.py"), "gateway") as gateway:
            url, _ = line(gateway), line(gateway)
            interpreter = settle(gateway.pid)
            plain = timed_interpreter(interpreter)
            began = time.perf_counter()
            urllib.request.urlopen(url, data=b"{}").read()
            colds.append((time.perf_counter() - began) * 1000)
            ratios.append(colds[-1] / plain)
    print(
        f"cold start: {statistics.median(colds):.1f} ms, {statistics.median(ratios):.2f} times "
        "`python3 -I -c pass` of the runtime's interpreter"
    )


def settle(pid: int) -> str:
    """Until the gateway's agent has its runtime waiting and all is at rest. Returns the runtime's interpreter."""
    deadline, before = time.monotonic() + 10, -1.0
    while time.monotonic() < deadline:
        # An agent that no runtime needs may just be ending.
        with contextlib.suppress(psutil.NoSuchProcess):
            waiting = [child for agent in psutil.Process(pid).children() for child in agent.children()]
            used = sum(cpu(each.pid) for each in waiting)
            if waiting and used == before:
                return waiting[0].cmdline()[0]
            before = used
        time.sleep(SETTLED)
    raise SystemExit("the gateway has no runtime waiting")


def timed_interpreter(interpreter: str) -> float:
    """The interpreter's own start, in ms: the middle of five."""
    times = []
    for _round in range(5):
        began = time.perf_counter()
        subprocess.run([interpreter, "-I", "-c", "pass"], check=True)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def memory() -> None:
    """Idle processes."""
    with process(sys.executable, str(HERE / "serve.py"), "gateway") as gateway:
        url, _ = line(gateway), line(gateway)
        print(f"idle gateway: {resident(gateway.pid):.0f} MB resident")
        settle(gateway.pid)
        instances("waiting instance", gateway.pid)
        urllib.request.urlopen(url, data=b"{}").read()
        instances("idle instance", gateway.pid)


def instances(what: str, pid: int) -> None:
    """The memory of the first of the gateway's agents that has a runtime, and of that."""
    agents = [agent for agent in psutil.Process(pid).children() if agent.children()]
    agent, runtime = agents[0], agents[0].children()[0]
    total = sum(each.memory_full_info().pss for each in (agent, runtime)) / 1e6
    print(
        f"{what}: agent {resident(agent.pid):.1f} MB and runtime {resident(runtime.pid):.1f} MB "
        f"resident, {total:.1f} MB together (PSS)"
    )


if __name__ == "__main__":
    memory()
    cold_start()
    latency()
    throughput()
