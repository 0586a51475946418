"""No row without a test, no test without a row."""

import ast
from pathlib import Path

from tests.conformance.coverage import INVOKE, LIFECYCLE, LOG_LINES, ROWS, RUNTIME

HERE = Path(__file__).parent


def named_in(module):
    names = (node.name for node in ast.parse(module.read_text()).body if isinstance(node, ast.FunctionDef))
    return {f"{module.stem}::{name}" for name in names if name.startswith("test_")}


def test_every_row_names_tests_that_exist():
    existing = set().union(*map(named_in, HERE.glob("test_*.py")))
    missing = {row: sorted(set(tests) - existing) for row, tests in ROWS.items() if set(tests) - existing}
    assert not missing
    assert all(ROWS.values())


def test_every_test_stands_in_a_row():
    existing = set().union(*map(named_in, HERE.glob("test_*.py"))) - named_in(Path(__file__))
    assert existing - {test for tests in ROWS.values() for test in tests} == set()


def test_no_row_is_in_two_tables():
    assert len(ROWS) == sum(map(len, (INVOKE, RUNTIME, LIFECYCLE, LOG_LINES)))
