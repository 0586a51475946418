"""Whoever meets a condition finds its reason in the documentation, and finds there no reason that is none."""

import re
from pathlib import Path

from mayfly_model.conditions import Reason

TROUBLESHOOTING = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


def test_the_table_has_every_reason_but_the_good_one():
    text = TROUBLESHOOTING.read_text()
    listed = re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(set(Reason) - {Reason.AVAILABLE})
