"""The command line of a runtime, and what its code must hold."""

from pathlib import Path

import pytest

from mayfly_gateway.backends.local.errors import BootstrapError
from mayfly_gateway.backends.local.runtimes import RuntimeCommand

ROOT = Path("/instance/task")
PYTHON = RuntimeCommand(name="python3.13", version="python:3.13.0", program=("/bin/python3", "-m", "client"))
NODE = RuntimeCommand(
    name="nodejs20.x",
    version="nodejs:20.1.0",
    program=("/bin/node", "/client.mjs"),
    memory_options=(("--max-old-space-size", 0.9),),
)
PROVIDED = RuntimeCommand(name="provided.al2023", version="provided:al2023")


def test_the_handler_comes_last():
    assert PYTHON.argv(ROOT, "app.handler") == ("/bin/python3", "-m", "client", "app.handler")


def test_a_wrapper_comes_first_but_never_before_a_bootstrap():
    assert PYTHON.argv(ROOT, "app.handler", "/w/trace")[:2] == ("/w/trace", "/bin/python3")
    assert PROVIDED.argv(ROOT, "bootstrap", "/w/trace") == ("/instance/task/bootstrap",)


def test_nodes_heap_follows_the_functions_memory():
    assert NODE.argv(ROOT, "app.handler", None, 512) == (
        "/bin/node",
        "--max-old-space-size=460",
        "/client.mjs",
        "app.handler",
    )
    assert NODE.argv(ROOT, "app.handler") == ("/bin/node", "/client.mjs", "app.handler")


def test_a_bootstrap_must_be_there(tmp_path):
    with pytest.raises(
        BootstrapError, match="starts a file named bootstrap, and the code has none at its top"
    ):
        PROVIDED.check(tmp_path)


def test_a_bootstrap_must_be_executable(tmp_path):
    (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
    with pytest.raises(BootstrapError, match="chmod"):
        PROVIDED.check(tmp_path)
    (tmp_path / "bootstrap").chmod(0o755)
    PROVIDED.check(tmp_path)


def test_other_runtimes_need_no_bootstrap(tmp_path):
    PYTHON.check(tmp_path)
