"""Ctrl-C ends the local mode whatever it is at; a second one does not wait for anything."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil

from .local_mode import MAYFLY, PATIENCE, LocalMode, function, mayfly

GOOD = function("f", "def handler(event, context):\n    return 1")
SLOW = function(
    "f",
    "import time\ndef handler(event, context):\n    print('begun', flush=True)\n    time.sleep(60)",
    timeout=90,
)


def test_while_a_runtime_client_is_being_installed(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        cache = str(tmp_path / "cache")
        with LocalMode(
            tmp_path,
            MAYFLY_CACHE=cache,
            PIP_INDEX_URL=index,
            PIP_CONFIG_FILE=os.devnull,
            PIP_NO_CACHE_DIR="1",
        ) as local:
            local.wait_for("installing awslambdaric")
            silent.accept()[0].close()
            assert local.interrupt() < 5
    assert "Traceback" not in local.output


def test_a_second_one_waits_for_no_invocation(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(SLOW)
    local = LocalMode(tmp_path)
    calling = subprocess.Popen(
        [*MAYFLY, "invoke", "f", "--endpoint", local.endpoint],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    local.wait_for("begun")
    processes = psutil.Process(local.process.pid).children(recursive=True)
    assert processes
    os.killpg(local.process.pid, signal.SIGINT)
    local.wait_for("Ending every instance")
    local.interrupt()
    assert local.process.returncode == 128 + signal.SIGINT
    _, left = psutil.wait_procs(processes, PATIENCE)
    assert left == []
    calling.wait(PATIENCE)
    local.close()


def test_who_follows_a_log_is_told_that_it_has_ended(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(GOOD.replace("return 1", "print('seen')"))
    with LocalMode(tmp_path) as local:
        mayfly("invoke", "f", "--endpoint", local.endpoint)
        with subprocess.Popen(
            [*MAYFLY, "logs", "f", "--follow", "--endpoint", local.endpoint],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as following:
            assert following.stdout is not None
            assert following.stderr is not None
            while "seen" not in following.stdout.readline():
                pass
            local.interrupt()
            assert following.stderr.read() in (
                "",
                f"error: The gateway at {local.endpoint} has ended the log.\n",
            )
            assert following.wait(PATIENCE) in (0, 2)


def test_a_log_may_go_to_a_reader_that_has_enough(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(GOOD.replace("return 1", "print('x\\n' * 20000)"))
    with LocalMode(tmp_path) as local:
        mayfly("invoke", "f", "--endpoint", local.endpoint)
        command = f'"{MAYFLY[0]}" -m mayfly_cli logs f --endpoint {local.endpoint} | head -1'
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE, check=True
        )
        assert done.stderr == ""
