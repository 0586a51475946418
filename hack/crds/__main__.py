"""Write the CustomResourceDefinitions from the model into crds/ and into the chart; with --check, compare.

python hack/crds [--check]
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from rules import OBJECT_RULES
from schemas import structural, with_bounds

from mayfly_model.alias import AliasSpec, AliasStatus
from mayfly_model.function import FunctionSpec, FunctionStatus
from mayfly_model.labels import CATEGORY, GROUP, VERSION
from mayfly_model.version import VersionSpec, VersionStatus

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "crds", ROOT / "charts/mayfly/files/crds")

_READY = '.status.conditions[?(@.type=="Ready")]'
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> dict[str, Any]:
    """A column of `kubectl get`."""
    return {"name": name, "type": kind, "jsonPath": path} | ({"priority": 1} if wide else {})


STATE = [
    column("Ready", f"{_READY}.status"),
    column("Reason", f"{_READY}.reason"),
    column("Message", f"{_READY}.message", wide=True),
]
COLUMNS = {
    "Function": [
        column("Runtime", ".spec.runtime"),
        column("Memory", ".spec.memorySize", "integer"),
        *STATE,
        column("Instances", ".status.instances", "integer"),
        column("Published", ".status.lastPublishedVersion", "integer", wide=True),
        column("Timeout", ".spec.timeout", "integer", wide=True),
        column("Last invocation", ".status.lastInvocationTime", "date"),
        _AGE,
    ],
    "Version": [
        column("Function", ".spec.functionName"),
        column("Version", ".spec.functionVersion"),
        *STATE,
        column("Wanted", ".spec.instances", "integer"),
        column("Instances", ".status.instances", "integer"),
        column("Aliases", ".status.aliases"),
        column("Provisioned", ".spec.provisionedConcurrentExecutions", "integer", wide=True),
        column("Provisioning", ".status.provisionedConcurrency.status"),
        column("Description", ".spec.description", wide=True),
        column("Code", ".spec.codeSha256", wide=True),
        _AGE,
    ],
    "Alias": [
        column("Function", ".spec.functionName"),
        column("Version", ".spec.functionVersion"),
        column("Serves", ".status.functionVersion"),
        column("Additional", ".spec.routing.additionalVersion"),
        column("Weight", ".spec.routing.weight", "number"),
        column("Provisioned", ".status.provisionedConcurrency.requested", "integer"),
        column("Provisioning", ".status.provisionedConcurrency.status"),
        *STATE,
        column("Rollout", '.status.conditions[?(@.type=="Progressing")].message', wide=True),
        column("Description", ".spec.description", wide=True),
        _AGE,
    ],
}
KINDS = {
    "Function": ("functions", ["fn"], FunctionSpec, FunctionStatus, "A function: code, and how it is run."),
    "Version": ("versions", ["fnv"], VersionSpec, VersionStatus, "A version of a function, held fast."),
    "Alias": ("aliases", ["fna"], AliasSpec, AliasStatus, "A name of one's own for a version of a function."),
}
LONGEST_NAMES = {"Function": 52, "Version": 62, "Alias": 116}
SCALE = {
    "specReplicasPath": ".spec.instances",
    "statusReplicasPath": ".status.instances",
    "labelSelectorPath": ".status.labelSelector",
}


def definition(kind: str) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    plural, short, spec, status, description = KINDS[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": short,
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": COLUMNS[kind],
                    "subresources": {"status": {}} | ({"scale": SCALE} if kind == "Version" else {}),
                    "schema": {
                        "openAPIV3Schema": whole(
                            kind, description, with_bounds(structural(spec)), structural(status)
                        )
                    },
                }
            ],
        },
    }


def whole(kind: str, description: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """The schema of the whole object."""
    return {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "description": "Version of the API that the object is written for.",
                "type": "string",
            },
            "kind": {"description": "Kind of the object.", "type": "string"},
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": LONGEST_NAMES[kind]}},
            },
            "spec": spec,
            "status": status,
        },
        "x-kubernetes-validations": OBJECT_RULES[kind],
    }


def main() -> None:
    """Write or compare every file."""
    stale = []
    for kind in KINDS:
        text = "# Generated from the model by `make generate`.\n" + yaml.safe_dump(
            definition(kind), sort_keys=False, width=110, allow_unicode=True
        )
        for folder in FOLDERS:
            path = folder / f"{KINDS[kind][0]}.yaml"
            if "--check" not in sys.argv:
                folder.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            elif not path.exists() or path.read_text() != text:
                stale.append(str(path.relative_to(ROOT)))
    if stale:
        raise SystemExit(f"not what the model says (run `make generate`): {', '.join(stale)}")


if __name__ == "__main__":
    main()
