"""The chart as Helm renders it, and ways to find things in it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "mayfly"
NAMESPACE = "mayfly-system"

Object = dict[str, Any]


@cache
def helm() -> str:
    """Helm: the machine's own, else one built from source; without Go there is none."""
    if found := shutil.which("helm"):
        return found
    if not shutil.which("go"):
        pytest.skip("no Helm: neither `helm` nor the `go` to build it with is on the PATH")
    built = subprocess.run(
        [sys.executable, ROOT / "hack" / "kubernetes", "helm"], check=True, capture_output=True, text=True
    )
    return built.stdout.splitlines()[-1]


def run_helm(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm(), *arguments], check=False, capture_output=True, text=True, input=stdin)


@dataclass(frozen=True)
class Rendering:
    """What one set of values makes of the chart."""

    objects: tuple[Object, ...]

    def of_kind(self, *kinds: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        return next(one for one in self.of_kind(kind) if one["metadata"]["name"] == name)

    def pod_templates(self) -> Iterator[tuple[str, Object]]:
        """Every pod, with metadata and spec, by the kind and name of what makes it."""
        for one in self.of_kind("Deployment", "StatefulSet", "Job"):
            yield f"{one['kind']}/{one['metadata']['name']}", one["spec"]["template"]
        for one in self.of_kind("Pod"):
            yield f"Pod/{one['metadata']['name']}", one

    def pod_spec(self, component: str) -> Object:
        kind = "StatefulSet" if component == "nats" else "Deployment"
        spec: Object = self.one(kind, f"mayfly-{component}")["spec"]["template"]["spec"]
        return spec


def render(*values: str, files: tuple[str, ...] = ()) -> Rendering:
    """The objects for `--set` values and files of charts/mayfly/ci."""
    chosen = [part for file in files for part in ("--values", str(CHART / "ci" / f"{file}-values.yaml"))]
    settings = [part for value in values for part in ("--set", value)]
    done = run_helm("template", "mayfly", CHART, "--namespace", NAMESPACE, *chosen, *settings)
    assert done.returncode == 0, done.stderr
    return Rendering(tuple(one for one in yaml.safe_load_all(done.stdout) if one))


def refusal(*values: str) -> str:
    """What Helm says to values that it must not take."""
    done = run_helm("template", "mayfly", CHART, *(part for value in values for part in ("--set", value)))
    assert done.returncode != 0, f"taken: {values}"
    return done.stderr


def matches(selector: Object, labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector["matchLabels"].items())
