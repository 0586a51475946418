"""What stands in the cache is whole, and built by one at a time."""

import asyncio

import psutil
import pytest

from mayfly_gateway.backends.local.errors import InstallError
from mayfly_gateway.backends.local.installs import cache_directory, installed, run


async def test_it_is_built_once_whoever_waits_for_it(tmp_path):
    builds = []

    async def build(draft):
        builds.append(draft)
        (draft / "half").touch()
        assert not place.exists()
        await asyncio.sleep(0)
        (draft / "half").rename(draft / "whole")

    place = tmp_path / "deep/thing"
    places = await asyncio.gather(*(installed(place, build) for _ in range(5)))
    assert set(places) == {place}
    assert len(builds) == 1
    assert [path.name for path in place.iterdir()] == ["whole"]


async def test_what_failed_leaves_nothing_and_is_tried_again(tmp_path):
    async def fail(draft):
        (draft / "half").touch()
        raise InstallError("no network")

    async def build(draft):
        assert list(draft.iterdir()) == []

    place = tmp_path / "thing"
    with pytest.raises(InstallError, match="no network"):
        await installed(place, fail)
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]
    assert await installed(place, build) == place


async def test_what_an_earlier_process_left_half_done_is_swept_away(tmp_path):
    (tmp_path / ".thing.partial").mkdir()
    (tmp_path / ".thing.partial/rest").touch()

    async def build(draft):
        (draft / "new").touch()

    place = await installed(tmp_path / "thing", build)
    assert [path.name for path in place.iterdir()] == ["new"]


async def test_a_cancelled_build_ends_with_its_processes(tmp_path):
    note = tmp_path / "pid"

    async def build(draft):
        await run(["sh", "-c", f"sleep 600 & echo $! > {note}.new; mv {note}.new {note}; wait"])

    building = asyncio.create_task(installed(tmp_path / "thing", build))
    await until(note.exists)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    await until(lambda: ended(int(note.read_text())))
    assert not (tmp_path / "thing").exists()
    assert not (tmp_path / ".thing.partial").exists()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def ended(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_cache_that_cannot_be_written_is_said_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()

    async def build(draft):
        raise AssertionError("nothing to build in")

    with pytest.raises(InstallError, match=r"cannot be written \(.+\): make room there or set MAYFLY_CACHE"):
        await installed(tmp_path / "file/thing", build)


async def test_a_programs_output_and_status_are_told():
    status, output = await run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (status, sorted(output.split())) == (3, ["err", "out"])


def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("MAYFLY_CACHE", raising=False)
    assert cache_directory() == tmp_path / "xdg/mayfly"
    monkeypatch.setenv("MAYFLY_CACHE", str(tmp_path / "own"))
    assert cache_directory() == tmp_path / "own"
