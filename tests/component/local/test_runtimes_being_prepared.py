"""What a runtime needs is installed once, with a word to the person who waits, or refused in one sentence."""

import shutil
from pathlib import Path

import pytest

from mayfly_gateway.backends.local.errors import InstallError, RuntimeUnavailableError
from mayfly_gateway.backends.local.interpreters import Interpreter, find_node, find_python
from mayfly_gateway.backends.local.node_client import node_client, own_client
from mayfly_gateway.backends.local.runtimes import prepare
from mayfly_model.runtimes import RUNTIMES

PYTHONS = [
    runtime for runtime in RUNTIMES.values() if runtime.family == "python" and find_python(runtime.version)
]
NODES = [
    runtime for runtime in RUNTIMES.values() if runtime.family == "nodejs" and find_node(runtime.version)
]


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MAYFLY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    """No package index answers, and pip's own cache does not count."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)


async def test_a_python_client_is_installed_once_and_said_to_be(empty_cache):
    runtime, said = PYTHONS[0], []
    first = await prepare(runtime.name, said.append)
    assert said == [f"installing awslambdaric for {runtime.name} (once)"]
    assert await prepare(runtime.name, said.append) == first
    assert len(said) == 1
    assert Path(first.program[0]).is_relative_to(empty_cache)
    packages = Path(first.directory)
    assert list((packages / "awslambdaric").glob("__pycache__/*.pyc"))


@pytest.mark.usefixtures("offline")
async def test_without_an_index_a_python_client_is_refused_in_a_sentence(empty_cache):
    name = PYTHONS[0].name
    with pytest.raises(
        InstallError,
        match=rf"^awslambdaric for {name} could not be installed, which needs a Python package index once: .+",
    ) as refused:
        await prepare(name)
    assert "\n" not in str(refused.value)
    assert not list((empty_cache / "runtimes").glob("python*"))


@pytest.mark.skipif(len(PYTHONS) == 4, reason="every Python that Lambda has is on this machine")
async def test_a_python_that_is_missing_names_those_that_are_here():
    present = {runtime.name for runtime in PYTHONS}
    missing = next(
        name for name, runtime in RUNTIMES.items() if runtime.family == "python" and name not in present
    )
    with pytest.raises(RuntimeUnavailableError, match=f"^{missing} is not on this machine; ") as refused:
        await prepare(missing)
    assert all(name in str(refused.value) for name in present)
    assert "install it or set spec.runtime to" in str(refused.value)


async def test_a_node_that_is_missing_names_what_is_here(monkeypatch, tmp_path):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nprintf '18.1.0\\n/x/node\\n'\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NVM_DIR", str(tmp_path))
    monkeypatch.setenv("FNM_DIR", str(tmp_path))
    with pytest.raises(RuntimeUnavailableError) as refused:
        await prepare("nodejs22.x")
    assert str(refused.value) == (
        "nodejs22.x (Node.js 22) is not on this machine; nodejs18.x (Node.js 18.1.0) is:"
        " install it or set spec.runtime to it"
    )
    node.unlink()
    with pytest.raises(
        RuntimeUnavailableError, match="not on this machine, and no other version is: install it"
    ):
        await prepare("nodejs22.x")


async def test_a_provided_runtime_needs_nothing():
    command = await prepare("provided.al2023")
    assert (command.program, command.version) == ((), "provided:al2023")


@pytest.fixture
def node_alone(tmp_path, monkeypatch):
    """A Node.js in a folder with nothing else on PATH."""
    if not NODES:
        pytest.skip("no Node.js of a version that Lambda has is on this machine")
    real = find_node(NODES[0].version)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "node").symlink_to(real.path)
    monkeypatch.setenv("PATH", str(tools))
    return Interpreter(path=tools / "node", version=real.version)


async def test_without_build_tools_node_functions_run_on_our_client_at_once(node_alone, empty_cache):
    said = []
    assert await node_client(node_alone, said.append) == own_client()
    assert said == []
    assert not (empty_cache / "runtimes").exists()


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
async def test_a_build_that_fails_is_tried_once_and_leaves_its_reason(node_alone, empty_cache, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("npm", "autoreconf", "libtoolize", "cmake", "make", "g++", "python3"):
        tool = node_alone.path.parent / name
        tool.write_text("#!/bin/sh\necho the compiler gave up\nexit 1\n")
        tool.chmod(0o755)
    said = []
    assert await node_client(node_alone, said.append) == own_client()
    building, reason = said
    assert building.startswith("building aws-lambda-ric for nodejs")
    assert reason.startswith("aws-lambda-ric does not build here; functions run on Mayfly's own client (")
    (note,) = empty_cache.glob("runtimes/nodejs*/why-there-is-none.txt")
    assert "the compiler gave up" in note.read_text()
    assert await node_client(node_alone, said.append) == own_client()
    assert len(said) == 2


async def test_our_client_can_be_chosen(node_alone, empty_cache, monkeypatch):
    monkeypatch.setenv("MAYFLY_NODE_CLIENT", "own")
    assert await node_client(node_alone, pytest.fail) == own_client()
