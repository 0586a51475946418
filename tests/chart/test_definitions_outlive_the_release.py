"""Custom resource definitions come with the chart as they are generated, and stay when the release goes."""

from typing import Any

import pytest
import yaml
from tests.chart.rendering import CHART, Rendering

GENERATED = sorted((CHART / "files" / "crds").glob("*.yaml"))


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_each_is_installed_as_it_was_generated(path: Any, defaults: Rendering) -> None:
    generated = yaml.safe_load(path.read_text())
    installed = defaults.one("CustomResourceDefinition", generated["metadata"]["name"])
    assert installed["spec"] == generated["spec"]
    assert installed["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_all_are_installed(defaults: Rendering) -> None:
    names = {one["metadata"]["name"] for one in defaults.of_kind("CustomResourceDefinition")}
    assert {"functions.mayfly.dev", "versions.mayfly.dev", "aliases.mayfly.dev"} <= names
    assert len(names) == len(GENERATED)


def test_they_can_be_left_to_somebody_else(everything: Rendering) -> None:
    assert not everything.of_kind("CustomResourceDefinition")
