"""A Function holds what Lambda allows, to the last unit, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from mayfly_model.environment import RESERVED_VARIABLES
from mayfly_model.function import Function, FunctionSpec
from mayfly_model.manifest import written
from mayfly_model.part import Part
from mayfly_model.sentences import sentences

SPEC = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "x = 1\n"}}}


def function(spec: dict[str, Any], name: str = "hello") -> Function:
    data = {"apiVersion": "mayfly.dev/v1beta1", "kind": "Function", "metadata": {"name": name}, "spec": spec}
    return Function.model_validate(data, by_alias=True, by_name=False)


def refusal(fields: dict[str, Any], name: str = "hello") -> str:
    """The sentences that a Function with these spec fields is refused with."""
    with pytest.raises(ValidationError) as caught:
        function(SPEC | fields, name)
    return "\n".join(f"{written(path)}: {words}" for path, words in sentences(Function, caught.value))


def inline(*paths: str) -> dict[str, Any]:
    return {"code": {"inline": dict.fromkeys(paths, "x")}}


def variables(**values: str) -> dict[str, Any]:
    return {"environment": {"variables": values}}


def destination(when: str, **target: Any) -> dict[str, Any]:
    return {"eventInvokeConfig": {"destinationConfig": {when: target}}}


def test_what_is_not_said_has_lambdas_default():
    spec = function(SPEC).spec
    assert (spec.memory_size, spec.timeout, spec.ephemeral_storage.size) == (128, 3, 512)
    assert (spec.keep_alive, spec.publish, spec.package_type) == (300, "Never", "Zip")
    assert spec.reserved_concurrent_executions is None
    assert spec.event_invoke_config.maximum_retry_attempts == 2
    assert spec.event_invoke_config.maximum_event_age_in_seconds == 21600
    assert (spec.logging_config.log_format, spec.recursive_loop, spec.max_concurrency) == (
        "Text",
        "Terminate",
        1,
    )


def test_null_is_as_good_as_absent():
    assert function(SPEC | {"memorySize": None, "environment": None}) == function(SPEC)


def test_the_lambda_name_is_the_objects_name_unless_it_is_said():
    assert function(SPEC).lambda_name == "hello"
    assert function(SPEC | {"functionName": "My_Fn"}).lambda_name == "My_Fn"


def test_a_function_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        function(SPEC).spec.timeout = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "least", "most", "unit"),
    [
        ("memorySize", 128, 10240, " (MB)"),
        ("timeout", 1, 900, " (seconds)"),
        ("keepAlive", 0, 86400, " (seconds)"),
        ("reservedConcurrentExecutions", 0, 1000000, ""),
        ("ephemeralStorage.size", 512, 10240, " (MB)"),
        ("eventInvokeConfig.maximumRetryAttempts", 0, 2, ""),
        ("eventInvokeConfig.maximumEventAgeInSeconds", 60, 21600, " (seconds)"),
    ],
)
def test_a_number_keeps_its_bounds(field, least, most, unit):
    def fields(value: object) -> dict[str, Any]:
        outer, _, inner = field.partition(".")
        return {outer: {inner: value} if inner else value}

    for value in (least, most):
        function(SPEC | fields(value))
    for value in (least - 1, most + 1):
        assert refusal(fields(value)) == f"spec.{field}: found {value}; allowed: {least} to {most}{unit}"
    assert refusal(fields(str(least))) == f'spec.{field}: found "{least}"; allowed: {least} to {most}{unit}'
    assert refusal(fields(True)) == f"spec.{field}: found true; allowed: {least} to {most}{unit}"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"memorysize": 256}, "spec.memorysize: unknown field; did you mean memorySize?"),
        ({"memory_size": 256}, "spec.memory_size: unknown field; did you mean memorySize?"),
        ({"role": "x"}, "spec.role: unknown field: write serviceAccountName"),
        ({"timeout": 1.5}, "spec.timeout: found 1.5; allowed: 1 to 900 (seconds)"),
        ({"publish": "onchange"}, 'spec.publish: found "onchange"; allowed: OnChange, Never'),
        ({"description": "x" * 257}, "(257 characters); allowed: any text, at most 256 characters"),
        (
            {"functionName": "a b"},
            'spec.functionName: found "a b"; allowed: letters, digits, - and _, at most 64',
        ),
        (
            {"functionName": "x" * 65},
            "(65 characters); allowed: letters, digits, - and _, at most 64 characters",
        ),
        (
            {"handler": "a b"},
            'spec.handler: found "a b"; allowed: text without spaces, at most 128 characters',
        ),
        ({"handler": 1}, "spec.handler: found 1, which is not text; put it in quotes"),
        ({"handler": None}, "spec.handler: missing; allowed: <module>.<function>, such as app.handler"),
        ({"runtime": None}, "spec.runtime: missing; allowed: python3.11, "),
        (
            {"runtime": "python3.9"},
            'spec.runtime: found "python3.9"; did you mean python3.11? allowed: python3.11,',
        ),
        (
            {"serviceAccountName": "A"},
            'spec.serviceAccountName: found "A"; allowed: a ServiceAccount\'s name',
        ),
        (
            {"environment": []},
            "spec.environment: found a list of 0; allowed: a mapping with variables, secretRefs",
        ),
        (
            {"loggingConfig": {"logFormat": "json"}},
            'spec.loggingConfig.logFormat: found "json"; allowed: Text, JSON',
        ),
        (
            {"loggingConfig": {"applicationLogLevel": "WARN"}},
            "spec.loggingConfig.applicationLogLevel: only allowed with logFormat JSON",
        ),
        (
            {"loggingConfig": {"systemLogLevel": "WARN"}},
            "spec.loggingConfig.systemLogLevel: only allowed with logFormat JSON",
        ),
    ],
)
def test_a_field_says_what_it_found_and_what_it_allows(fields, sentence):
    assert sentence in refusal(fields)


@pytest.mark.parametrize("name", ["Hello", "my_fn", "a.b", "-a", "a-", "x" * 53, ""])
def test_an_object_name_fits_labels_and_hostnames(name):
    assert refusal({}, name).startswith("metadata.name: found")


def test_the_longest_object_name():
    assert function(SPEC, "x" * 52).lambda_name == "x" * 52


@pytest.mark.parametrize(
    "code",
    [
        {"inline": {"pkg/app.py": "", "pkg/sub/x.py": "", "bootstrap": "#!/bin/sh\n"}},
        {"archive": "sha256:" + "0a" * 32},
        {"url": "https://example.com/fn.zip", "sha256": "0a" * 32},
        {"configMap": {"name": "hello.code"}},
        {"directory": "../src"},
        {"zipFile": "./fn.zip"},
    ],
)
def test_code_comes_from_any_one_source(code):
    function(SPEC | {"code": code})


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            {},
            "spec.code: found none; allowed: exactly one of inline, archive, url, configMap, image, directory",
        ),
        (
            {"directory": ".", "zipFile": "x.zip"},
            "spec.code: found directory, zipFile; allowed: exactly one of",
        ),
        ({"url": "https://x"}, "spec.code.sha256: missing; allowed: the archive's SHA-256, 64 hex digits"),
        ({"directory": ".", "sha256": "0a" * 32}, "spec.code.sha256: only allowed together with url"),
        ({"url": "ftp://x"}, 'spec.code.url: found "ftp://x"; allowed: an http:// or https:// address'),
        ({"archive": "sha256:0A"}, "allowed: sha256:<64 hex digits>"),
        (
            {"inline": {}},
            "spec.code.inline: found a mapping of 0; allowed: a mapping of names to text, 1 to 100",
        ),
        ({"inline": {"a.py": None}}, 'spec.code.inline["a.py"]: found nothing; allowed: text'),
        ({"inline": {"a": "", "a/b": ""}}, 'spec.code.inline["a/b"]: found a both as a file and as a folder'),
        (
            {"inline": {"a": "é" * 450_001}},
            "spec.code.inline: found 900002 bytes in all; allowed: at most 900000",
        ),
        ({"image": "registry/x:1"}, "spec.packageType: found Zip; allowed: Image, since code.image is given"),
    ],
)
def test_code_says_what_it_found_and_what_it_allows(code, sentence):
    assert sentence in refusal({"code": code})


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", ".", "..", "a\\b", "a\0b", "a\nb", "x" * 256],
)
def test_inline_code_stays_inside_its_directory(path):
    assert "allowed: a relative path" in refusal(inline(path))


def test_inline_code_of_the_largest_size_and_count():
    function(SPEC | {"code": {"inline": {"a": "x" * 900_000}}})
    function(SPEC | inline(*(f"f{number}" for number in range(100))))
    assert "1 to 100" in refusal(inline(*(f"f{number}" for number in range(101))))


def test_a_provided_runtime_needs_no_handler():
    spec = function(SPEC | {"runtime": "provided.al2023", "handler": None}).spec
    assert spec.handler_name == "bootstrap"


def test_an_image_brings_runtime_and_handler_along():
    image = {"packageType": "Image", "code": {"image": "registry/x:1"}}
    function(image)
    assert refusal(image).startswith("spec.runtime: not allowed with packageType Image")
    assert refusal({"packageType": "Image"}) == "spec.code.image: missing; packageType Image needs an image"


@pytest.mark.parametrize("name", RESERVED_VARIABLES)
def test_lambdas_own_variables_are_reserved(name):
    expected = f"spec.environment.variables.{name}: reserved by Lambda; reserved are _HANDLER, "
    assert refusal(variables(**{name: "x"})).startswith(expected)


@pytest.mark.parametrize("name", ["", "A", "1A", "_A", "A-B", "A B", "ÄÖ", "AB\n"])
def test_a_variables_name_is_a_word(name):
    assert "allowed: a letter, then one or more letters, digits and _" in refusal(variables(**{name: "x"}))


def test_variables_take_4_kb_in_all():
    # {"AB":"…"} is nine characters besides the value.
    function(SPEC | variables(AB="x" * 4087))
    expected = "spec.environment.variables: found 4097 bytes in all, as JSON; allowed: at most 4096"
    assert refusal(variables(AB="x" * 4088)) == expected


def test_a_variable_holds_no_nul():
    assert refusal(variables(AB="\0")).startswith("spec.environment.variables.AB: found a NUL character")


@pytest.mark.parametrize("value", ["1", "64"])
def test_an_instance_may_run_several_invocations(value):
    assert function(SPEC | variables(AWS_LAMBDA_MAX_CONCURRENCY=value)).spec.max_concurrency == int(value)


@pytest.mark.parametrize("value", ["0", "65", "", "x", "-1", "1.5", " 2", "٢", "9" * 5000])
def test_an_instances_concurrency_is_bounded(value):
    assert refusal(variables(AWS_LAMBDA_MAX_CONCURRENCY=value))


def test_references_are_few_and_well_formed():
    function(SPEC | {"environment": {"secretRefs": ["a.b"], "configMapRefs": ["c"]}})
    assert "a list of at most 20" in refusal({"environment": {"secretRefs": ["a"] * 21}})
    assert refusal({"environment": {"configMapRefs": ["a", "B"]}}).startswith(
        'spec.environment.configMapRefs[1]: found "B"'
    )


@pytest.mark.parametrize(
    "target",
    [
        {"function": "cleanup"},
        {"function": "cleanup:live"},
        {"function": "cleanup:$LATEST"},
        {
            "sqs": {
                "queueUrl": "http://sqs:9324/0/q",
                "endpointUrl": "http://sqs:9324",
                "credentialsSecret": "aws",
            }
        },
        {"sns": {"topicArn": "arn:aws:sns:us-east-1:0:t", "region": "us-east-1"}},
        {"eventBridge": {}},
        {"nats": {"url": "nats://nats:4222", "subject": "done.hello"}},
        {"http": {"url": "https://example.com/hook", "headersSecret": "hook"}},
    ],
)
@pytest.mark.parametrize("when", ["onSuccess", "onFailure"])
def test_a_record_goes_to_any_one_destination(when, target):
    function(SPEC | destination(when, **target))


def test_a_bucket_takes_failures_only():
    function(SPEC | destination("onFailure", s3={"bucketName": "records"}))
    assert "a bucket is allowed in onFailure only" in refusal(
        destination("onSuccess", s3={"bucketName": "records"})
    )


@pytest.mark.parametrize("target", [{}, {"function": "a", "http": {"url": "http://x"}}])
def test_a_destination_is_exactly_one(target):
    assert "allowed: exactly one of function, sqs, sns" in refusal(destination("onSuccess", **target))


def test_a_function_is_not_its_own_destination():
    assert refusal(destination("onFailure", function="hello:live")) == (
        "spec.eventInvokeConfig.destinationConfig.onFailure.function: "
        "You can't specify the function as a destination for itself."
    )


def test_a_dead_letter_goes_to_a_queue_or_a_topic():
    function(SPEC | {"deadLetterConfig": {"sqs": {"queueUrl": "http://sqs/q"}}})
    assert refusal({"deadLetterConfig": {}}) == (
        "spec.deadLetterConfig: found none; allowed: exactly one of sqs, sns"
    )


def parts(model: type[BaseModel] = Part) -> Iterator[type[BaseModel]]:
    for child in model.__subclasses__():
        yield child
        yield from parts(child)


@pytest.mark.parametrize(
    "part", sorted(set(parts()), key=lambda part: part.__name__), ids=lambda part: part.__name__
)
def test_every_field_describes_itself(part: type[BaseModel]):
    assert part.__doc__
    assert [name for name, field in part.model_fields.items() if not field.description] == []


def test_every_text_and_list_in_the_spec_is_bounded():
    def unbounded(node: Any, path: str) -> Iterator[str]:
        if isinstance(node, list):
            for index, each in enumerate(node):
                yield from unbounded(each, f"{path}[{index}]")
        elif isinstance(node, dict):
            kind = node.get("type")
            if kind == "array" and "maxItems" not in node:
                yield path
            if kind == "string" and not {"maxLength", "enum", "const"} & set(node):
                yield path
            for key, each in node.items():
                yield from unbounded(each, f"{path}.{key}")

    found = set(unbounded(FunctionSpec.model_json_schema(), ""))
    # These are bounded by the sum of their bytes, which no schema can say.
    assert {path for path in found if not path.endswith((".additionalProperties", ".propertyNames"))} == set()


def test_the_schema_is_json():
    assert json.loads(json.dumps(Function.model_json_schema()))["properties"]["spec"]
