"""A runtime that was started before its function was known: nobody can tell it from one that was started for it."""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.component.agent_process import eventually
from tests.component.pod_agent import PodAgent
from tests.component.python_image import PythonImage, waits
from tests.component.view_of_a_function import VIEW

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runtime images are Linux's")

PID = "import os\ndef handler(event, context):\n    return os.getpid()\n"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> PythonImage:
    return PythonImage(tmp_path_factory.mktemp("image"))


@contextlib.contextmanager
def waiting(image: PythonImage, *, ends: bool = True) -> Iterator[tuple[PodAgent, int]]:
    """A bare agent and the pid of its standby, which waits."""
    with image.agent(ends=ends) as agent:
        yield agent, eventually(lambda: standby_of(agent))


def standby_of(agent: PodAgent) -> int | None:
    children = psutil.Process(agent.process.pid).children()
    return next((child.pid for child in children if waits(child.pid)), None)


def seen(image: PythonImage, *, standby: bool, **options: Any) -> Any:
    """What a function sees, its own folder and the Runtime API's port aside."""
    with image.agent(standby=standby) as agent:
        pid = eventually(lambda: standby_of(agent)) if standby else None
        image.become(agent, VIEW, **options)
        text = agent.invoke("{}").text
        assert pid is None or runtime_of(agent) == pid
        environment = json.loads(text)["first"]["environ"]
        for given in (str(agent.code), environment["AWS_LAMBDA_RUNTIME_API"], agent.mark):
            text = text.replace(given, "ITS")
        return json.loads(text)


def runtime_of(agent: PodAgent) -> int:
    (child,) = psutil.Process(agent.process.pid).children()
    return child.pid


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# Nobody can tell.


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "environment": {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"},
            "logFormat": "JSON",
        },
        {
            "environment": {
                "TZ": "Asia/Tokyo",
                "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
                "PYPE": "x=y z\n'",
            }
        },
        {
            "environment": {
                "TZ": None,
                "_HANDLER": "app.handler",
                "EMPTY": "",
                "UMLAUT": "gr\u00fcezi",
                "TMPDIR": "/tmp",
            }
        },
    ],
    ids=["defaults", "structured logs", "another zone", "odd values"],
)
def test_a_function_sees_what_it_sees_in_a_process_of_its_own(
    image: PythonImage, options: dict[str, Any]
) -> None:
    fresh, became = seen(image, standby=False, **options), seen(image, standby=True, **options)
    for when in ("first", "later"):
        for what, found in fresh[when].items():
            assert became[when][what] == found, (when, what)


def test_it_is_the_process_that_waited(image: PythonImage) -> None:
    with waiting(image) as (agent, pid):
        image.become(agent, PID)
        assert agent.invoke("{}").text == str(pid)


def test_no_two_share_what_is_random(image: PythonImage) -> None:
    code = "import random\ndef handler(event, context):\n    return [random.random(), hash('x')]\n"
    found = set()
    for _ in range(2):
        with waiting(image) as (agent, _):
            image.become(agent, code)
            found |= {str(value) for value in json.loads(agent.invoke("{}").text)}
    assert len(found) == 4


def test_the_time_that_it_waited_is_no_part_of_init(image: PythonImage) -> None:
    with waiting(image) as (agent, pid):
        waited = time.time() - psutil.Process(pid).create_time()
        began = time.monotonic()
        image.become(agent, PID)
        init = time.monotonic() - began
        report = agent.invoke("{}").report
        assert 0 < report["initMs"] <= init * 1000
        assert waited > 0


def test_an_error_in_its_init_is_told_as_ever(image: PythonImage) -> None:
    answers = []
    for standby in (False, True):
        with image.agent(standby=standby) as agent:
            if standby:
                eventually(lambda agent=agent: standby_of(agent))
            image.become(agent, "import nothing_of_that_name\n")
            answers.append(agent.invoke("{}").error)
            answers[-1].pop("requestId", None)
    assert answers[0] == answers[1]
    assert answers[0]["errorType"] == "Runtime.ImportModuleError"


# Where somebody could tell, it is not used.

DECISIVE = {
    "PYTHONHASHSEED": "7",
    "PYTHONPATH": "/opt/python:/var/runtime",
    "PYTHONUNBUFFERED": "1",
    "LD_LIBRARY_PATH": "/opt/lib",
    "MALLOC_ARENA_MAX": "1",
    "LANG": "C",
    "LC_ALL": "C.UTF-8",
    "HOME": "/",
    "PATH": None,
    "AWS_LAMBDA_EXEC_WRAPPER": "/usr/bin/env",
    "not.a.shells": "x",
}


@pytest.mark.parametrize("name", DECISIVE)
def test_a_variable_that_only_a_new_process_heeds_gets_one(image: PythonImage, name: str) -> None:
    value = DECISIVE[name]
    if name == "PATH":
        value = f"{image.interpreter}/bin:/usr/bin"
    elif name == "PYTHONPATH":
        value = f"/opt/python:{image.runtime}"
    code = f"import os\ndef handler(event, context):\n    return [os.getpid(), os.environ.get({name!r})]\n"
    with waiting(image) as (agent, pid):
        image.become(agent, code, environment={name: value})
        found, told = json.loads(agent.invoke("{}").text)
        assert found != pid
        assert told == (None if name == "not.a.shells" else value)
        assert [child.pid for child in psutil.Process(agent.process.pid).children()] == [found]


