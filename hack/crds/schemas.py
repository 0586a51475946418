"""The model's JSON schema as the structural OpenAPI schema of a CustomResourceDefinition. Pure."""

from typing import Any

from rules import OPEN_FIELDS, RULES

Schema = dict[str, Any]

_LOCAL_ONLY = {"Code": ("directory", "zipFile")}
"""Sources that only the machine of a person has."""
_WHOLE = frozenset({"Code"})
"""Objects of which an apply replaces the whole: an archive takes the place of the inline files that it follows."""
_KEPT = (
    "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    "minProperties", "maxProperties",
)  # fmt: skip
_LONGEST = {"variables": 4096, "inline": 900_000}
"""Length of the values of mappings, in characters."""


def structural(model: type) -> Schema:
    """The schema of a model class, references put in place."""
    schema = model.model_json_schema(by_alias=True)  # type: ignore[attr-defined]
    return _object(schema, schema.get("$defs", {}))


def with_bounds(schema: Schema) -> Schema:
    """The same, its descriptions saying what `kubectl explain` does not print: bounds and defaults."""
    fields = {name: with_bounds(field) for name, field in schema.get("properties", {}).items()}
    facts = [schema["description"]]
    facts += [f"From {schema['minimum']} to {schema['maximum']}."] if "minimum" in schema else []
    facts += [f"Default: {schema['default']}."] if "default" in schema else []
    described = {"description": " ".join(facts)}
    return schema | described | ({"properties": fields} if fields else {})


def _object(schema: Schema, parts: dict[str, Schema]) -> Schema:
    title = schema.get("title", "")
    hidden = _LOCAL_ONLY.get(title, ())
    result: Schema = {"description": schema["description"], "type": "object"}
    required = [name for name in schema.get("required", ()) if name not in hidden]
    if required:
        result["required"] = required
    result["properties"] = {
        name: _field(name, field, parts) for name, field in schema["properties"].items() if name not in hidden
    }
    if title in _WHOLE:
        result["x-kubernetes-map-type"] = "atomic"
    if title in RULES:
        result["x-kubernetes-validations"] = RULES[title]
    return result


def _field(name: str, field: Schema, parts: dict[str, Schema]) -> Schema:
    kind = _resolved(field, parts)
    result = _object(kind, parts) if "properties" in kind else _plain(name, kind, parts)
    description = field.get("description") or kind.get("description", "")
    default = field.get("default")
    if default not in (None, "", [], {}) and not isinstance(default, dict):
        result["default"] = default
    return {
        "description": " ".join(description.split()),
        **{k: v for k, v in result.items() if k != "description"},
    }


def _plain(name: str, kind: Schema, parts: dict[str, Schema]) -> Schema:
    result = {key: kind[key] for key in _KEPT if key in kind}
    if "const" in kind:
        result |= {"type": "string", "enum": [kind["const"]]}
    if kind.get("type") == "array":
        result |= _items(name, kind, parts)
    elif kind.get("type") == "object":
        result["additionalProperties"] = {"type": "string", "maxLength": _LONGEST.get(name, 253)}
        if name in RULES:
            result["x-kubernetes-validations"] = RULES[name]
    if kind.get("type") == "integer":
        result["format"] = "int64"
    if result.get("minLength") == 0:
        del result["minLength"]
    return result


def _items(name: str, kind: Schema, parts: dict[str, Schema]) -> Schema:
    items = _field("", {"description": "", **kind["items"]}, parts)
    if not items["description"]:
        del items["description"]
    if name == "conditions":
        return {"items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    if name in ("retired", "claimed"):
        return {"items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]}
    if name == "scheduledActions":
        return {"items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    return {"items": items, "x-kubernetes-list-type": "atomic" if name in OPEN_FIELDS else "set"}


def _resolved(field: Schema, parts: dict[str, Schema]) -> Schema:
    """The field's own type, references followed and null left out."""
    if "$ref" in field:
        return parts[field["$ref"].rpartition("/")[2]]
    for choice in field.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolved({**choice, "description": field.get("description", "")}, parts)
    for choice in field.get("allOf", ()):
        return _resolved(choice, parts)
    return field
