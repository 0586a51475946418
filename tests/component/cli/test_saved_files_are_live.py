"""What is saved is what the next call runs; what broke keeps the last good one; Ctrl-C ends every process."""

import os
import urllib.request
from pathlib import Path

import psutil

from .local_mode import LocalMode, function, mayfly


def answer(local: LocalMode, name: str) -> str:
    """What the function returns now."""
    return mayfly("invoke", name, "--endpoint", local.endpoint).stdout


def returning(word: str) -> str:
    """A manifest whose function returns the word."""
    return function("f", f"def handler(event, context):\n    return {word!r}")


def test_a_changed_manifest_and_a_changed_file_are_live_at_the_next_call(tmp_path: Path) -> None:
    manifest, source = tmp_path / "f.yaml", tmp_path / "src/app.py"
    source.parent.mkdir()
    source.write_text("def handler(event, context):\n    return 1\n")
    directory = function("d", "").partition("    inline")[0] + "    directory: ./src\n"
    manifest.write_text(returning("one") + "---\n" + directory)
    with LocalMode(manifest) as local:
        assert (answer(local, "f"), answer(local, "d")) == ('"one"', "1")
        manifest.write_text(returning("two") + "---\n" + directory)
        local.wait_for(r"f +changed")
        assert (answer(local, "f"), answer(local, "d")) == ('"two"', "1")
        source.write_text("def handler(event, context):\n    return 2\n")
        local.wait_for(r"d +changed")
        assert (answer(local, "f"), answer(local, "d")) == ('"two"', "2")


def test_the_call_right_after_a_save_runs_what_was_saved(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(returning("0"))
    with LocalMode(tmp_path) as local:
        url = f"{local.endpoint}/2015-03-31/functions/f/invocations"
        for word in "12345":
            (tmp_path / "f.yaml").write_text(returning(word))
            assert called(url) == f'"{word}"'


def test_a_publication_is_told_and_can_be_called_by_its_number(tmp_path: Path) -> None:
    manifest = tmp_path / "f.yaml"
    manifest.write_text(returning("one").replace("spec:\n", "spec:\n  publish: OnChange\n"))
    with LocalMode(manifest) as local:
        local.wait_for(r"f +published as version 1\n")
        manifest.write_text(manifest.read_text().replace("one", "two"))
        local.wait_for(r"f +published as version 2\n")
        assert (answer(local, "f"), answer(local, "f:1")) == ('"two"', '"one"')
        local.wait_for(r"f .* MB  version 1\n")


def test_an_editor_that_truncates_first_removes_nothing(tmp_path: Path) -> None:
    manifest = tmp_path / "f.yaml"
    manifest.write_text(returning("one"))
    with LocalMode(tmp_path) as local:
        assert answer(local, "f") == '"one"'
        manifest.write_text("")
        assert answer(local, "f") == '"one"'
        manifest.write_text(returning("two"))
        assert answer(local, "f") == '"two"'
        assert "removed" not in local.output


def called(url: str) -> str:
    """What a call gives, without the time that a command takes to start."""
    with urllib.request.urlopen(url, data=b"{}") as reply:
        return str(reply.read().decode())


def test_a_manifest_that_broke_keeps_the_last_good_function(tmp_path: Path) -> None:
    manifest = tmp_path / "f.yaml"
    manifest.write_text(returning("one"))
    with LocalMode(manifest) as local:
        assert answer(local, "f") == '"one"'
        manifest.write_text(returning("two").replace("handler:", "handle:"))
        local.wait_for(r"error: .*f\.yaml:6: spec\.handle: ")
        assert answer(local, "f") == '"one"'


def test_a_new_function_is_served_and_a_removed_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(returning("one"))
    with LocalMode(tmp_path) as local:
        assert answer(local, "f") == '"one"'
        (tmp_path / "g.yaml").write_text(returning("new").replace("name: f", "name: g"))
        local.wait_for(r"g +changed")
        assert answer(local, "g") == '"new"'
        (tmp_path / "f.yaml").unlink()
        local.wait_for(r"f +removed")
        assert "ResourceNotFoundException" in mayfly("invoke", "f", "--endpoint", local.endpoint).stderr


def test_ctrl_c_ends_every_process_within_seconds(tmp_path: Path) -> None:
    code = """
import os, subprocess, time
def handler(event, context):
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    time.sleep(event.get("sleep", 0))
"""
    (tmp_path / "f.yaml").write_text(function("f", code, timeout=60))
    local = LocalMode(tmp_path)
    with local:
        answer(local, "f")
        children = psutil.Process(local.process.pid).children(recursive=True)
        assert any(child.name() == "sleep" for child in children)
        assert local.interrupt() < 10
    assert local.process.returncode == 0
    assert psutil.wait_procs(children, timeout=0)[1] == []


def test_a_killed_local_mode_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(returning("one"))
    local = LocalMode(tmp_path)
    answer(local, "f")
    children = psutil.Process(local.process.pid).children(recursive=True)
    local.kill()
    assert len(children) >= 2
    assert psutil.wait_procs(children, timeout=10)[1] == []


def test_nothing_of_the_shell_reaches_a_function(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(
        function("f", "import os\ndef handler(event, context):\n    return sorted(os.environ)")
    )
    os.environ["SHELL_SECRET"] = "x"
    with LocalMode(tmp_path) as local:
        assert "SHELL_SECRET" not in answer(local, "f")
        assert "AWS_LAMBDA_RUNTIME_API" in answer(local, "f")
