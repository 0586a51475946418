"""A zip archive of code is unpacked as it was packed, or refused: nothing of it lands outside its folder."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mayfly_gateway.backends.local.code import snapshot
from mayfly_gateway.backends.local.errors import CodeError
from mayfly_model.function_code import Code
from mayfly_model.limits import UNPACKED_CODE_BYTES, ZIP_BYTES

LINK = stat.S_IFLNK | 0o777


def entry(name, mode=0o644, system=3):
    info = zipfile.ZipInfo(name)
    info.create_system = system
    info.external_attr = mode << 16
    return info


def archive(path, *entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for info, content in entries:
            packed.writestr(info, content)
    return path


def unpacked(path):
    return snapshot(Code(zip_file=path.name), path.parent, path.parent / "store").path


def test_files_folders_links_and_executable_bits_survive(tmp_path):
    path = archive(
        tmp_path / "code.zip",
        (entry("app.py"), "print()"),
        (entry("bin/tool", 0o755), "#!/bin/sh"),
        (entry("bin/"), ""),
        (entry("empty/"), ""),
        (entry("./dotted.py"), "dotted"),
        (entry("bin/alias", LINK), "tool"),
        (entry("up", LINK), "bin/../app.py"),
    )
    root = unpacked(path)
    assert (root / "app.py").read_text() == "print()"
    assert not os.access(root / "app.py", os.X_OK) or os.geteuid() == 0
    assert stat.S_IMODE((root / "app.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((root / "bin/tool").stat().st_mode) == 0o755
    assert (root / "empty").is_dir()
    assert (root / "dotted.py").read_text() == "dotted"
    assert (root / "bin/alias").readlink() == Path("tool")
    assert (root / "up").read_text() == "print()"


def test_an_archive_made_elsewhere_has_no_executable_files(tmp_path):
    path = archive(tmp_path / "code.zip", (entry("bootstrap", 0o755, system=0), "#!/bin/sh"))
    assert stat.S_IMODE((unpacked(path) / "bootstrap").stat().st_mode) == 0o644


def test_set_user_id_bits_are_dropped(tmp_path):
    path = archive(tmp_path / "code.zip", (entry("tool", 0o6755), ""))
    assert stat.S_IMODE((unpacked(path) / "tool").stat().st_mode) == 0o755


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "a//b", "a/./b", "C:\\evil", "a\\..\\b", ".."]
)
def test_a_name_that_is_no_plain_path_is_refused(tmp_path, name):
    path = archive(tmp_path / "code.zip", (entry(name), "x"))
    with pytest.raises(CodeError, match="not a plain path inside it"):
        unpacked(path)


@pytest.mark.parametrize(
    "entries",
    [
        [(entry("out", LINK), "../outside")],
        [(entry("out", LINK), "/etc/passwd")],
        # Each of the two seems harmless: together they lead out.
        [(entry("here", LINK), "."), (entry("out", LINK), "here/../outside")],
        [(entry("long", LINK), "x" * 5000)],
    ],
    ids=["parent", "absolute", "two links", "long"],
)
def test_a_link_that_leads_out_is_refused(tmp_path, entries):
    with pytest.raises(CodeError, match="leads out of it"):
        unpacked(archive(tmp_path / "code.zip", *entries))


def test_a_circle_of_links_is_unpacked_as_it_is(tmp_path):
    path = archive(tmp_path / "code.zip", (entry("a", LINK), "b"), (entry("b", LINK), "a"))
    assert (unpacked(path) / "a").readlink() == Path("b")


def test_nothing_is_written_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    path = archive(tmp_path / "code.zip", (entry("folder", LINK), str(outside)), (entry("folder/evil"), "x"))
    with pytest.raises(CodeError):
        unpacked(path)
    assert list(outside.iterdir()) == []


def test_a_file_is_no_folder(tmp_path):
    with pytest.raises(CodeError, match="not a folder"):
        unpacked(archive(tmp_path / "code.zip", (entry("a"), "x"), (entry("a/b"), "y")))


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_and_pipes_are_refused(tmp_path, kind):
    with pytest.raises(CodeError, match="neither a file, a folder nor a link"):
        unpacked(archive(tmp_path / "code.zip", (entry("dev", kind | 0o644), "")))


def test_of_one_name_the_last_counts(tmp_path):
    path = tmp_path / "code.zip"
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive(path, (entry("app.py"), "first"), (entry("app.py"), "last"))
    assert (unpacked(path) / "app.py").read_text() == "last"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.zip"
    block = b"\0" * (UNPACKED_CODE_BYTES // 4)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for number in range(5):
            packed.writestr(f"{number}", block)
    with pytest.raises(CodeError, match="larger than 250 MB unpacked"):
        unpacked(path)
    assert not (tmp_path / "store").exists() or list((tmp_path / "store").iterdir()) == []


def test_an_archive_over_the_limit_is_refused(tmp_path):
    path = tmp_path / "code.zip"
    with path.open("wb") as file:
        file.truncate(ZIP_BYTES + 1)
    with pytest.raises(CodeError, match="larger than 50 MB"):
        unpacked(path)


def test_what_is_no_archive_is_refused_by_name(tmp_path):
    path = tmp_path / "code.zip"
    path.write_text("not a zip")
    with pytest.raises(CodeError, match=r"code\.zip is not a zip archive that can be read"):
        unpacked(path)


def test_an_archive_that_is_missing_is_named(tmp_path):
    with pytest.raises(CodeError, match=r"gone\.zip is not there: correct code\.zipFile"):
        unpacked(tmp_path / "gone.zip")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_archive_is_unpacked_or_refused(tmp_path, damage):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(entry("app.py"), "def handler(event, context): return event\n" * 20)
        opened.writestr(entry("package/data", 0o755), bytes(range(256)))
        opened.writestr(entry("link", LINK), "app.py")
    content = bytearray(packed.getvalue())
    for place, value in damage:
        content[place % len(content)] = value
    path = tmp_path / "code.zip"
    path.write_bytes(content)
    before = {item for item in tmp_path.rglob("*") if "store" not in item.parts}
    try:
        root = unpacked(path)
    except CodeError:
        pass
    else:
        assert root.is_relative_to(tmp_path / "store")
        assert all(item.resolve().is_relative_to(root.resolve()) for item in root.rglob("*"))
    assert {item for item in tmp_path.rglob("*") if "store" not in item.parts} == before
    assert not list((tmp_path / "store").glob(".draft-*"))
