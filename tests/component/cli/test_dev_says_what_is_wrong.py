"""Each trouble is one clear sentence; the exit status says whether the local mode could go on."""

import os
import socket
from pathlib import Path

import pytest

from mayfly_gateway.backends.local.project import ProjectError, manifest_files

from .local_mode import LocalMode, function, mayfly

GOOD = function("good", "def handler(event, context):\n    return 'good'")


def sentences(output: str) -> list[str]:
    """The lines that name a trouble."""
    return [line for line in output.splitlines() if line.startswith("error: ")]


def test_a_missing_interpreter_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(GOOD + "---\n" + function("new", "x = 1", runtime="nodejs24.x"))
    with LocalMode(tmp_path) as local:
        trouble = local.wait_for(r"error: (.*)\n")[1]
        assert trouble.startswith(f"{tmp_path}/f.yaml:")
        assert "nodejs24.x" in trouble
        assert "is not on this machine" in trouble
        called = mayfly("invoke", "new", "--endpoint", local.endpoint)
        assert called.returncode == 2
        assert "InvalidRuntimeException: nodejs24.x" in called.stderr
        assert mayfly("invoke", "good", "--endpoint", local.endpoint).stdout == '"good"'


def test_a_port_in_use_ends_it(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(GOOD)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = mayfly("dev", str(tmp_path), "--port", port)
    assert ended.returncode == 1
    assert sentences(ended.stderr) == [
        f"error: 127.0.0.1:{port} cannot be listened on: address already in use. "
        "Choose another port with --port, or 0 for any free one."
    ]


def test_a_broken_manifest_beside_a_good_one_is_named_and_the_good_one_served(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(GOOD.replace("good", "bad") + "  memorysize: 64\n")
    (tmp_path / "good.yaml").write_text(GOOD)
    with LocalMode(tmp_path) as local:
        trouble = local.wait_for(r"error: (.*)\n")[1]
        assert trouble.startswith(f"{tmp_path}/bad.yaml:12: spec.memorysize: ")
        assert "memorySize" in trouble
        assert mayfly("invoke", "good", "--endpoint", local.endpoint).stdout == '"good"'


def test_nothing_but_a_broken_manifest_ends_it(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: Function\n  metadata: [\n")
    ended = mayfly("dev", str(tmp_path), "--port", "0")
    assert ended.returncode == 1
    assert any(line.startswith(f"error: {tmp_path}/bad.yaml:2: ") for line in sentences(ended.stderr))


def test_a_path_that_is_not_there_ends_it(tmp_path: Path) -> None:
    ended = mayfly("dev", str(tmp_path / "nowhere"), "--port", "0")
    assert ended.returncode == 1
    assert sentences(ended.stderr) == [
        f"error: {tmp_path}/nowhere is not there: name a manifest or a folder of manifests."
    ]


def test_an_unreadable_directory_is_named(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o000)
    with pytest.raises(ProjectError, match=r"hidden cannot be read: Permission denied\.$"):
        as_nobody(hidden, tmp_path)


def as_nobody(path: Path, inside: Path) -> None:
    """Look for manifests without root's powers, which no permission stops."""
    user = os.geteuid()
    if user == 0:
        for folder in (inside, *inside.parents[:2]):
            folder.chmod(0o755)
        os.seteuid(65534)
    try:
        manifest_files([path])
    finally:
        if user == 0:
            os.seteuid(0)


def test_a_folder_without_functions_ends_it(tmp_path: Path) -> None:
    ended = mayfly("dev", str(tmp_path), "--port", "0")
    assert ended.returncode == 1
    assert "No function to serve" in ended.stderr


def test_invoke_without_a_gateway_says_where_it_looked() -> None:
    ended = mayfly("invoke", "hello", "--endpoint", "http://127.0.0.1:1")
    assert ended.returncode == 2
    assert "No gateway answers at http://127.0.0.1:1" in ended.stderr


def test_a_payload_that_is_no_json_is_explained() -> None:
    ended = mayfly("invoke", "hello", "-p", "{name: Ada}")
    assert ended.returncode == 2
    assert "The payload is not JSON" in ended.stderr


def test_the_bare_command_and_every_help_teach_by_example() -> None:
    assert "mayfly dev examples/" in mayfly().stdout
    for command in ("dev", "invoke", "logs"):
        assert f"mayfly {command} " in mayfly(command, "--help").stdout.partition("Examples")[2]
