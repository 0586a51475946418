"""A manifest is read whole, and each mistake in it is said with file, line, field, found and allowed."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayfly_model.manifest import Manifests, combine, parse_manifests, written

GOOD = """\
apiVersion: mayfly.dev/v1beta1
kind: Function
metadata: {name: hello}
spec:
  runtime: python3.13
  handler: app.handler
  code: {directory: ./src}
"""


def read(text: str, source: str = "x.yaml") -> Manifests:
    return parse_manifests(dedent(text), source=source)


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read(text).problems]


def names(manifests: Manifests) -> list[str]:
    return [parsed.function.metadata.name for parsed in manifests.functions]


def named(name: str, namespace: str | None = None, function_name: str | None = None) -> str:
    place = f", namespace: {namespace}" if namespace else ""
    text = GOOD.replace("{name: hello}", f"{{name: {name}{place}}}")
    return f"---\n{text}" + (f"  functionName: {function_name}\n" if function_name else "")


def test_functions_come_with_their_file_and_line():
    manifests = read(f"# two functions\n{named('one')}{named('two')}")
    assert [(each.source, each.line) for each in manifests.functions] == [("x.yaml", 3), ("x.yaml", 11)]
    assert names(manifests) == ["one", "two"]
    assert manifests.problems == ()


def test_a_function_that_names_no_namespace_gets_the_readers():
    manifests = parse_manifests(named("one") + named("two", "shop"), source="x", namespace="mine")
    assert [each.function.metadata.namespace for each in manifests.functions] == ["mine", "shop"]


def test_every_mistake_of_a_function_is_said_in_the_order_of_its_lines():
    text = """\
        apiVersion: mayfly.dev/v1beta1
        kind: Function
        metadata:
          name: My_Fn
        spec:
          runtime: pyhton3.13
          handler: app.handler
          code:
            inline:
              ../app.py: x
          memorysize: 64
          memorySize: 64
          environment:
            variables: {DEBUG: yes}
            secretRefs:
              - good
              - Bad
        """
    assert problems(text) == [
        'x.yaml:4: metadata.name: found "My_Fn"; allowed: lower-case letters, digits and -, a letter or digit at'
        " both ends, at most 52 characters (a Lambda name of another form goes into spec.functionName)",
        'x.yaml:6: spec.runtime: found "pyhton3.13"; did you mean python3.13? allowed: python3.11, python3.12,'
        " python3.13, python3.14, nodejs20.x, nodejs22.x, nodejs24.x, provided.al2023",
        'x.yaml:10: spec.code.inline["../app.py"]: allowed: a relative path of at most 255 characters, with /'
        " between its parts and no . or .. among them",
        "x.yaml:11: spec.memorysize: unknown field; did you mean memorySize?",
        "x.yaml:12: spec.memorySize: found 64; allowed: 128 to 10240 (MB)",
        "x.yaml:14: spec.environment.variables.DEBUG: found true, which is not text; put it in quotes",
        'x.yaml:17: spec.environment.secretRefs[1]: found "Bad"; allowed: an object\'s name,'
        " at most 253 characters",
    ]


def test_what_is_missing_is_said_at_the_place_where_it_would_stand():
    text = """\
        apiVersion: mayfly.dev/v1beta1
        kind: Function
        metadata: {name: hello}
        spec:
          runtime: python3.13
          code: {}
        """
    assert problems(text) == [
        "x.yaml:6: spec.code: found none; allowed: exactly one of inline, archive, url, configMap, image,"
        " directory, zipFile"
    ]
    assert problems(text.replace("code: {}", "code: {directory: .}")) == [
        "x.yaml:4: spec.handler: missing; allowed: <module>.<function>, such as app.handler"
    ]


def test_a_broken_document_hides_no_good_one():
    broken = ["---\nspec: [\n", "---\nspec: 'never ends\n", "---\n\tx: y\n", "---\n- |\n ---\n"]
    for text in broken:
        manifests = read(named("one") + text + named("two"))
        assert names(manifests) == ["one", "two"], text
        assert len(manifests.problems) == 1, text
        assert manifests.problems[0].line in (10, 11, 12), text


def test_a_syntax_error_has_its_own_line():
    (problem,) = read(named("one") + "---\na: 1\nb: c: 1\n").problems
    assert str(problem).startswith("x.yaml:11: not valid YAML: mapping values are not allowed")


def test_a_key_given_twice_is_a_problem():
    text = GOOD + "  timeout: 3\n  timeout: 4\n"
    assert problems(text) == ["x.yaml:9: spec.timeout: found twice; first in line 8"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", "x.yaml:1: found a list of 1; allowed: a mapping with apiVersion and kind"),
        ("hello\n", 'x.yaml:1: found "hello"; allowed: a mapping with apiVersion and kind'),
        (
            "a: 1\n",
            "x.yaml:1: kind: found nothing; allowed: Function, Version, Alias, EventSourceMapping, Schedule",
        ),
        (
            "apiVersion: mayfly.dev/v1beta1\nkind: Funtion\n",
            'x.yaml:2: kind: found "Funtion"; did you mean Function?; allowed: Function, Version, Alias,'
            " EventSourceMapping, Schedule",
        ),
        (
            "kind: [a]\n",
            "x.yaml:1: kind: found a list of 1; allowed: Function, Version, Alias, EventSourceMapping",
        ),
        ("kind: Function\n", "x.yaml:1: apiVersion: found nothing; allowed: mayfly.dev/v1beta1"),
        (
            "kind: Alias\napiVersion: mayfly.dev/v1\n",
            'x.yaml:2: apiVersion: found "mayfly.dev/v1"; allowed: mayfly',
        ),
        (
            "kind: Function\napiVersion: mayfly.io/v1\n",
            'x.yaml:2: apiVersion: found "mayfly.io/v1"; allowed: mayfly',
        ),
        ("kind: Secret\nmetadata: {name: a}\n", "x.yaml:1: apiVersion: found nothing; allowed: v1"),
    ],
)
def test_a_document_says_what_it_is(text, expected):
    (problem,) = problems(text)
    assert problem.startswith(expected)


def test_other_kinds_are_passed_over_and_told():
    text = """\
        apiVersion: mayfly.dev/v1beta1
        kind: EventSourceMapping
        metadata: {name: orders}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web}
        ---
        apiVersion: velero.io/v1
        kind: Schedule
        ---
        apiVersion: example.com/v1
        kind: Version
        metadata: {name: of-somebody-else}
        """
    manifests = read(text)
    assert [(each.kind, each.name, each.line) for each in manifests.ignored] == [
        ("EventSourceMapping", "orders", 1),
        ("Deployment", "web", 5),
        ("Schedule", "", 9),
        ("Version", "of-somebody-else", 12),
    ]
    assert manifests.problems == ()


def test_versions_and_aliases_are_read():
    manifests = read(
        """\
        apiVersion: mayfly.dev/v1beta1
        kind: Version
        metadata: {name: hello.7}
        spec: {functionName: hello, description: before the sale}
        ---
        apiVersion: mayfly.dev/v1beta1
        kind: Alias
        metadata: {name: hello.live, namespace: shop}
        spec: {functionName: hello, functionVersion: "7", routing: {additionalVersion: "8", weight: 0.05}}
        status: {functionVersion: "6"}
        """
    )
    assert manifests.problems == ()
    (version,), (alias,) = manifests.versions, manifests.aliases
    assert (version.version.function_version, version.version.metadata.namespace) == ("7", "default")
    assert (version.source, version.line, alias.line) == ("x.yaml", 1, 6)
    assert (alias.alias.alias, alias.alias.metadata.namespace, alias.alias.spec.function_version) == (
        "live",
        "shop",
        "7",
    )


@pytest.mark.parametrize(
    ("kind", "name", "spec", "expected"),
    [
        ("Version", "hello", "functionName: hello", "metadata.name: "),
        ("Version", "hello.7", "functionName: other", "metadata.name: found hello.7; allowed: other.7"),
        ("Alias", "hello.7", 'functionName: hello, functionVersion: "7"', "metadata.name: found the alias 7"),
        ("Alias", "hello.live", "functionName: hello", "spec.functionVersion: missing"),
        ("Alias", "hello.live", "functionName: hello, functionVersion: 7", "spec.functionVersion: "),
        (
            "Alias",
            "hello.live",
            'functionName: hello, functionVersion: "7", routing: {additionalVersion: "8", weight: 2}',
            "spec.routing.weight: ",
        ),
    ],
)
def test_what_is_wrong_with_a_version_or_an_alias_is_told_by_field(kind, name, spec, expected):
    text = f"apiVersion: mayfly.dev/v1beta1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    (problem,) = problems(text)
    assert expected in problem


def test_of_two_aliases_of_one_name_the_first_has_it():
    text = (
        "apiVersion: mayfly.dev/v1beta1\nkind: Alias\nmetadata: {name: hello.live}\n"
        'spec: {functionName: hello, functionVersion: "1"}\n'
    )
    manifests = read(text + "---\n" + text.replace('"1"', '"2"'))
    assert [each.alias.spec.function_version for each in manifests.aliases] == ["1"]
    assert [str(problem) for problem in manifests.problems] == [
        "x.yaml:6: metadata.name: the Alias hello.live of namespace default is taken by x.yaml:1;"
        " allowed: one of each name"
    ]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n---\n...\n", "%YAML 1.1\n---\n", "~\n"])
def test_nothing_declares_nothing(text):
    assert read(text) == Manifests()


def test_an_exported_object_reads_back():
    exported = GOOD.replace(
        "{name: hello}",
        "{name: hello, uid: a-b, resourceVersion: '7', creationTimestamp: 2024-01-01T00:00:00Z}",
    )
    manifests = read(exported + "status: {conditions: []}\n")
    assert names(manifests) == ["hello"]
    assert manifests.problems == ()


def test_a_name_is_given_once_per_namespace():
    text = (
        named("one")
        + named("one")
        + named("one", "shop")
        + named("two", None, "one")
        + named("three", None, "T")
    )
    manifests = read(text)
    assert [
        (each.function.metadata.namespace, each.function.lambda_name) for each in manifests.functions
    ] == [
        ("default", "one"),
        ("shop", "one"),
        ("default", "T"),
    ]
    assert [str(problem) for problem in manifests.problems] == [
        "x.yaml:10: metadata.name: the Function one of namespace default is taken by x.yaml:2;"
        " allowed: one of each name",
        "x.yaml:26: spec.functionName: the Lambda name one of namespace default is taken by x.yaml:2;"
        " allowed: one of each name",
    ]


def test_files_are_combined_in_order_and_the_first_has_the_name():
    first, second = read(named("one"), "a.yaml"), read(named("one") + named("two") + "---\nx: 1\n", "b.yaml")
    manifests = combine([first, second])
    assert [(each.source, each.function.lambda_name) for each in manifests.functions] == [
        ("a.yaml", "one"),
        ("b.yaml", "two"),
    ]
    assert [(each.source, each.path) for each in manifests.problems] == [
        ("b.yaml", "metadata.name"),
        ("b.yaml", "kind"),
    ]


def test_secrets_and_config_maps_give_their_values():
    text = """\
        apiVersion: v1
        kind: Secret
        metadata: {name: keys, namespace: shop}
        type: Opaque
        data:
          TOKEN: c2Vj
            cmV0
          OTHER: eA==
        stringData: {OTHER: plain}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: keys}
        data: {MODE: "on"}
        binaryData: {blob: /w==}
        """
    secret, config_map = read(text).values
    assert (secret.kind, secret.namespace, secret.name, secret.line) == ("Secret", "shop", "keys", 1)
    assert secret.values == {"TOKEN": b"secret", "OTHER": b"plain"}
    assert (config_map.kind, config_map.namespace, config_map.line) == ("ConfigMap", "default", 11)
    assert config_map.values == {"MODE": b"on", "blob": b"\xff"}
    assert "secret" not in repr(secret)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("data: {PIN: hunter2!}", "x.yaml:4: data.PIN: found text that is not base64; allowed: base64"),
        ("data: {PIN: 1234}", "x.yaml:4: data.PIN: found a value that is not text; put it in quotes"),
        (
            "stringData: [hunter2]",
            "x.yaml:4: stringData: found no mapping; allowed: a mapping of keys to text",
        ),
        ("strinData: {PIN: hunter2}", "x.yaml:4: strinData: unknown field; allowed: data, stringData"),
    ],
)
def test_a_broken_secret_is_said_without_its_value(fields, expected):
    assert problems(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: keys}}\n{fields}\n") == [expected]


def test_a_path_is_written_as_people_write_it():
    assert written(("spec", "code", "inline", "a/b.py")) == 'spec.code.inline["a/b.py"]'
    assert written(("spec", "environment", "secretRefs", 0)) == "spec.environment.secretRefs[0]"


@given(st.integers(-(10**6), 10**6))
def test_a_number_is_taken_or_refused_by_its_bounds(memory):
    manifests = read(GOOD + f"  memorySize: {memory}\n")
    if 128 <= memory <= 10240:
        assert manifests.functions[0].function.spec.memory_size == memory
    else:
        assert [str(problem) for problem in manifests.problems] == [
            f"x.yaml:8: spec.memorySize: found {memory}; allowed: 128 to 10240 (MB)"
        ]
