"""What pydantic reports, said to the person who wrote the manifest.

Rule: a sentence names what was found and what is allowed, and what is allowed is read from the schema, so
that the sentence and the rule cannot part ways. Pure: an error in, (path, sentence) pairs out.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mayfly_model.part import RULE

Path = tuple[str | int, ...]
Schema = Mapping[str, Any]

# Fields of AWS's API that have another place here, or none.
_ELSEWHERE = {
    "architectures": "instances have the architecture of their node",
    "image": "a container image goes into code.image",
    "imageUri": "write image",
    "layers": "layers are not supported: put their files into the code",
    "name": "write functionName, or metadata.name",
    "provisionedConcurrentExecutions": "provisioned concurrency is set on an Alias",
    "role": "write serviceAccountName",
    "s3": "a bucket is allowed in onFailure only, as on AWS",
    "tags": "write metadata.labels",
    "vpcConfig": "instances are in the cluster's network",
}


def sentences(model: type[BaseModel], error: ValidationError) -> list[tuple[Path, str]]:
    """Say each problem of a rejected object of this model: where it is, and a sentence."""
    return [_say(_schema(model), details) for details in error.errors(include_url=False)]


def nearest(word: str, words: list[str]) -> str | None:
    """The one of these words that was probably meant."""
    plain = {_plain(each): each for each in words}
    near = get_close_matches(_plain(word), plain, n=1, cutoff=0.6)
    return plain[near[0]] if near else None


def shown(value: object) -> str:
    """A value as a sentence shows it: never long, text in quotes."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)[:40]
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:60]}…" ({len(value)} characters)'
        case dict():
            return f"a mapping of {len(value)}"
        case list():
            return f"a list of {len(value)}"
        case _:
            return f"a {type(value).__name__}"


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


@cache
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(by_alias=True)


def _say(root: Schema, details: ErrorDetails) -> tuple[Path, str]:
    # pydantic marks an error of a key, as opposed to its value, by one more step.
    path = tuple(step for step in details["loc"] if step != "[key]")
    context = details.get("ctx", {})
    match details["type"]:
        case kind if kind == RULE:
            return path + tuple(context["field"]), str(context["sentence"])
        case "extra_forbidden":
            return path, _unknown_field(str(path[-1]), _at(root, path[:-1]))
        case "missing":
            return path, f"missing; {_allowed(root, _at(root, path))}"
        case "string_type" if isinstance(details["input"], int | float):
            return path, f"found {shown(details['input'])}, which is not text; put it in quotes"
        case _:
            return path, f"found {shown(details['input'])}; {_allowed(root, _at(root, path))}"


def _unknown_field(name: str, parent: Schema) -> str:
    known = list(parent.get("properties", {}))
    near = nearest(name, known)
    if near:
        return f"unknown field; did you mean {near}?"
    if name in _ELSEWHERE:
        return f"unknown field: {_ELSEWHERE[name]}"
    return f"unknown field; allowed: {', '.join(known)}"


def _at(root: Schema, path: Path) -> Schema:
    """The schema of the value at a path; empty where the schema says nothing about it."""
    schema = _resolved(root, root)
    for step in path:
        if isinstance(step, int):
            below = schema.get("items", {})
        else:
            below = schema.get("properties", {}).get(step) or schema.get("additionalProperties") or {}
        schema = _resolved(root, below if isinstance(below, dict) else {})
    return schema


def _resolved(root: Schema, schema: Schema) -> Schema:
    """Without references and without the null that an optional field allows besides."""
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return {**schema, **_resolved(root, choice)}
    if "$ref" in schema:
        return _resolved(root, root["$defs"][schema["$ref"].rpartition("/")[2]])
    return schema


def _allowed(root: Schema, schema: Schema) -> str:
    return f"allowed: {_allowed_words(root, schema)}"


def _allowed_words(root: Schema, schema: Schema) -> str:
    match schema:
        case {"x-allowed": str(words)}:
            return _within(words, schema)
        case {"const": value}:
            return str(value)
        case {"enum": list(values)}:
            return ", ".join(map(str, values))
        case {"minimum": least, "maximum": most}:
            unit = schema.get("x-unit")
            return f"{least} to {most}" + (f" ({unit})" if unit else "")
        case {"type": "array", "items": items}:
            most = schema.get("maxItems")
            return (
                "a list"
                + (f" of at most {most}" if most else "")
                + f", each {_allowed_words(root, _resolved(root, items))}"
            )
        case {"properties": properties}:
            return f"a mapping with {', '.join(properties)}"
        case {"type": "object"}:
            most = schema.get("maxProperties")
            return "a mapping of names to text" + (f", 1 to {most} of them" if most else "")
        case _:
            return "text"


def _within(words: str, schema: Schema) -> str:
    most = schema.get("maxLength")
    return words if most is None or "character" in words else f"{words}, at most {most} characters"
