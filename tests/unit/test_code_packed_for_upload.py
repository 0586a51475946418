"""Equal code is packed into equal bytes, which hold what the local mode would run."""

import os
import py_compile
import shutil
import stat
import zipfile

import pytest

from mayfly_cli.packing import missing_dependencies, packed
from mayfly_gateway.backends.local.code import snapshot
from mayfly_gateway.backends.local.errors import CodeError
from mayfly_model.function_code import Code
from mayfly_model.limits import UNPACKED_CODE_BYTES, ZIP_BYTES


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "package").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "package/__init__.py").write_text("VALUE = 'grüezi'\n")
    (folder / "app.py").write_text("import package\n")
    (folder / "bootstrap").write_text("#!/bin/sh\n")
    (folder / "bootstrap").chmod(0o755)
    (folder / "alias").symlink_to("package/__init__.py")
    return folder


def archive(tmp_path, name="source", draft="draft.zip"):
    return packed(Code(directory=name), tmp_path, tmp_path / draft)


def test_equal_code_is_one_archive_wherever_and_whenever_it_is_packed(source, tmp_path):
    first = archive(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    for name in sorted((path.name for path in source.iterdir()), reverse=True):
        place = source / name
        if place.is_dir():
            shutil.copytree(place, elsewhere / name)
        else:
            elsewhere.mkdir(exist_ok=True)
            shutil.copy(place, elsewhere / name, follow_symlinks=False)
    os.utime(elsewhere / "app.py", (0, 0))
    (elsewhere / "app.py").chmod(0o600)
    py_compile.compile(str(elsewhere / "app.py"))
    (elsewhere / ".git").mkdir()
    second = archive(tmp_path, "elsewhere", "second.zip")
    assert second.sha256 == first.sha256
    assert second.path.read_bytes() == first.path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda source: (source / "app.py").write_text("import package \n"),
        lambda source: (source / "app.py").rename(source / "main.py"),
        lambda source: (source / "app.py").chmod(0o755),
        lambda source: (source / "alias").unlink(),
        lambda source: (source / "empty").rmdir(),
    ],
)
def test_whatever_changes_the_code_changes_the_archive(source, tmp_path, change):
    first = archive(tmp_path)
    change(source)
    assert archive(tmp_path).sha256 != first.sha256


def test_the_archive_holds_what_the_local_mode_runs(source, tmp_path):
    made = archive(tmp_path)
    from_folder = snapshot(Code(directory="source"), tmp_path, tmp_path / "one")
    from_archive = snapshot(Code(zip_file=made.path.name), tmp_path, tmp_path / "two")
    assert from_archive.digest == from_folder.digest
    assert stat.S_IMODE((from_archive.path / "bootstrap").stat().st_mode) == 0o755
    assert (from_archive.path / "alias").read_text() == "VALUE = 'grüezi'\n"


def test_an_archive_of_ones_own_is_taken_as_it_is(tmp_path):
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as own:
        own.writestr("app.py", "print()")
    made = packed(Code(zip_file="code.zip"), tmp_path, tmp_path / "draft.zip")
    assert made.path == tmp_path / "code.zip"
    assert made.size == made.path.stat().st_size
    assert not (tmp_path / "draft.zip").exists()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (Code(directory="nowhere"), "nowhere is not there"),
        (Code(zip_file="nowhere.zip"), "nowhere.zip is not there"),
        (Code(zip_file="text.zip"), "is not a zip archive"),
        (Code(directory="large"), f"larger than {UNPACKED_CODE_BYTES // 1_048_576} MB unpacked"),
        (Code(directory="dense"), f"larger than {ZIP_BYTES // 1_048_576} MB as a zip archive"),
    ],
)
def test_what_cannot_be_code_is_refused_before_anything_is_sent(tmp_path, code, sentence):
    (tmp_path / "text.zip").write_text("no archive")
    for name in ("large", "dense"):
        (tmp_path / name).mkdir()
    with (tmp_path / "large/zeros").open("wb") as file:
        file.truncate(UNPACKED_CODE_BYTES + 1)
    if code.directory == "dense":
        (tmp_path / "dense/noise").write_bytes(os.urandom(ZIP_BYTES))
    with pytest.raises(CodeError, match=sentence):
        packed(code, tmp_path, tmp_path / "draft.zip")


@pytest.mark.parametrize("code", [Code(inline={"app.py": ""}), Code(archive=f"sha256:{'0' * 64}")])
def test_code_that_a_cluster_finds_by_itself_is_not_packed(tmp_path, code):
    assert packed(code, tmp_path, tmp_path / "draft.zip") is None


def test_dependencies_that_are_named_and_not_there_are_told_of(source, tmp_path):
    code = Code(directory="source")
    assert missing_dependencies(code, tmp_path) is None
    (tmp_path / "requirements.txt").write_text("pillow\n")
    told = missing_dependencies(code, tmp_path)
    assert told is not None
    assert f"pip install --target {source} -r {tmp_path / 'requirements.txt'}" in told
    (source / "pillow-12.0.0.dist-info").mkdir()
    assert missing_dependencies(code, tmp_path) is None
    (source / "package.json").write_text("{}")
    assert "npm install" in (missing_dependencies(code, tmp_path) or "")
