"""Interpreters are found where people have them, and only what really answers is taken."""

import sys

import pytest

from mayfly_gateway.backends.local import interpreters

OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Of no real machine, so that what is found is what a test put there.
ABSENT = "3.99"


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """A home and a PATH with nothing in them."""
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("PYENV_ROOT", "XDG_DATA_HOME", "UV_PYTHON_INSTALL_DIR", "NVM_DIR", "FNM_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def put(place, version, *, path=None):
    """A program that answers as an interpreter of this version does."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\nprintf '%s\\n%s\\n' {version} '{path or place}'\n")
    place.chmod(0o755)
    return place


def test_our_own_interpreter_is_found_without_the_virtual_environment_around_it(bare_machine):
    found = interpreters.find_python(OWN)
    assert found is not None
    assert found.version.startswith(f"{OWN}.")
    assert found.path.is_file()
    assert str(found.path).startswith(sys.base_prefix)


def test_one_that_is_nowhere_is_not_found(bare_machine):
    assert interpreters.find_python(ABSENT) is None
    assert interpreters.find_node("20") is None
    assert interpreters.node_versions() == []


def test_one_on_the_path_is_found_under_its_real_name(bare_machine):
    put(bare_machine / "bin/python3.99", "3.99.2", path="/real/python3.99")
    found = interpreters.find_python(ABSENT)
    assert found is not None
    assert (str(found.path), found.version) == ("/real/python3.99", "3.99.2")


@pytest.mark.parametrize(
    "script", ["exit 1", "echo", "echo 3.99.1", "exec sleep 0; echo 3.9.1; echo /x"], ids=range(4)
)
def test_one_that_does_not_answer_is_passed_over(bare_machine, script):
    broken = bare_machine / "bin/python3.99"
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o755)
    assert interpreters.find_python(ABSENT) is None


def test_one_that_is_another_version_than_its_name_says_is_passed_over(bare_machine):
    put(bare_machine / "bin/python3.99", "3.9.9")
    assert interpreters.find_python(ABSENT) is None


def test_a_file_that_is_not_executable_is_passed_over(bare_machine):
    put(bare_machine / "bin/python3.99", "3.99.2").chmod(0o644)
    assert interpreters.find_python(ABSENT) is None


def test_pyenvs_newest_is_taken_and_its_shim_never_run(bare_machine, monkeypatch):
    root = bare_machine / "home/.pyenv"
    shim = root / "shims/python3.99"
    shim.parent.mkdir(parents=True)
    shim.write_text(f"#!/bin/sh\ntouch {bare_machine}/shim-was-run\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent))
    for patch in ("9", "10", "2"):
        put(root / f"versions/3.99.{patch}/bin/python3.99", f"3.99.{patch}")
    found = interpreters.find_python(ABSENT)
    assert found is not None
    assert found.version == "3.99.10"
    assert not (bare_machine / "shim-was-run").exists()


def test_uvs_interpreters_are_found_but_not_the_free_threaded(bare_machine):
    uv = bare_machine / "home/.local/share/uv/python"
    put(uv / "cpython-3.99.4+freethreaded-linux-x86_64-gnu/bin/python3.99", "3.98.4")
    put(uv / "cpython-3.99.1-linux-x86_64-gnu/bin/python3.99", "3.99.1")
    found = interpreters.find_python(ABSENT)
    assert found is not None
    assert found.version == "3.99.1"


def test_one_that_is_installed_later_is_found_then(bare_machine):
    assert interpreters.find_python(ABSENT) is None
    put(bare_machine / "bin/python3.99", "3.99.0")
    assert interpreters.find_python(ABSENT) is not None


def test_node_is_found_on_the_path_or_with_nvm(bare_machine):
    put(bare_machine / "bin/node", "22.4.0")
    put(bare_machine / "home/.nvm/versions/node/v20.9.0/bin/node", "20.9.0")
    put(bare_machine / "home/.nvm/versions/node/v20.11.1/bin/node", "20.11.1")
    versions = {major: interpreters.find_node(major) for major in ("20", "22", "24")}
    assert {major: found and found.version for major, found in versions.items()} == {
        "20": "20.11.1",
        "22": "22.4.0",
        "24": None,
    }
    assert interpreters.node_versions() == ["22.4.0"]
