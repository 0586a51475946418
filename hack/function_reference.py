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

The object's name has at most 52 characters (pods, labels and host names are made of it), `functionName` up to 64.

**Folders and zip files are for `mayfly dev` and `mayfly deploy`.** `code.directory` and `code.zipFile` are paths on
your machine. An API server cannot read them, so to `kubectl apply` they are unknown fields; `mayfly deploy` uploads
what they name and applies `code.archive`. With kubectl alone use `inline`, `configMap` or `url`.

**Which runtimes there are** depends on the installation:
[those of the chart](runtime-images.md#which-runtimes-there-are).

The local mode does not act on `serviceAccountName` and `ephemeralStorage`, and code by `archive` needs a cluster.
Container images and asynchronous invocation are [not acted on yet](#not-acted-on-yet).

## Fields

| field | allowed | default | what |
|---|---|---|---|"""

MEMORY = """## Memory and CPU

| on a cluster | is |
|---|---|
| memory limit | `memorySize` |
| CPU limit | `memorySize` / 1769, as on AWS, but at least the chart's `instances.cpuLimitMinimum` (1000: a whole CPU) |
| memory request | the limit times `instances.requests.memory` (1) |
| CPU request | `memorySize` / 1769 times `instances.requests.cpu` (0.1) |

So as installed a function below 1769 MB may use a whole CPU where its node has one to spare, and is faster than on AWS;
when nodes are full, CPU is shared in proportion to `memorySize`. `instances.cpuLimitMinimum: 1` gives AWS's shares, and
AWS's slowness in the INIT of small functions, for which AWS lends a CPU and Kubernetes does not. The local mode
bounds memory, and CPU not at all."""

LATER = """## Not acted on yet

These are taken and checked, so that manifests that have them can be applied, and change nothing yet. A Function with
`packageType: Image` and `code.image` is not Ready (`InvalidSpec`).

| field | allowed | default | what |
|---|---|---|---|"""

NOT_YET = (
    "spec.code.image",
    "spec.packageType",
    "spec.eventInvokeConfig",
    "spec.deadLetterConfig",
    "spec.recursiveLoop",
)
"""Fields, with all below them, that nothing acts on."""


def rows(schema: dict[str, Any], parts: dict[str, Any], path: str) -> Iterator[str]:
    """A table row for each field below `path`, parents before children."""
    for name, field in schema["properties"].items():
        where = f"{path}.{name}"
        kind = resolved(field, parts)
        default = "" if field.get("default") in (None, {}, []) else f"`{json.dumps(field['default'])}`"
        what = " ".join(field.get("description", "").split())
        yield f"| `{where}` | {allowed(field, kind)} | {simple(default)} | {what} |"
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


def acted_on_later(row: str) -> bool:
    """Whether nothing acts on a row's field yet."""
    field = row.split("`")[1]
    return any(field == each or field.startswith(f"{each}.") for each in NOT_YET)


def simple(default: str) -> str:
    """Defaults that are objects go without: their fields show their own."""
    return "" if default.startswith("`{") else default


if __name__ == "__main__":
    schema = FunctionSpec.model_json_schema(by_alias=True)
    everything = list(rows(schema, schema["$defs"], "spec"))
    later = [row for row in everything if acted_on_later(row)]
    print(HEAD, *(row for row in everything if row not in later), sep="\n")
    print("", MEMORY, "", LATER, *later, sep="\n")
