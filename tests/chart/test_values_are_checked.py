"""Values: all are described, checked, and do what they say; a wrong one is refused with its name."""

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml
from tests.chart.rendering import CHART, refusal, run_helm

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
EVERYTHING = yaml.safe_load((CHART / "ci" / "everything-values.yaml").read_text())
# Checked by the API server, or somebody else's.
OPEN = {"affinity", "global"}


def _schemas(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = [(path, schema)]
    for keyword in ("properties", "$defs"):
        for name, inner in schema.get(keyword, {}).items():
            found += _schemas(inner, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            found += _schemas(schema[keyword], f"{path}[]")
    for inner in schema.get("anyOf", []):
        found += _schemas(inner, path)
    return found


def _keys(values: Any, path: str = "") -> set[str]:
    """Paths of values, down to those whose content is the cluster's or a person's own."""
    if not isinstance(values, dict) or re.search(
        r"(runtimes|nodeSelector|[lL]abels|[aA]nnotations|affinity)$", path
    ):
        return {path}
    return {found for name, value in values.items() for found in _keys(value, f"{path}.{name}".lstrip("."))}


def _leaves(schema: dict[str, Any], path: str = "") -> set[str]:
    schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] | schema if "$ref" in schema else schema
    if "properties" not in schema:
        return {path}
    return {
        found
        for name, inner in schema["properties"].items()
        if name not in ("global", "ephemeral-storage")
        for found in _leaves(inner, f"{path}.{name}".lstrip("."))
    }


def test_the_schema_is_one_and_the_defaults_and_the_file_that_sets_everything_keep_it() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for values in (DEFAULTS, EVERYTHING):
        jsonschema.validate(values, SCHEMA)


def test_every_value_is_described() -> None:
    for path, schema in _schemas(SCHEMA):
        assert schema.get("description") or "$ref" in schema, path


def test_no_object_takes_unknown_values() -> None:
    for path, schema in _schemas(SCHEMA):
        name = path.rpartition(".")[2]
        if schema.get("type") == "object" and name not in OPEN:
            others = schema.get("additionalProperties")
            assert others is False or name == "runtimes" or others["type"] == "string", path


def test_defaults_name_every_value_of_the_schema_and_no_other() -> None:
    assert _keys(DEFAULTS) == _leaves(SCHEMA)


def test_the_file_that_sets_everything_sets_everything_to_something_else() -> None:
    set_to = {key: _at(EVERYTHING, key) for key in _leaves(SCHEMA)}
    same = {key for key, value in set_to.items() if value == _at(DEFAULTS, key)}
    # A NATS of one's own is the subject of own-nats-values.yaml; accounts and policies are on in both.
    assert same == {"nats.url", "networkPolicy.enabled", "nats.persistence.enabled"}


def _at(values: dict[str, Any], path: str) -> Any:
    for name in path.split("."):
        values = values[name]
    return values


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("gateway.replica=3", "'replica' not allowed"),
        ("nats.replicas=2", "at '/nats/replicas'"),
        ("images.tag=latest", "at '/images/tag'"),
        ("nats.url=http://nats", "at '/nats/url'"),
        ("nats.storage=10", "at '/nats/storage'"),
        ("gateway.ingress.enabled=true", "at '/gateway/ingress/hosts'"),
        ("runtimes.ruby.family=ruby", "at '/runtimes/ruby"),
        ("gateway.service.type=Loadbalancer", "at '/gateway/service/type'"),
        ("gateway.resources.limits.memory=lots", "at '/gateway/resources/limits/memory'"),
        ("defaultNamespace=Shop", "at '/defaultNamespace'"),
        ("gateway.terminationGracePeriodSeconds=5", "at '/gateway/terminationGracePeriodSeconds'"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, said: str) -> None:
    assert said in refusal(value)


@pytest.mark.parametrize("values", [None, "everything", "own-nats", "no-storage"])
def test_helm_finds_nothing_wrong(values: str | None) -> None:
    files = ["--values", str(CHART / "ci" / f"{values}-values.yaml")] if values else []
    done = run_helm("lint", "--strict", CHART, *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_notes_show_the_next_commands() -> None:
    # As on a cluster, which none is asked for: the notes are no part of what `helm template` prints.
    done = run_helm("install", "mayfly", CHART, "--dry-run=client", "--namespace", "elsewhere")
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert "kubectl apply --namespace default" in notes
    assert "kubectl port-forward --namespace elsewhere service/mayfly-gateway 9000:80" in notes
    assert "helm test --namespace elsewhere mayfly" in notes
    assert "WARNING" not in notes


def test_the_notes_warn_where_what_is_stored_can_be_lost() -> None:
    done = run_helm("install", "mayfly", CHART, "--dry-run=client", "--set", "nats.persistence.enabled=false")
    assert "WARNING: NATS stores in an emptyDir" in done.stdout
