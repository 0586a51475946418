"""What a page says of the chart's values is what the chart has."""

import re
from pathlib import Path

import yaml

from mayfly_model.runtimes import RUNTIMES

ROOT = Path(__file__).resolve().parents[2]
VALUES = yaml.safe_load((ROOT / "charts/mayfly/values.yaml").read_text())
PAGE = (ROOT / "docs/runtime-images.md").read_text()


def runtimes(answer):
    rows = re.findall(rf"^\| (`.+?) \| {answer} \|", PAGE, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_runtimes_with_an_image_are_those_of_the_values():
    assert runtimes("yes") == set(VALUES["runtimes"])


def test_the_others_are_all_that_mayfly_knows_besides():
    assert runtimes(".*add it to `runtimes`") == set(RUNTIMES) - set(VALUES["runtimes"])


def test_the_least_cpu_of_an_instance_is_the_values():
    page = (ROOT / "docs/functions.md").read_text()
    assert f"`instances.cpuLimitMinimum` ({VALUES['instances']['cpuLimitMinimum']}: a whole CPU)" in page
    for resource in ("cpu", "memory"):
        assert f"`instances.requests.{resource}` ({VALUES['instances']['requests'][resource]})" in page
