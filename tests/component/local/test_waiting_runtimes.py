"""The runtime that waits in a spare agent: one for each runtime that functions have, and it becomes the function."""

import asyncio
import contextlib
import io
import json
import sys

import psutil
import pytest
from tests.component.local.children import count_from_here, started

from mayfly_gateway.backends.local.instances import Deployment, LocalBackend
from mayfly_gateway.backends.local.runtimes import RuntimeCommand, prepare
from mayfly_gateway.backends.local.trees import Entry, write_tree
from mayfly_gateway.catalogue import Target, target_of
from mayfly_gateway.logs import Logs
from mayfly_model.function import FunctionSpec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere none waits")

PYTHON = f"python3.{sys.version_info[1]}"
CODE = "import os\ndef handler(event, context):\n    return [os.getpid(), os.getcwd(), os.environ['HOME']]\n"
PROVIDED = RuntimeCommand(name="provided.al2023", version="provided:al2023")


def target(runtime: str) -> Target:
    spec = {"runtime": runtime, "handler": "app.handler", "code": {"inline": {"app.py": CODE}}}
    return target_of(
        FunctionSpec.model_validate(spec), cluster="local", namespace="default", name="hello", digest=runtime
    )


@pytest.fixture
async def backend(tmp_path):
    count_from_here()
    backend = LocalBackend(tmp_path / "i", logs=Logs())
    backend.start()
    yield backend
    await backend.close()


@pytest.fixture
async def deployment(tmp_path):
    snapshot = write_tree(
        [Entry(path="app.py", content=lambda: io.BytesIO(CODE.encode()))], tmp_path / "code"
    )
    return Deployment(snapshot=snapshot, runtime=await prepare(PYTHON), variables={})


def waiting() -> list[int]:
    """The pids of runtimes below agents, and of agents that have none as 0."""
    found = []
    for agent in started():
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(next((child.pid for child in agent.children()), 0))
    return found


async def until(condition):
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(waiting())


async def ask(instance) -> tuple[dict, list]:
    reader, writer = await asyncio.open_unix_connection(instance.address)
    writer.write(instance.specialise)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
    writer.write(
        b"POST /invoke HTTP/1.1\r\nAuthorization: Bearer %b\r\nLambda-Runtime-Aws-Request-Id: 1\r\n"
        b"Lambda-Runtime-Invoked-Function-Arn: arn\r\nContent-Length: 2\r\n\r\n{}" % instance.token.encode()
    )
    answer = await reader.readuntil(b"Mayfly-Report: ")
    report = json.loads(await reader.readline())
    writer.close()
    payload = answer.split(b"\r\n\r\n", 1)[1].split(b"\r\n")[1]
    return report, json.loads(payload)


async def test_a_spare_agent_has_the_runtime_of_the_functions_waiting(backend, deployment):
    backend.provide(PYTHON, deployment)
    await until(lambda: len(waiting()) == 1 and all(waiting()))
    (pid,) = waiting()
    instance = await backend.launch(target(PYTHON))
    report, (found, here, home) = await ask(instance)
    assert found == pid
    assert here.endswith("/task") and home.endswith("/tmp")
    assert report["status"] == "success"


async def test_there_is_one_for_each_runtime_and_none_for_those_that_are_gone(backend, deployment, tmp_path):
    await until(lambda: waiting() == [0])
    backend.provide(PYTHON, deployment)
    backend.provide("again", deployment)
    await until(lambda: len(waiting()) == 1 and all(waiting()))
    bootstrap = write_tree(
        [Entry(path="bootstrap", content=lambda: io.BytesIO(b"#!/bin/sh"))], tmp_path / "other"
    )
    backend.provide("provided.al2023", Deployment(snapshot=bootstrap, runtime=PROVIDED, variables={}))
    await until(lambda: len(waiting()) == 2)
    backend.withdraw("again")
    backend.withdraw(PYTHON)
    await until(lambda: waiting() == [0])


async def test_one_that_has_ended_takes_no_call_with_it(backend, deployment):
    backend.provide(PYTHON, deployment)
    await until(lambda: len(waiting()) == 1 and all(waiting()))
    (pid,) = waiting()
    psutil.Process(pid).kill()
    _, (found, *_) = await ask(await backend.launch(target(PYTHON)))
    assert found != pid
