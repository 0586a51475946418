"""Custom resources as the Lambda API takes them: read with what the API server knows of them, and written. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mayfly_gateway.lambda_api.registry import Stored, T
from mayfly_model import objects
from mayfly_model.alias import Alias
from mayfly_model.function import API_VERSION, Function
from mayfly_model.labels import FUNCTION_LABEL, MANAGED_BY, MANAGED_BY_LABEL
from mayfly_model.version import Version

Json = dict[str, Any]

_BEGINNING: Final = datetime.fromtimestamp(0, UTC)


def function(item: Json) -> Stored[Function]:
    """A Function; whether its runtime exists is not asked.

    Raises:
        RefusedError: it cannot be read.
    """
    return _stored(item, objects.read_function(item, runtimes=None))


def version(item: Json) -> Stored[Version]:
    """A Version.

    Raises:
        RefusedError: it cannot be read.
    """
    return _stored(item, objects.read_version(item))


def alias(item: Json) -> Stored[Alias]:
    """An Alias.

    Raises:
        RefusedError: it cannot be read.
    """
    return _stored(item, objects.read_alias(item))


def manifest(kind: str, owner: Stored[Function], name: str, spec: Json) -> Json:
    """A Version or an Alias, as it is created; it goes with its Function."""
    reference = {
        "apiVersion": API_VERSION,
        "kind": "Function",
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {
            "namespace": owner.namespace,
            "name": name,
            "labels": {FUNCTION_LABEL: owner.name, MANAGED_BY_LABEL: MANAGED_BY},
            "ownerReferences": [reference],
        },
        "spec": spec,
    }


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    """A merge patch that makes the one of the other; a field that neither has, a newer release's, stays."""
    changes = {name: value for name, value in after.items() if before.get(name) != value}
    for name, value in changes.items():
        older = before.get(name)
        if isinstance(value, dict) and isinstance(older, dict):
            changes[name] = value | dict.fromkeys(older.keys() - value.keys())
    return changes | dict.fromkeys(before.keys() - after.keys())


def _stored(item: Json, read: T) -> Stored[T]:
    metadata = item["metadata"]
    owners = [each["uid"] for each in metadata.get("ownerReferences") or () if each["kind"] == "Function"]
    created = _time(metadata.get("creationTimestamp"))
    return Stored(
        item=read,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        state=metadata["resourceVersion"],
        created=created,
        changed=max((created, *_writes(metadata))),
        owner=owners[0] if owners else None,
    )


def _writes(metadata: Json) -> list[datetime]:
    """When each of its writers wrote it last, their writes of a status left out."""
    fields = metadata.get("managedFields") or ()
    return [_time(each.get("time")) for each in fields if not each.get("subresource")]


def _time(text: str | None) -> datetime:
    return _BEGINNING if not text else datetime.fromisoformat(text)
