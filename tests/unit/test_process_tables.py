"""Who is whose child is told alike by /proc and by `ps`, and a tree is ended however its members hid."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mayfly_agent import darwin, linux, processes

SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]
TABLES = pytest.mark.parametrize(
    "table",
    [
        pytest.param(
            linux.table, marks=pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
        ),
        pytest.param(
            darwin.table, marks=pytest.mark.skipif(not Path(darwin.PS[0]).exists(), reason="there is no ps")
        ),
    ],
    ids=["proc", "ps"],
)


@pytest.fixture
def child():
    with subprocess.Popen(SLEEPER, process_group=0) as process:
        yield process
        process.kill()


@TABLES
def test_a_child_is_listed_with_its_parent_and_its_group(table, child):
    (row,) = [row for row in table() if row.pid == child.pid]
    assert (row.parent, row.group, row.ended) == (os.getpid(), child.pid, False)


@TABLES
def test_a_child_that_has_ended_is_known_to_have(table, child):
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    (row,) = [row for row in table() if row.pid == child.pid]
    assert row.ended
    child.wait()
    assert [row for row in table() if row.pid == child.pid] == []


@TABLES
def test_the_listing_itself_is_not_listed(table):
    assert "ps" not in {process_name(row.pid) for row in table() if row.parent == os.getpid()}


def process_name(pid):
    listed = subprocess.run(
        ["/bin/ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip()


def test_everything_below_a_process_is_ended_children_after_their_parents():
    tree = (
        "import os, time; os.fork(); os.fork() or os.setsid(); print(os.getpid(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", tree], stdout=subprocess.PIPE, text=True
    ) as root:
        pids = {int(root.stdout.readline()) for _ in range(4)}
        assert root.pid in pids
        below = [row.pid for row in processes.descendants(root.pid)]
        assert set(below) == pids - {root.pid}
        assert set(processes.kill_below(root.pid)) == set(below)
        deadline = time.monotonic() + 5
        while processes.descendants(root.pid) and time.monotonic() < deadline:
            pass
        assert processes.descendants(root.pid) == []
        root.kill()
