"""Code archives go when nobody refers to them any more, and never before: with a real NATS, and a clock of our own."""

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import nats as client
import pytest
from tests.component.kubernetes.api_server import VERSIONS, api_server
from tests.component.nats_server import NatsServer

from mayfly_gateway.archives import StoreUnavailableError
from mayfly_gateway.backends.kubernetes.api import Api
from mayfly_gateway.backends.kubernetes.archives import TOUCHED_FOR, ArchiveStore, object_name
from mayfly_gateway.backends.kubernetes.collecting import UNNAMED_FOR, Collector, named_by
from mayfly_gateway.backends.kubernetes.objects import VersionObject
from mayfly_gateway.nats_connection import NatsConnection

SERVER = Path(sys.executable).with_name("nats-server")
SHOP = "/apis/mayfly.dev/v1beta1/namespaces/shop"
FUNCTIONS_OF_SHOP, VERSIONS_OF_SHOP = f"{SHOP}/functions", f"{SHOP}/versions"
CONTENT = b"an archive of code" * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = object_name("shop", DIGEST)


@pytest.fixture(scope="module")
def nats(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nats")
    command = [SERVER, "-js", "-a", "127.0.0.1", "-p", "-1", "-sd", folder, "--ports_file_dir", folder]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "Listening for client connections on" in line:
            address = line.split()[-1]
        if "Server is ready" in line:
            break
    yield f"nats://{address}"
    process.kill()
    process.communicate()


class Clock:
    """Seconds since the start of the test. `written`: when the server wrote, whose clock is the real one."""

    def __init__(self):
        self.passed = 0.0
        self.written = 0.0

    def monotonic(self):
        return self.passed

    def time(self):
        return time.time() + self.passed - self.written


@pytest.fixture
def clock():
    return Clock()


async def connected(store):
    while True:
        try:
            return await store.kept()
        except StoreUnavailableError:
            await asyncio.sleep(0.01)


@pytest.fixture
async def store(nats, clock):
    connection = NatsConnection(nats)
    connection.start()
    made = ArchiveStore(connection, clock=clock.time)
    for name in (await connected(made)).names:
        await made.remove(name, untouched_for=-1)
    yield made
    await connection.close()


@pytest.fixture
async def server():
    async with api_server() as made:
        for path in (FUNCTIONS_OF_SHOP, VERSIONS_OF_SHOP):
            made.objects[path], made.events[path] = {}, []
        yield made


@pytest.fixture
async def stream(nats, store):
    """What the store is made of."""
    raw = await client.connect(nats)
    yield raw.jetstream()
    await raw.close()


class Look:
    """A gateway that looks. `versions` are those that its watch has told it of."""

    def __init__(self, api, store, clock):
        self.api, self.clock = api, clock
        self.versions = []
        self.is_mine = True
        self.collector = Collector(
            api=api,
            store=store,
            versions=lambda: self.versions,
            mine=lambda: self.is_mine,
            clock=clock.monotonic,
        )

    async def after(self, seconds):
        self.clock.passed += seconds
        return await self.collector.look()


@pytest.fixture
async def look(server, store, clock, tmp_path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],"
        f" users: [{{name: a, user: {{}}}}], clusters: [{{name: a, cluster: {{server: '{server.url}'}}}}]}}"
    )
    api = await Api.connect(str(kubeconfig))
    yield Look(api, store, clock)
    await api.close()


def function(name="hello", **code):
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {"code": code}}


def version(name="hello.1", **code):
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {"configuration": {"code": code}}}


async def put(store, content=CONTENT):
    return await store.put("shop", hashlib.sha256(content).hexdigest(), io.BytesIO(content))


async def is_there(store):
    return await store.get("shop", DIGEST) == CONTENT


async def test_what_nobody_has_named_for_an_hour_is_removed_to_the_last_byte(look, store):
    await put(store)
    assert await look.after(0) == 0
    assert await look.after(UNNAMED_FOR - 1) == 0
    assert await is_there(store)
    assert await look.after(2) == 1
    assert await store.get("shop", DIGEST) is None
    kept = await store.kept()
    assert (kept.names, kept.strays) == (frozenset(), frozenset())
    assert await put(store)
    assert await is_there(store)


@pytest.mark.parametrize(
    ("path", "item"),
    [
        (FUNCTIONS_OF_SHOP, function(archive=f"sha256:{DIGEST}")),
        (FUNCTIONS_OF_SHOP, function(url="https://x/fn.zip", sha256=DIGEST)),
        (VERSIONS_OF_SHOP, version(archive=f"sha256:{DIGEST}")),
    ],
)
async def test_what_a_function_or_a_version_names_stays(look, store, server, path, item):
    await put(store)
    server.put(path, item)
    for _ in range(5):
        assert await look.after(UNNAMED_FOR) == 0
    assert await is_there(store)
    server.delete(path, ("shop", item["metadata"]["name"]))
    assert await look.after(300) == 0
    assert await look.after(UNNAMED_FOR) == 1


