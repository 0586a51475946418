"""One local mode for all the tests of a worker: started at the first call, ended and looked over at the end."""

import base64
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import functions
from tests.conformance.calls import Answer, Sdk, begun, invoke_path, raw
from tests.conformance.functions import Declared
from tests.conformance.local_mode import LocalMode
from tests.conformance.waiting import eventually


class Mayfly:
    """Calls functions, on whichever local mode serves them."""

    def __init__(self) -> None:
        self._modes: dict[str, tuple[Path, LocalMode, Sdk]] = {}
        self._starting = threading.Lock()

    def _mode(self, client: str) -> tuple[Path, LocalMode, Sdk]:
        with self._starting:
            if client not in self._modes:
                # Not below pytest's own folder: the path of a Unix socket has 104 bytes.
                home = Path(tempfile.mkdtemp(prefix="mf-"))
                try:
                    functions.write(home, client=client)
                    local = LocalMode(home, environment={"MAYFLY_NODE_CLIENT": client})
                    local.start()
                except BaseException:
                    shutil.rmtree(home, ignore_errors=True)
                    raise
                self._modes[client] = home, local, Sdk(local.endpoint)
        return self._modes[client]

    def local(self, function: Declared | None = None) -> LocalMode:
        """The process that serves a function."""
        return self._mode("stock" if function is None else function.runtime.client)[1]

    @property
    def endpoint(self) -> str:
        """The URL of the gateway."""
        return self.local().endpoint

    def invoke(
        self,
        function: Declared | str,
        event: Any = None,
        *,
        payload: bytes | None = None,
        tail: bool = False,
        client_context: Any = None,
        **parameters: Any,
    ) -> Answer:
        """Call a function with boto3; `event` is any JSON, `payload` bytes in its place."""
        declared = function if isinstance(function, Declared) else None
        sdk = self._mode(declared.runtime.client if declared else "stock")[2]
        if tail:
            parameters["LogType"] = "Tail"
        if client_context is not None:
            parameters["ClientContext"] = base64.b64encode(json.dumps(client_context).encode()).decode()
        name = (declared.name if declared.namespace == "default" else declared.arn) if declared else function
        return sdk.invoke(str(name), json.dumps(event).encode() if payload is None else payload, **parameters)

    def post(
        self,
        name: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        query: str = "",
        **how: Any,
    ) -> Answer:
        """An Invoke request with these headers and no others."""
        return raw(self.endpoint, invoke_path(name) + query, body, headers, **how)

    def hang_up(self, function: Declared, event: Any, *, when: Callable[[], object]) -> None:
        """Call a function and close the connection, unanswered, as soon as something is so."""
        with begun(self.endpoint, function.name, json.dumps(event).encode()):
            eventually(when)

    def hang_up_within(self, function: Declared, payload: bytes, *, sent: int) -> None:
        """Close the connection when so many bytes of the payload are sent."""
        with begun(self.endpoint, function.name, payload, sent=sent):
            pass

    def log(self, function: Declared, **which: Any) -> list[dict[str, Any]]:
        """The latest records of a function's log."""
        return self.local(function).log(function.name, namespace=function.namespace, **which)

    def stop(self) -> None:
        """End every local mode, each looked over for what it left."""
        problems = []
        for home, local, sdk in self._modes.values():
            sdk.close()
            try:
                local.stop()
            except Exception as problem:
                problems.append(str(problem) or repr(problem))
            shutil.rmtree(home, ignore_errors=True)
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)


@pytest.fixture(scope="session")
def mayfly() -> Iterator[Mayfly]:
    """The local mode, with every function that the collected tests declare."""
    mayfly = Mayfly()
    mayfly.local()
    yield mayfly
    mayfly.stop()


def pytest_configure(config: pytest.Config) -> None:
    """What a test may be marked with."""
    config.addinivalue_line("markers", "long: takes seconds by its nature, and is begun first")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that the workers end together; installing runtimes is no test's time."""
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.timeout(60, func_only=True))
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
