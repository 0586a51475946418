"""The functions that tests call: declared where they are used, served all together by one local mode.

Rule: whatever the collected test modules declare when they are imported is served for the whole session.
"""

import asyncio
import hashlib
import os
import platform
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tests.conformance.runtimes import ALL, PYTHON, Runtime

from mayfly_gateway.backends.local.installs import cache_directory, installed, run

SOURCES = Path(__file__).resolve().parents[1] / "functions"
_MADE_BY_PYTHON = b"#!/usr/bin/env python3\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A function's manifest, but for its code, and the runtime that it is for."""

    name: str
    namespace: str
    runtime: Runtime
    spec: dict[str, Any] = field(repr=False)

    @property
    def arn(self) -> str:
        """Its ARN without a qualifier."""
        return f"arn:aws:lambda:local:{self.namespace}:function:{self.name}"


_declared: dict[tuple[str, str], Declared] = {}
_others: list[dict[str, Any]] = []


def declare(
    name: str,
    *,
    on: Runtime = PYTHON,
    namespace: str = "default",
    code: dict[str, Any] | None = None,
    **spec: Any,
) -> Declared:
    """A function; `spec` overrides what is set for all, None leaves it out, and has Lambda's names."""
    told = {} if on.handler is None else {"handler": on.handler}
    code = code or {"directory": "../code/" + "+".join(on.code)}
    whole = {"runtime": on.identifier, **told, "timeout": 10, **spec, "code": code}
    whole = {name: value for name, value in whole.items() if value is not None}
    declared = Declared(name=name, namespace=namespace, runtime=on, spec=whole)
    if on.missing is None:
        assert _declared.setdefault((namespace, name), declared) == declared, f"{name} is declared twice"
    return declared


def declare_object(manifest: dict[str, Any]) -> None:
    """A Secret or a ConfigMap."""
    _others.append(manifest)


def declare_on_each(name: str, *, among: list[Runtime] | None = None, **spec: Any) -> dict[str, Declared]:
    """The same function on every runtime, by the runtime's key."""
    return {
        runtime.key: declare(f"{name}-{runtime.key.replace('.', '-')}", on=runtime, **spec)
        for runtime in among or ALL
    }


TOLD = declare_on_each("told")
"""On every runtime the function that does what it is told."""


def write(home: Path, *, client: str = "stock", only: set[str] | None = None) -> None:
    """Lay out the manifests and the code of everything declared for a Node.js client."""
    manifests = home / "manifests"
    manifests.mkdir(parents=True)
    chosen = [
        function
        for function in _declared.values()
        if function.runtime.client == client and (only is None or function.name in only)
    ]
    for function in chosen:
        metadata = {"name": function.name.lower().replace("_", "-"), "namespace": function.namespace}
        spec = function.spec | ({} if metadata["name"] == function.name else {"functionName": function.name})
        manifest = {
            "apiVersion": "mayfly.dev/v1beta1", "kind": "Function", "metadata": metadata, "spec": spec
        }  # fmt: skip
        (manifests / f"{function.namespace}-{function.name}.yaml").write_text(yaml.safe_dump(manifest))
        _lay_out(function, home / "code")
    if _others:
        (manifests / "others.yaml").write_text(yaml.safe_dump_all(_others))


def _lay_out(function: Declared, folder: Path) -> None:
    place = folder / Path(function.spec["code"].get("directory", "")).name
    if "directory" not in function.spec["code"] or place.exists():
        return
    if function.runtime.family == "go":
        place.mkdir(parents=True)
        shutil.copy2(go_program() / "bootstrap", place)
        return
    for name in place.name.split("+"):
        shutil.copytree(
            SOURCES / name, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    with_this_python(place / "bootstrap")


def with_this_python(bootstrap: Path) -> None:
    """A scripted runtime is not what is tested: any Python is good for it, but for a version manager's slow shim."""
    if bootstrap.exists() and (text := bootstrap.read_bytes()).startswith(_MADE_BY_PYTHON):
        python = os.fsencode(getattr(sys, "_base_executable", sys.executable))
        bootstrap.write_bytes(b"#!" + python + b" -IS\n" + text.removeprefix(_MADE_BY_PYTHON))


def go_program() -> Path:
    """The folder of the function that is built with AWS's own Go client, once for each of its sources."""
    source = SOURCES / "go"
    content = b"".join(file.read_bytes() for file in sorted(source.iterdir()))
    digest = hashlib.sha256(content + platform.platform().encode()).hexdigest()[:16]

    async def build(place: Path) -> None:
        command = ("go", "build", "-C", source, "-tags", "lambda.norpc", "-o", place / "bootstrap")
        status, output = await run(command, CGO_ENABLED="0")
        assert status == 0, output

    return asyncio.run(installed(cache_directory() / "tests" / f"go-{digest}", build))
