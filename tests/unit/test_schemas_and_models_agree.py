"""What the model takes the API server takes, and what has the right shape for the API server has it for the model.

The API server's further rules, in CEL, are held against the model's in tests/cluster.
"""

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from tests.unit.crd_documents import KINDS, spec_schema, specs

from mayfly_model.alias import AliasSpec
from mayfly_model.function import RUNTIMES_IN_CONTEXT, FunctionSpec
from mayfly_model.part import RULE
from mayfly_model.version import VersionSpec

MODELS: dict[str, type[BaseModel]] = {
    "functions": FunctionSpec,
    "versions": VersionSpec,
    "aliases": AliasSpec,
}


def closed(schema: Any) -> Any:
    """As the API server reads it: no unknown fields, no item twice in a set, and `$` is the end of a text.

    Go, Rust and Python mean other things by `\\s` and the like, so no pattern may hold it.
    """
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(result.get("pattern"), str):
        assert result["pattern"].count("$") - result["pattern"].count(r"\$") == 1
        assert not re.search(r"\\[sSdDwWb]", result["pattern"])
        result["pattern"] = result["pattern"].removesuffix("$") + r"\Z"
    if "properties" in result and isinstance(result["properties"], dict) and "type" in result:
        result["additionalProperties"] = False
    if result.get("x-kubernetes-list-type") == "set":
        result["uniqueItems"] = True
    return result


VALIDATORS = {kind: jsonschema.Draft202012Validator(closed(spec_schema(kind))) for kind in KINDS}


def mistakes(kind: str, spec: Any) -> list[Any]:
    """What the model says against a spec."""
    try:
        MODELS[kind].model_validate(spec, by_name=False, by_alias=True, context={RUNTIMES_IN_CONTEXT: None})
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_shape_is_right_for_both_or_for_neither(kind: str, data: st.DataObject) -> None:
    spec = data.draw(specs(kind))
    said = mistakes(kind, spec)
    shapes = [each for each in said if each["type"] != RULE]
    refused = [error.message for error in VALIDATORS[kind].iter_errors(spec)]
    assert bool(shapes) == bool(refused), (said, refused)
