"""Write docs/functions.md: every field of a Function, from the model itself.

python hack/function_reference.py > docs/functions.md
"""

import json
from collections.abc import Iterator
from typing import Any

from mayfly_model.function import FunctionSpec

HEAD = """# The Function

```yaml
apiVersion: mayfly.dev/v1beta1
kind: Function
metadata: {name: hello}
spec:
  runtime: python3.13
  handler: app.handler
  code: {directory: ./src}
  memorySize: 256
  timeout: 10
```

Names are Lambda's own in lowerCamelCase; where Kubernetes has its own word, it wins. An unknown field is an error that
names the nearest right one; every error names file, line and field, what was found and what is allowed. The object's
name is the function's Lambda name unless `functionName` says otherwise (Lambda allows `My_Fn`, Kubernetes does not).

Taken but not acted on yet, anywhere: `eventInvokeConfig`, `deadLetterConfig`, `recursiveLoop`. A container `image` is
refused as not supported yet. The local mode does not act on `serviceAccountName` and `ephemeralStorage`, and code by
`archive` needs a cluster.

| field | allowed | default | what |
|---|---|---|---|"""


def rows(schema: dict[str, Any], parts: dict[str, Any], path: str) -> Iterator[str]:
    """A table row for each field below `path`, parents before children."""
    for name, field in schema["properties"].items():
        where = f"{path}.{name}"
        kind = resolved(field, parts)
        default = "" if field.get("default") in (None, {}, []) else f"`{json.dumps(field['default'])}`"
        yield f"| `{where}` | {allowed(field, kind)} | {simple(default)} | {field.get('description', '')} |"
        if "properties" in kind:
            yield from rows(kind, parts, where)


def resolved(field: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """The field's own type, references followed and null left out."""
    if "$ref" in field:
        return dict(parts[field["$ref"].rpartition("/")[2]])
    for choice in field.get("anyOf", ()):
        if choice.get("type") != "null":
            return resolved(choice, parts)
    return field


def allowed(field: dict[str, Any], kind: dict[str, Any]) -> str:
    """What may stand there, in few words."""
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if words := field.get("x-allowed") or kind.get("x-allowed"):
        return str(words).replace("|", "\\|")
    if "minimum" in kind:
        return f"{kind['minimum']} to {kind['maximum']} {field.get('x-unit') or kind.get('x-unit') or ''}".strip()
    return {"object": "a mapping", "array": "a list", "string": "text"}.get(
        kind.get("type", ""), kind.get("type", "")
    )


def simple(default: str) -> str:
    """Defaults that are objects go without: their fields show their own."""
    return "" if default.startswith("`{") else default


if __name__ == "__main__":
    schema = FunctionSpec.model_json_schema(by_alias=True)
    print(HEAD)
    print("\n".join(rows(schema, schema["$defs"], "spec")))
