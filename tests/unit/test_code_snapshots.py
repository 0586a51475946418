"""A snapshot of code is named by what counts of it, holds what is needed of it, and never changes."""

import os
import py_compile
import shutil
import stat
import threading
from pathlib import Path

import pytest

from mayfly_gateway.backends.local.code import CodeSnapshot, copy_for_instance, snapshot
from mayfly_gateway.backends.local.errors import CodeError
from mayfly_model.function_code import Code, ConfigMapReference


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "package").mkdir(parents=True)
    (folder / "app.py").write_text("import package\n")
    (folder / "package/__init__.py").write_text("")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    return folder


def taken(source, **fields):
    return snapshot(Code(directory=source.name, **fields), source.parent, source.parent / "store")


def listed(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_equal_code_has_one_digest_wherever_and_whenever_it_was_written(source, tmp_path):
    first = taken(source)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(source, elsewhere)
    os.utime(elsewhere / "app.py", (0, 0))
    (elsewhere / "app.py").chmod(0o600)
    assert taken(elsewhere) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda source: (source / "app.py").write_text("import package \n"),
        lambda source: (source / "app.py").rename(source / "main.py"),
        lambda source: (source / "app.py").chmod(0o755),
        lambda source: (source / "new.py").write_text(""),
        lambda source: (source / "empty").mkdir(),
        lambda source: (source / "link").symlink_to("app.py"),
        lambda source: (source / "node_modules").mkdir(),
    ],
    ids=["content", "name", "mode", "file", "folder", "link", "node_modules"],
)
def test_every_change_that_counts_changes_the_digest(source, change):
    before = taken(source)
    change(source)
    after = taken(source)
    assert after.digest != before.digest
    assert before.path.is_dir()


@pytest.mark.parametrize("name", [".git", ".venv", "__pycache__", ".mypy_cache"])
def test_what_tools_leave_there_does_not_count(source, name):
    before = taken(source)
    (source / name).mkdir()
    (source / name / "app.pyc").write_text("x")
    (source / "app.py~").write_text("x")
    (source / ".app.py.swp").write_text("x")
    (source / ".#app.py").symlink_to("user@host.1234:1")
    assert taken(source) == before
    assert listed(before.path) == ["app.py", "package", "package/__init__.py", "run"]


def test_bytecode_that_is_surely_the_sources_comes_along(source):
    os.utime(source / "app.py", (1_700_000_000, 1_700_000_000.5))
    compiled = Path(py_compile.compile(str(source / "app.py")))
    root = taken(source).path
    assert (root / compiled.relative_to(source)).read_bytes() == compiled.read_bytes()
    assert (root / "app.py").stat().st_mtime_ns == (source / "app.py").stat().st_mtime_ns


def test_bytecode_of_the_same_second_is_left_behind(source):
    compiled = Path(py_compile.compile(str(source / "app.py")))
    second = (source / "app.py").stat().st_mtime_ns // 10**9
    os.utime(compiled, ns=(0, second * 10**9 + 999_999_999))
    assert not (taken(source).path / "__pycache__").exists()


def test_a_link_inside_stays_and_one_that_leads_out_is_followed(source, tmp_path):
    (tmp_path / "common").mkdir()
    (tmp_path / "common/common.py").write_text("common")
    (source / "inside").symlink_to("app.py")
    (source / "common").symlink_to("../common")
    (source / "common.py").symlink_to(tmp_path / "common/common.py")
    (source / "dangling").symlink_to("nowhere")
    root = taken(source).path
    assert (root / "inside").readlink() == Path("app.py")
    assert not (root / "common").is_symlink()
    assert (root / "common/common.py").read_text() == "common"
    assert (root / "common.py").read_text() == "common"
    assert not (root / "dangling").exists()


def test_a_link_to_a_folder_around_it_is_refused(source, tmp_path):
    (source / "package/all").symlink_to(tmp_path)
    with pytest.raises(CodeError, match="link to a folder that it is in"):
        taken(source)


def test_sockets_and_pipes_are_passed_over(source):
    os.mkfifo(source / "pipe")
    assert "pipe" not in listed(taken(source).path)


@pytest.mark.parametrize(
    ("name", "said"), [("gone", "is not there: correct code.directory"), ("source/app.py", "is not a folder")]
)
def test_a_folder_that_is_none_is_named(source, name, said):
    with pytest.raises(CodeError, match=said):
        snapshot(Code(directory=name), source.parent, source.parent / "store")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["package", "app.py"])
def test_what_cannot_be_read_is_named(source, name):
    (source / name).chmod(0)
    with pytest.raises(CodeError, match=f"{name} cannot be read: Permission denied"):
        taken(source)
    (source / name).chmod(0o755)


def test_code_over_lambdas_limit_is_refused(source):
    with (source / "large").open("wb") as file:
        file.truncate(262_144_001)
    with pytest.raises(CodeError, match="larger than 250 MB unpacked"):
        taken(source)
    assert list((source.parent / "store").iterdir()) == []


def test_inline_files_that_name_an_interpreter_are_executable(tmp_path):
    code = Code(inline={"bootstrap": "#!/bin/sh\n", "lib/app.py": "x = 'grüezi'\n"})
    root = snapshot(code, tmp_path, tmp_path / "store").path
    assert stat.S_IMODE((root / "bootstrap").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "lib/app.py").stat().st_mode) == 0o644
    assert (root / "lib/app.py").read_text(encoding="utf-8") == "x = 'grüezi'\n"


def test_a_config_map_is_files(tmp_path):
    code = Code(config_map=ConfigMapReference(name="code"))
    taken = snapshot(code, tmp_path, tmp_path / "store", {"code": {"app.py": "x = 1\n"}})
    assert (taken.path / "app.py").read_text() == "x = 1\n"
    with pytest.raises(CodeError, match="ConfigMap code is in none of the manifests"):
        snapshot(code, tmp_path, tmp_path / "store")


@pytest.mark.parametrize("field", [{"archive": f"sha256:{'0' * 64}"}, {"image": "registry/image"}])
def test_code_that_needs_a_cluster_is_refused(tmp_path, field):
    with pytest.raises(CodeError, match="needs a cluster"):
        snapshot(Code.model_validate(field), tmp_path, tmp_path / "store")


def test_snapshots_taken_at_once_agree(source):
    found: list[CodeSnapshot] = []
    threads = [threading.Thread(target=lambda: found.append(taken(source))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_an_instance_has_its_own_copy(source, tmp_path):
    (source / "link").symlink_to("app.py")
    (source / "empty").write_bytes(b"")
    (source / "large").write_bytes(os.urandom(3_000_000))
    taken_code = taken(source)
    for name in ("first", "second"):
        copy_for_instance(taken_code, tmp_path / name)
    first, second = tmp_path / "first", tmp_path / "second"
    assert listed(first) == listed(second) == listed(taken_code.path)
    assert (first / "large").read_bytes() == (source / "large").read_bytes()
    assert stat.S_IMODE((first / "run").stat().st_mode) == 0o755
    assert (first / "app.py").stat().st_mtime_ns == (source / "app.py").stat().st_mtime_ns
    (first / "app.py").write_text("changed")
    shutil.rmtree(first / "package")
    assert (second / "app.py").read_text() == (taken_code.path / "app.py").read_text() == "import package\n"
    assert (second / "package/__init__.py").exists()