async def test_another_namespaces_function_names_an_archive_of_its_own(look, store, server):
    await put(store)
    elsewhere = version(archive=f"sha256:{DIGEST}")
    elsewhere["metadata"]["namespace"] = "bank"
    server.put(VERSIONS, elsewhere)
    await look.after(0)
    assert await look.after(UNNAMED_FOR) == 1


async def test_what_is_known_from_the_watch_is_not_asked_for(look, store, server):
    await put(store)
    known = version(archive=f"sha256:{DIGEST}")
    known["metadata"]["uid"] = "a"
    look.versions = [_object(known)]
    await look.after(0)
    assert await look.after(UNNAMED_FOR) == 0
    assert [path for _, path in server.requests] == []


def _object(item):
    return msgspec.convert(item, VersionObject)


async def test_the_hour_starts_anew_when_somebody_asks_for_it(look, store, clock):
    await put(store)
    await look.after(0)
    clock.passed += UNNAMED_FOR - 60
    assert await store.has("shop", DIGEST)
    clock.written = clock.passed
    assert await look.after(60) == 0
    assert await look.after(UNNAMED_FOR) == 1


async def test_being_asked_again_and_again_is_one_write(store, stream, clock):
    async def writes():
        return (await stream.stream_info("OBJ_mayfly-code")).state.last_seq

    await put(store)
    before = await writes()
    for _ in range(5):
        assert await store.has("shop", DIGEST)
    assert await writes() == before
    clock.passed += TOUCHED_FOR
    assert await store.has("shop", DIGEST)
    assert await writes() == before + 1


async def test_of_a_removal_and_a_touch_at_once_only_one_happens(store, clock):
    for _ in range(50):
        await put(store)
        clock.passed += TOUCHED_FOR + 1
        removed, there = await asyncio.gather(
            store.remove(NAME, untouched_for=TOUCHED_FOR), store.has("shop", DIGEST)
        )
        assert removed != there
        assert (await store.get("shop", DIGEST) is not None) == there


async def test_a_removal_that_was_cut_short_is_finished(look, store, stream):
    await put(store)
    subject = f"$O.mayfly-code.M.{base64.urlsafe_b64encode(NAME.encode()).decode()}"
    meta = json.loads((await stream.get_last_msg("OBJ_mayfly-code", subject)).data)
    await stream.publish(
        subject, json.dumps(meta | {"deleted": True}).encode(), headers={"Nats-Rollup": "sub"}
    )
    assert await store.get("shop", DIGEST) is None
    await look.after(0)
    await look.after(UNNAMED_FOR)
    kept = await store.kept()
    assert (kept.names, kept.strays) == (frozenset(), frozenset())


async def test_an_upload_that_was_cut_short_is_removed_after_an_hour(look, store, stream):
    await stream.publish("$O.mayfly-code.C.half", b"part")
    assert (await store.kept()).strays == {"half"}
    await look.after(0)
    await look.after(UNNAMED_FOR - 1)
    assert (await store.kept()).strays == {"half"}
    await look.after(1)
    assert (await store.kept()).strays == frozenset()


async def test_a_look_that_fails_or_is_anothers_starts_the_hour_anew(look, store, server):
    await put(store)
    await look.after(0)
    server.refusing = 403, "forbidden"
    assert await look.after(UNNAMED_FOR) == 0
    server.refusing = None
    assert await look.after(1) == 0
    look.is_mine = False
    assert await look.after(UNNAMED_FOR) == 0
    look.is_mine = True
    assert await look.after(1) == 0
    assert await is_there(store)
    assert await look.after(UNNAMED_FOR) == 1


async def test_a_store_that_is_away_ends_nothing(server, look, clock):
    away = ArchiveStore(NatsConnection("nats://127.0.0.1:9"), clock=clock.time)
    look.collector = Collector(
        api=look.api, store=away, versions=list, mine=lambda: True, clock=clock.monotonic
    )
    assert await look.after(0) == 0


def test_versions_name_archives_by_namespace_and_digest():
    item = version(archive=f"sha256:{DIGEST}")
    item["metadata"]["uid"] = "a"
    bare = {**item, "spec": {"functionName": "hello"}}
    assert named_by([_object(item), _object(bare)]) == {NAME}


async def test_a_store_that_has_lost_everything_takes_archives_in_again(tmp_path):
    server = NatsServer(tmp_path)
    await server.start()
    connection = NatsConnection(server.url)
    try:
        connection.start()
        store = ArchiveStore(connection)
        await connected(store)
        assert await store.put("shop", DIGEST, io.BytesIO(CONTENT))
        await server.kill()
        server.forget()
        await server.start()
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(StoreUnavailableError):
                    assert await store.put("shop", DIGEST, io.BytesIO(CONTENT))
                    break
                await asyncio.sleep(0.05)
        assert await store.get("shop", DIGEST) == CONTENT
    finally:
        await connection.close()
        await server.kill()
