"""Documents made of a CustomResourceDefinition's schema: most of them right, some wrong somewhere, none meant well."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

Schema = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[2] / "crds"
KINDS = ("functions", "versions", "aliases")
# What engines of patterns disagree about: ends of lines, and what a space is.
EDGES = [
    "\n",
    " ",
    "\t",
    "\v",
    "\x1c",
    "\x85",
    "\xa0",
    "\u2003",
    "\u2028",
    "\0",
    "\u0131",
    "\u212a",
    "é",
    ".",
]
VARIABLES = [
    "LEVEL",
    "A1",
    "A",
    "_A",
    "1A",
    "A-B",
    "AWS_REGION",
    "_HANDLER",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "É1",
]
FILES = ["app.py", "pkg/app.py", "app.py/x", "../app.py", "/app.py", "a//b", "", "."]
KEYS = {"variables": VARIABLES, "inline": FILES}
VALUES = ["", "x", "1", "64", "65", "\0", "é" * 2000]

_MOSTLY = st.sampled_from([True] * 9 + [False])


@cache
def spec_schema(kind: str) -> Schema:
    """The schema of a kind's spec, as it is installed."""
    definition = yaml.safe_load((FOLDER / f"{kind}.yaml").read_text())
    (version,) = definition["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


@cache
def specs(kind: str) -> st.SearchStrategy[Any]:
    """Specs of a kind; about one in two is wrong."""
    return _with_mistakes(_of(spec_schema(kind)))


def _of(schema: Schema, name: str = "") -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "string":
            return _texts(schema)
        case "integer":
            return st.sampled_from([schema["minimum"], schema["maximum"]]) | st.integers(
                schema["minimum"], schema["maximum"]
            )
        case "number":
            return st.floats(schema["minimum"], schema["maximum"])
        case "array":
            return st.lists(_of(schema["items"]), max_size=2)
    if "additionalProperties" in schema:
        return _mappings(KEYS[name][:2], VALUES[:3]) | _mappings(KEYS[name], VALUES)
    return _objects(schema, name)


def _mappings(keys: list[str], values: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from(keys), st.sampled_from(values), min_size=1, max_size=3)


def _texts(schema: Schema) -> st.SearchStrategy[str]:
    if "pattern" not in schema:
        return st.text(max_size=8) | st.just("x" * schema["maxLength"])
    longest = schema.get("maxLength", 1000)
    return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: len(text) <= longest)


@st.composite
def _objects(draw: st.DrawFn, schema: Schema, name: str) -> dict[str, Any]:
    fields = schema["properties"]
    required = schema.get("required", ())
    optional = [field for field in fields if field not in required]
    rules = "".join(rule["rule"] for rule in schema.get("x-kubernetes-validations", ()))
    if "== 1" in rules and draw(_MOSTLY):
        chosen = [draw(st.sampled_from(optional))]
    else:
        chosen = draw(st.lists(st.sampled_from(optional), max_size=4, unique=True)) if optional else []
    given = {field: draw(_of(fields[field], field)) for field in [*required, *chosen]}
    return _likely(given) if draw(_MOSTLY) else given


def _likely(given: dict[str, Any]) -> dict[str, Any]:
    """With what a person would not forget to write."""
    if "code" in given and "image" in given["code"]:
        return {key: value for key, value in given.items() if key not in ("runtime", "handler")} | {
            "packageType": "Image"
        }
    if "code" in given:
        return {"runtime": "python3.13", "handler": "app.handler"} | given | {"packageType": "Zip"}
    if given and set(given) <= {"url", "sha256"}:
        return {"url": "https://x/y.zip", "sha256": "0" * 64} | given
    return given


@st.composite
def _with_mistakes(draw: st.DrawFn, right: st.SearchStrategy[Any]) -> Any:
    document = copy.deepcopy(draw(right))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        holder, key = draw(st.sampled_from(_places(document)))
        holder[key] = draw(_instead_of(holder[key]))
    return document


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every holder and key within."""
    found = [(document, key) for key in (document if isinstance(document, dict) else range(len(document)))]
    for holder, key in list(found):
        if isinstance(holder[key], dict | list):
            found += _places(holder[key])
    return found


def _instead_of(value: Any) -> st.SearchStrategy[Any]:
    other = st.sampled_from([True, 0, -1, 1.5, 2**40, "", "x", [], {}, ["x"], {"x": "y"}, "x" * 5000])
    match value:
        case str():
            return other | st.sampled_from(
                [value + edge for edge in EDGES] + [edge + value for edge in EDGES]
            )
        case dict():
            return other | st.just({**value, "unheardOf": 1})
        case list():
            return other | st.just([*value, *value, *value])
        case int():
            return other | st.sampled_from([value - 1, value + 1, str(value)])
    return other
