"""The runtimes of this machine, and how a function on each is told what to do.

Each runtime's function understands events of one vocabulary, `{"do": …}`, as far as its language can do the thing;
an event that says nothing is its own answer.
"""

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from mayfly_gateway.backends.local.interpreters import find_node, find_python


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A runtime under test. `code` are folders below tests/functions, `client` chooses among Node.js clients."""

    key: str
    family: str
    identifier: str
    code: tuple[str, ...]
    handler: str | None = None
    client: str = "stock"
    missing: str | None = None
    words: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.key

    def echo(self, value: Any) -> Any:
        """The event that is answered with `value`."""
        return {"payload": value} if self.family == "go" else value

    def event(self, do: str, **parameters: Any) -> dict[str, Any]:
        """The event that makes the function do a thing."""
        return {"do": self.words.get(do, do), **parameters}


def _missing(what: str, find: Callable[[], object]) -> str | None:
    return None if find() else f"{what} is not on this machine"


@functools.cache
def _python(version: str) -> Runtime:
    return Runtime(
        key=f"python{version}",
        family="python",
        identifier=f"python{version}",
        code=("python", "python-more"),
        handler="told.handler",
        missing=_missing(f"Python {version}", lambda: find_python(version)),
        words={
            "nothing": "no_return", "error": "raise_error", "big": "response_of", "print": "prints",
            "context": "context_members",
        },
    )  # fmt: skip


def _node(client: str) -> Runtime:
    missing = _missing("Node.js 20", lambda: find_node("20"))
    return Runtime(
        key="nodejs20.x" if client == "stock" else "nodejs20.x-own",
        family="nodejs",
        identifier="nodejs20.x",
        code=("node-more",),
        handler="told.handler",
        client=client,
        missing=missing,
    )


# The newest joins them where it is.
PYTHONS = [
    _python(version)
    for version in ("3.11", "3.12", "3.13", "3.14")
    if version < "3.14" or find_python(version)
]
NODES = [_node("stock"), _node("own")]
PROVIDED = Runtime(key="provided.al2023", family="provided", identifier="provided.al2023", code=("provided",))
GO = Runtime(
    key="go",
    family="go",
    identifier="provided.al2023",
    code=("go",),
    missing=_missing("Go", lambda: shutil.which("go")),
)
ALL = [*PYTHONS, *NODES, PROVIDED, GO]
PYTHON = next((python for python in reversed(PYTHONS) if not python.missing), PYTHONS[0])
"""The one on which what does not depend on the runtime is tested."""


def present(runtimes: list[Runtime]) -> list[Runtime]:
    """Those that are on this machine."""
    return [runtime for runtime in runtimes if runtime.missing is None]


def parameters(runtimes: list[Runtime]) -> list[Any]:
    """For `pytest.mark.parametrize`: those that are absent are skipped, with the reason."""
    return [
        pytest.param(
            runtime,
            id=runtime.key,
            marks=[pytest.mark.skip(reason=runtime.missing)] if runtime.missing else [],
        )
        for runtime in runtimes
    ]


def on(*runtimes: Runtime) -> Any:
    """A test that runs once on each of these runtimes."""
    return pytest.mark.parametrize("runtime", parameters(list(runtimes)))


on_each = on(*ALL)
on_each_python = on(*PYTHONS)
on_each_node = on(*NODES)
