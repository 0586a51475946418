"""The configuration of NATS, tried with the real server."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nats
import pytest
import yaml
from tests.chart.rendering import Rendering, render

SERVER = Path(sys.executable).with_name("nats-server")
ENVIRONMENT = {
    "POD_NAME": "mayfly-nats-0",
    "NATS_USERNAME": "mayfly",
    "NATS_PASSWORD": "p1e9",
    "NATS_ROUTE_PASSWORD": "r1e9",
}


def _configuration(rendering: Rendering, folder: Path, *, port: int) -> Path:
    """The rendered file with this machine's places instead of a pod's."""
    text = rendering.one("ConfigMap", "mayfly-nats")["data"]["nats.conf"]
    for there, here in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", "127.0.0.1:-1"),
        ("0.0.0.0:6222", "127.0.0.1:-1"),
        ("/data", f"'{folder}'"),
    ):
        text = text.replace(there, here)
    path = folder / "nats.conf"
    path.write_text(text)
    return path


def _routes(rendering: Rendering) -> dict[str, str]:
    variables = rendering.pod_spec("nats")["containers"][0]["env"]
    return {
        one["name"]: one["value"].replace("$(NATS_ROUTE_PASSWORD)", ENVIRONMENT["NATS_ROUTE_PASSWORD"])
        for one in variables
        if one["name"].startswith("NATS_ROUTE_") and "value" in one
    }


@contextmanager
def _server(configuration: Path, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [SERVER, "--config", configuration], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "Server is ready" in line:
                break
        else:
            pytest.fail("nats-server ended")
        yield
    finally:
        process.terminate()
        process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _greet(port: int, credentials: dict[str, str]) -> bytes:
    """What the server says to who introduces itself so."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client, client.makefile("rwb") as stream:
        stream.readline()
        stream.write(b"CONNECT " + json.dumps({"verbose": False} | credentials).encode() + b"\r\nPING\r\n")
        stream.flush()
        return stream.readline()


async def test_it_stores_for_who_has_the_password(tmp_path: Path, defaults: Rendering) -> None:
    port = _free_port()
    with _server(_configuration(defaults, tmp_path, port=port), ENVIRONMENT):
        client = await nats.connect(f"nats://127.0.0.1:{port}", user="mayfly", password="p1e9")
        bucket = await client.jetstream().create_object_store("mayfly-code")
        await bucket.put("shop/sha256-0", b"code" * 100_000)
        assert (await bucket.get("shop/sha256-0")).data == b"code" * 100_000
        await client.close()


def test_it_refuses_everybody_else(tmp_path: Path, defaults: Rendering) -> None:
    port = _free_port()
    with _server(_configuration(defaults, tmp_path, port=port), ENVIRONMENT):
        assert _greet(port, {"user": "mayfly", "pass": "p1e9"}) == b"PONG\r\n"
        for credentials in ({}, {"user": "mayfly", "pass": "p"}, {"user": "route", "pass": "r1e9"}):
            assert b"Authorization Violation" in _greet(port, credentials)


def test_the_configuration_of_three_is_one(tmp_path: Path) -> None:
    rendering = render("nats.replicas=3")
    routes = _routes(rendering)
    assert [url.rpartition("@")[2] for url in routes.values()] == [
        f"mayfly-nats-{i}.mayfly-nats-headless.mayfly-system.svc:6222" for i in range(3)
    ]
    checked = subprocess.run(
        [SERVER, "-t", "--config", _configuration(rendering, tmp_path, port=-1)],
        env=ENVIRONMENT | routes,
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_what_is_acknowledged_is_on_the_disk(defaults: Rendering) -> None:
    assert "sync_interval: always" in defaults.one("ConfigMap", "mayfly-nats")["data"]["nats.conf"]


def test_it_stores_less_than_its_volume_holds(defaults: Rendering) -> None:
    text = defaults.one("ConfigMap", "mayfly-nats")["data"]["nats.conf"]
    most = int(next(line for line in text.splitlines() if "max_file_store" in line).split()[1])
    [claim] = defaults.one("StatefulSet", "mayfly-nats")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert most == 9 * 1024**3


def test_without_storage_it_is_an_empty_dir() -> None:
    rendering = render(files=("no-storage",))
    assert "volumeClaimTemplates" not in rendering.one("StatefulSet", "mayfly-nats")["spec"]
    volumes = {volume["name"]: volume for volume in rendering.pod_spec("nats")["volumes"]}
    assert volumes["data"] == {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}


def test_its_memory_limit_is_known_to_it(defaults: Rendering) -> None:
    variables = yaml.safe_dump(defaults.pod_spec("nats")["containers"][0]["env"])
    assert "GOMEMLIMIT" in variables and "limits.memory" in variables
