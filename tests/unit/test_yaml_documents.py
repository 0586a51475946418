"""YAML means what it means to kubectl, knows its lines, and costs no more than its size."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mayfly_model.documents import MAX_DEPTH, MAX_VALUES, BrokenDocumentError, Document, read_documents


def data(text: str) -> Any:
    (document,) = read_documents(text)
    assert isinstance(document, Document), document
    return document.data


def broken(text: str) -> BrokenDocumentError:
    (error,) = read_documents(text)
    assert isinstance(error, BrokenDocumentError)
    return error


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("256", 256),
        ("-1", -1),
        ("+1", 1),
        ("017", 15),
        ("0o17", 15),
        ("0x1F", 31),
        ("08", 8.0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("-.Inf", float("-inf")),
        ("yes", True),
        ("Off", False),
        ("true", True),
        ("~", None),
        ("", None),
        ("y", "y"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("python3.13", "python3.13"),
        ("=", "="),
        ('"256"', "256"),
        ("'yes'", "yes"),
        ("!!str 256", "256"),
        ("9" * 25, 1e25),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_a_scalar_means_what_it_means_to_kubectl(text, value):
    assert data(f"a: {text}\n") == {"a": value}


def test_a_key_is_text():
    assert data("1: a\non: b\n? c\n") == {"1": "a", "on": "b", "c": None}


def test_an_alias_repeats_and_a_merge_fills_in():
    text = """\
base: &base {timeout: 3, memorySize: 128}
more: &more {handler: x}
one: {<<: *base, timeout: 9}
two: {<<: [*more, *base]}
again: *base
"""
    read = data(text)
    assert read["one"] == {"timeout": 9, "memorySize": 128}
    assert read["two"] == {"handler": "x", "timeout": 3, "memorySize": 128}
    assert read["again"] == read["base"]


@pytest.mark.parametrize(
    ("text", "line", "path", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, ("b", "c"), "found twice; first in line 3"),
        ("a:\n- *x\n", 2, ("a", 0), "found the alias *x; allowed: one whose anchor &x ends before it"),
        ("a: &x [*x]\n", 1, ("a", 0), "found the alias *x; allowed: one whose anchor &x ends before it"),
        (
            "a: !!python/object:os.system 1\n",
            1,
            ("a",),
            "found the tag tag:yaml.org,2002:python/object:os.system",
        ),
        ("a: !x [1]\n", 1, ("a",), "found the tag !x; allowed: none"),
        ("? [a]\n: 1\n", 1, (), "found a key that is not text; allowed: text"),
        ("a: {<<: 1}\n", 1, ("a", "<<"), "found something else than a mapping"),
        ("a: 1\nb: \x01\n", 2, (), "not valid YAML: "),
        ("a: é\nb: \ud800\n", 2, (), "not valid YAML: "),
        ("a: 1\n  b: 2\n", 2, (), "not valid YAML: mapping values are not allowed"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text, line, path, message):
    error = broken(text)
    assert (error.line, error.path) == (line, path)
    assert error.message.startswith(message)


def test_nesting_is_bounded():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    data(deepest)
    assert broken(f"[{deepest}]").message == f"nested deeper than {MAX_DEPTH} levels"
    assert broken("[" * 100_000)
    assert broken("- " * 10_000)


def test_aliases_do_not_multiply_without_bound():
    levels = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "aliases counted" in broken("\n".join(levels)).message
    assert f"more than {MAX_VALUES} values" in broken(f"a: [{'1, ' * (MAX_VALUES + 1)}]").message


def test_aliases_do_not_deepen_without_bound():
    levels = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 1000)]
    assert "levels in one document" in broken("\n".join(levels)).message


def test_merges_do_not_multiply_without_bound():
    many = "x: &x {" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}\n"
    assert (
        "values in one document" in broken(many + "".join(f"y{n}: {{<<: *x}}\n" for n in range(1000))).message
    )
    empties = "x: &x [" + "{}, " * 1000 + "]\n"
    assert (
        "values in one document"
        in broken(empties + "".join(f"y{n}: {{<<: *x}}\n" for n in range(1000))).message
    )


def test_blank_lines_are_cheap():
    assert list(read_documents("   " * 50_000 + "\n" * 50_000)) == []


def test_lines_are_those_of_the_whole_text():
    text = "\n# first\n---\na: 1\n---\n\nb:\n- c: 2\n- d\n...\n# done\n"
    first, second = read_documents(text)
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert first.line_of(("a",)) == 4
    assert second.line_of(("b",)) == 7
    assert second.line_of(("b", 0, "c")) == 8
    assert second.line_of(("b", 1)) == 9
    assert second.line_of(("b", 7, "x")) == 7
    assert second.line_of(("x",)) == 7


def test_a_boundary_ends_a_block_scalar_and_dashes_inside_a_line_do_not():
    assert [
        each.data for each in read_documents("a: |\n  x\n  ---\n---\nb: ---\n") if isinstance(each, Document)
    ] == [
        {"a": "x\n---\n"},
        {"b": "---"},
    ]


def test_directives_windows_lines_and_a_byte_order_mark():
    assert data("\ufeff%YAML 1.1\r\n---\r\na: 1\r\n") == {"a": 1}


# Without the characters that YAML allows in escaped form only.
text = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cf", "Cn", "Zl", "Zp"], include_characters="\n\t"
    ),
    max_size=12,
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | text,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(text, below, max_size=4),
    max_leaves=20,
)


# PyYAML leaves some numbers of YAML 1.2 unquoted, which kubectl would then take for numbers.
quoted = plain.filter(lambda value: not re.search(r"\d[eE]", json.dumps(value)))


@given(st.dictionaries(text, quoted, min_size=1, max_size=4))
def test_what_a_dumper_writes_reads_back(value):
    assert data(yaml.safe_dump(value)) == value
    assert data(yaml.safe_dump(value, default_flow_style=True, allow_unicode=True)) == value


@given(st.dictionaries(text, plain, min_size=1, max_size=4))
def test_json_reads_as_itself(value):
    assert data(json.dumps(value, ensure_ascii=False)) == value
