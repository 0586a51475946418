"""The agent that waits for its function: none is left over, none is given out dead, none leaves files behind."""

import asyncio
import os
import signal
import stat
import tempfile
from pathlib import Path

import pytest
from tests.component.local.children import count_from_here, started

from mayfly_gateway.backends.local.agents import remove
from mayfly_gateway.backends.local.instances import Deployment, LocalBackend
from mayfly_gateway.backends.local.runtimes import RuntimeCommand
from mayfly_gateway.backends.local.trees import Entry, write_tree
from mayfly_gateway.catalogue import target_of
from mayfly_gateway.logs import Logs
from mayfly_model.function import FunctionSpec

NOBODY = 65534
TARGET = target_of(
    FunctionSpec.model_validate(
        {"runtime": "provided.al2023", "code": {"inline": {"bootstrap": "#!/bin/sh"}}}
    ),
    cluster="local",
    namespace="default",
    name="hello",
    digest="1",
)


@pytest.fixture
async def backend(tmp_path):
    count_from_here()
    backend = LocalBackend(tmp_path / "i", logs=Logs())
    snapshot = write_tree([Entry(path="empty")], tmp_path / "code")
    runtime = RuntimeCommand(name="provided.al2023", version="provided:al2023")
    backend.provide("1", Deployment(snapshot=snapshot, runtime=runtime, variables={"PASSWORD": "s3cret"}))
    yield backend
    await backend.close()
    assert started() == []
    assert not (tmp_path / "i").exists()


async def test_launches_that_are_given_up_leave_their_agents_to_the_next_ones(backend):
    launches = [asyncio.create_task(backend.launch(TARGET)) for _ in range(3)]
    await asyncio.sleep(0)
    for launch in launches:
        launch.cancel()
    await asyncio.gather(*launches, return_exceptions=True)
    for _ in range(3):
        await backend.launch(TARGET)
    assert len(started()) == 3


async def test_the_trouble_of_a_spare_is_not_the_next_launchs(backend, tmp_path):
    # Where the agents' directories belong there is a file.
    (tmp_path / "i").write_text("")
    backend.start()
    await asyncio.sleep(0.05)
    (tmp_path / "i").unlink()
    await backend.launch(TARGET)


async def test_a_deployment_does_not_show_the_functions_variables(backend):
    assert "s3cret" not in repr(backend._deployments)


async def test_the_agent_knows_where_the_gateway_is_and_how_much_memory_there_is(backend):
    backend.start(endpoint="http://127.0.0.1:9")
    words = (await backend.launch(TARGET)).specialise
    assert b'"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"' in words


@pytest.fixture
def place():
    """A directory of a user whom permissions stop: root, whom none does, becomes nobody for the while."""
    with tempfile.TemporaryDirectory(prefix="mayfly-") as name:
        root = os.geteuid() == 0
        if root:
            os.chown(name, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


def test_a_directory_that_a_function_closed_is_removed_and_what_its_links_lead_to_is_not(place):
    tree, outside = place / "home", place / "outside"
    outside.mkdir(mode=0o500)
    (tree / "tmp/closed/below").mkdir(parents=True)
    (tree / "tmp/closed/file").write_text("")
    (tree / "tmp/link").symlink_to(outside)
    (tree / "tmp/closed/below").chmod(0)
    (tree / "tmp/closed").chmod(0o500)
    tree.chmod(0)
    remove(tree)
    assert not tree.exists()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500


async def test_what_this_process_had_started_before_is_no_stray(tmp_path):
    before = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        backend = LocalBackend(tmp_path / "i", logs=Logs())
        after = await asyncio.create_subprocess_exec("sleep", "600")
        await backend.close()
        assert before.returncode is None
    finally:
        before.kill()
    assert await before.wait() == -signal.SIGKILL
    assert await after.wait() != 0
