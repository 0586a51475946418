"""The Aliases that documents show are such as may be applied."""

import re
from pathlib import Path

import pytest
import yaml

from mayfly_model.objects import read_alias

DOCS = Path(__file__).parents[2] / "docs"
ALIASES = [
    pytest.param(block, id=f"{path.name}-{number}")
    for path in sorted(DOCS.glob("*.md"))
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    )
    if "kind: Alias" in block
]


@pytest.mark.parametrize("block", ALIASES)
def test_an_alias_in_the_documentation_may_be_applied(block):
    for item in yaml.safe_load_all(block):
        item["metadata"]["namespace"] = "shop"
        assert read_alias(item).spec.function_name == "hello"
