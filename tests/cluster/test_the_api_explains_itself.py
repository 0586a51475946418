"""`kubectl explain` is documentation, and the API server says what is wrong with a manifest, and how to right it."""

import json

import pytest
from tests.cluster.accounts import function, kubectl
from tests.unit.crd_documents import KINDS, spec_schema

KIND = dict(zip(KINDS, ("function", "version", "alias"), strict=True))


def objects(schema, path):
    """The path of every object within a schema, itself first, with its fields."""
    if "properties" in schema:
        yield path, schema["properties"]
        for name, field in schema["properties"].items():
            yield from objects(field.get("items", field), f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_spec_is_explained(kind):
    for path, fields in objects(spec_schema(kind), f"{KIND[kind]}.spec"):
        explained = fields_of(kubectl("explain", path))
        assert explained.keys() == fields.keys()
        for name, description in explained.items():
            assert description == " ".join(fields[name]["description"].split()), f"{path}.{name}"
            assert len(description) > 5, f"{path}.{name}"


def fields_of(text):
    """Each field that is listed, with its description."""
    found = {}
    name = ""
    for line in text.partition("FIELDS:\n")[2].splitlines():
        if "\t<" in line:
            name = line.split()[0]
            found[name] = []
        elif line.strip() and not line.startswith("  enum:"):
            found[name].append(line.strip())
    return {name: " ".join(lines) for name, lines in found.items()}


def test_bounds_and_defaults_are_told():
    assert fields_of(kubectl("explain", "function.spec"))["memorySize"] == (
        "Memory of an instance in MB. CPU follows it, 1769 MB being one virtual CPU, but an instance may use at"
        " least what the chart's instances.cpuLimitMinimum says: a whole CPU unless that was changed."
        " From 128 to 10240. Default: 128."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_tree_can_be_read_at_once(kind):
    lines = kubectl("explain", f"{KIND[kind]}.spec", "--recursive").partition("FIELDS:\n")[2].splitlines()
    listed = [line.split()[0] for line in lines if line.strip() and not line.lstrip().startswith("enum:")]
    wanted = [name for _, fields in objects(spec_schema(kind), "") for name in fields]
    assert sorted(listed) == sorted(wanted)


def test_short_names_and_the_category_find_them(account):
    account.deploy(function("hello"))
    assert "hello" in account.kubectl("get", "fn")
    assert {"function.mayfly.dev/hello", "version.mayfly.dev/hello.latest"} <= set(
        account.kubectl("get", "mayfly", "--output=name").split()
    )


FIVE_MISTAKES = """\
apiVersion: mayfly.dev/v1beta1
kind: Function
metadata:
  name: orders.eu
spec:
  runtime: python3.13
  code:
    inline: {app.py: ""}
    archive: sha256:0000000000000000000000000000000000000000000000000000000000000000
  memorySize: 64
  environment:
    variables: {AWS_REGION: eu}
"""


def test_five_mistakes_get_five_messages(account):
    said = account.kubectl("create", "--filename=-", stdin=FIVE_MISTAKES, fails=True)
    assert said.splitlines()[0] == 'The Function "orders.eu" is invalid: '
    assert sorted(said.splitlines()[1:]) == [
        "* metadata.name: Invalid value: allowed are at most 52 lower-case letters, digits and -, and no dots;"
        " a Lambda name of another form goes into spec.functionName",
        "* spec.code: Invalid value: give exactly one of inline, archive, url, configMap, image",
        "* spec.environment.variables: Invalid value: a variable that Lambda reserves cannot be set,"
        " such as AWS_REGION or _HANDLER",
        "* spec.memorySize: Invalid value: 64: spec.memorySize in body should be greater than or equal to 128",
        "* spec: Invalid value: handler is missing: give <module>.<function>, such as app.handler",
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"timeout": "10m"}, 'spec.timeout in body must be of type integer: "string"'),
        ({"memory": 128}, 'unknown field "spec.memory"'),
        ({"publish": "Always"}, 'Unsupported value: "Always": supported values: "OnChange", "Never"'),
        ({"loggingConfig": {"systemLogLevel": "INFO"}}, "levels are only allowed with logFormat JSON"),
        (
            {"deadLetterConfig": {}},
            "spec.deadLetterConfig: Invalid value: give exactly one of sqs, sns",
        ),
    ],
)
def test_other_mistakes_are_told(account, wrong, message):
    manifest = function("orders", **wrong)
    assert message in account.kubectl("create", "--filename=-", stdin=json.dumps(manifest), fails=True)