def package_of_json() -> dict[str, str]:
    return {f"json/{each.name}": each.read_text() for each in Path(json.__file__).parent.glob("*.py")}


@pytest.mark.parametrize(
    "files",
    [package_of_json(), {"libz.so.1": ""}, {"glibc-hwcaps/x": ""}],
    ids=["json", "libz.so.1", "glibc-hwcaps"],
)
def test_code_that_hides_what_is_imported_already_gets_a_new_process(
    image: PythonImage, files: dict[str, str]
) -> None:
    with waiting(image) as (agent, pid):
        image.become(agent, PID, more=files)
        found = int(agent.invoke("{}").text)
        assert found != pid
        assert runtime_of(agent) == found


@pytest.mark.parametrize("file", ["logging.py", "awslambdaric/__init__.py"])
def test_code_that_hides_what_the_client_needs_fails_as_it_does_in_a_new_process(
    image: PythonImage, file: str
) -> None:
    """There the client cannot be imported; a standby has it already, and would run the handler's module."""
    with waiting(image) as (agent, pid):
        image.become(agent, "raise SystemExit(7)", more={file: ""})
        assert agent.invoke("{}").error["errorMessage"].endswith("exit status 1")
        assert pid not in [child.pid for child in psutil.Process(agent.process.pid).children()]


@pytest.mark.parametrize(("file", "fresh"), [("libx.so.2", True), ("helper.py", False)])
def test_a_folder_of_libraries_that_was_not_there_gets_a_new_process(
    image: PythonImage, file: str, fresh: bool
) -> None:
    folder = image.task / "lib"
    with waiting(image) as (agent, pid):
        folder.mkdir()
        (folder / file).touch()
        try:
            image.become(agent, PID)
            assert (int(agent.invoke("{}").text) != pid) == fresh
        finally:
            shutil.rmtree(folder)


def test_a_handler_that_lists_its_folder_finds_its_own_code_alone(image: PythonImage) -> None:
    code = "import os\ndef handler(event, context):\n    return sorted(os.listdir())\n"
    with waiting(image) as (agent, _):
        image.become(agent, code)
        assert set(json.loads(agent.invoke("{}").text)) <= {"app.py", "__pycache__"}


# It may end at any time.


def test_one_that_has_ended_is_replaced_by_a_new_process(image: PythonImage) -> None:
    with waiting(image) as (agent, pid):
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: ended(pid))
        image.become(agent, PID)
        assert int(agent.invoke("{}").text) not in (0, pid)


def test_one_that_ends_while_it_becomes_the_function_is_replaced_too(image: PythonImage) -> None:
    with waiting(image) as (agent, pid):
        os.kill(pid, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as pool:
            became = pool.submit(image.become, agent, PID)
            eventually(lambda: agent.state() == "Initialising")
            os.kill(pid, signal.SIGKILL)
            assert became.result().status == 200
        assert int(agent.invoke("{}").text) not in (0, pid)


def test_a_new_process_takes_its_place_when_the_function_ends(image: PythonImage) -> None:
    code = PID.replace("    return", "    event and os._exit(3)\n    return")
    with waiting(image) as (agent, pid):
        image.become(agent, code)
        assert agent.invoke("{}").text == str(pid)
        assert agent.invoke('"end"').error["errorType"] == "Runtime.ExitError"
        assert int(agent.invoke("{}").text) not in (0, pid)


def test_it_ends_with_an_agent_that_is_killed(image: PythonImage) -> None:
    with waiting(image, ends=False) as (agent, pid):
        agent.process.kill()
        eventually(lambda: ended(pid))


def test_it_ends_with_an_agent_that_ends_by_itself(image: PythonImage) -> None:
    with waiting(image, ends=False) as (agent, pid):
        code = b"no archive"
        assert agent.specialise_with(agent.instruction(code), code).status == 422
        assert agent.wait() == 65
        eventually(lambda: ended(pid))


@pytest.mark.parametrize(
    "command", [["/nonexistent"], ["/bin/false"], [sys.executable, "-c", "raise SystemExit"]]
)
def test_an_image_whose_standby_does_not_work_works_without_one(
    image: PythonImage, command: list[str]
) -> None:
    description = image.description | {"command": command}
    with image.agent(description=description) as agent:
        image.become(agent, PID)
        assert int(agent.invoke("{}").text) > 0


def test_an_idle_instance_weighs_little(image: PythonImage) -> None:
    with waiting(image, ends=False) as (agent, _):
        root = psutil.Process(agent.process.pid)
        total = sum(each.memory_full_info().pss for each in (root, *root.children(recursive=True)))
        assert total / 1e6 < 32
