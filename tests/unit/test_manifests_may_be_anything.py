"""Whatever a manifest holds, it is read, and each mistake has a line and a message."""

import re

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly_model.manifest import parse_manifests

YAML_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
words = st.sampled_from(
    [
        "Function",
        "Secret",
        "ConfigMap",
        "mayfly.dev/v1beta1",
        "v1",
        "hello",
        "python3.13",
        "yes",
        "~",
        "é",
        "\ud800",
    ]
)
identities = ["apiVersion", "kind", "metadata", "name", "namespace", "spec", "data"]
fields = [
    "code",
    "inline",
    "environment",
    "variables",
    "runtime",
    "memorySize",
    "eventInvokeConfig",
    "onFailure",
]
keys = st.sampled_from([*identities, *fields])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(keys | st.text(max_size=5), below, max_size=6)
    ),
    max_leaves=25,
)
structure = st.sampled_from(
    [
        "---\n",
        "...\n",
        "- ",
        "? ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "!!x ",
        "|\n",
        ">-\n",
        "'",
        '"',
        "<<: ",
    ]
)
oddities = st.sampled_from(
    [
        "# ",
        "%YAML 1.1\n",
        "\t",
        "\0",
        "\r\n",
        "\u2028",
        "\ufeff",
        "kind: Function\n",
        "0x",
        "1e9",
        ".inf",
        "\\x",
    ]
)


@settings(max_examples=300)
@given(
    st.text(max_size=200)
    | st.lists(structure | oddities | st.just("\n  ") | st.text(max_size=4), max_size=40).map("".join)
)
def test_no_text_raises(text):
    for problem in parse_manifests(text, source="x").problems:
        assert 1 <= problem.line <= len(YAML_LINE_BREAK.split(text)) + 1
        assert problem.message


@settings(max_examples=300)
@given(values, st.sampled_from(["Function", "Secret", "ConfigMap", "Alias", "Version"]))
def test_no_document_raises(spec, kind):
    document = {"apiVersion": "mayfly.dev/v1beta1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}
    if kind in ("Secret", "ConfigMap"):
        document |= {"apiVersion": "v1", "data": document.pop("spec")}
    manifests = parse_manifests(yaml.safe_dump(document), source="x")
    found = (manifests.functions, manifests.aliases, manifests.versions)
    found += (manifests.values, manifests.ignored, manifests.problems)
    assert any(found)
