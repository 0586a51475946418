"""What `mayfly deploy` does with what kubectl answers, told by a stand-in that answers what a cluster seldom does."""

import os
import threading

import pytest
from tests.component.agent_process import eventually

from mayfly_cli.kubectl import Kubectl


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """Put a program of these lines of shell in kubectl's place."""

    def stand_in(lines):
        program = tmp_path / "bin/kubectl"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return Kubectl()

    return stand_in


def watchdogs():
    return [each for each in threading.enumerate() if isinstance(each, threading.Timer)]


def test_a_way_that_stands_may_be_used_for_as_long_as_it_takes(kubectl):
    before = watchdogs()
    program = kubectl("echo 'Forwarding from 127.0.0.1:4711 -> 8080'; exec sleep 600")
    with program.forwarded("mayfly-system", "mayfly-gateway", "http") as url:
        assert url == "http://127.0.0.1:4711"
        eventually(lambda: watchdogs() == before)
