"""Kubernetes's metadata of an object, as far as Mayfly reads it.

Rule: a name is short enough that the names made from it (``<name>.<version>``) still fit labels and
hostnames; what only the API server writes is passed over.
"""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mayfly_model.limits import OBJECT_NAME_LENGTH
from mayfly_model.names import OBJECT_NAME_PATTERN
from mayfly_model.part import Part, text

ObjectName = Annotated[
    str,
    text(
        "lower-case letters, digits and -, a letter or digit at both ends, at most 52 characters"
        " (a Lambda name of another form goes into spec.functionName)",
        pattern=OBJECT_NAME_PATTERN,
        most=OBJECT_NAME_LENGTH,
    ),
]
Namespace = Annotated[str, text("a namespace's name", pattern=OBJECT_NAME_PATTERN, most=63)]

# An exported manifest carries these; they say nothing to its reader.
_SERVERS_FIELDS = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)


class Metadata(Part):
    """Name and namespace of the object, with labels and annotations."""

    name: ObjectName
    """Name of the object, and by default of the Lambda function."""
    namespace: Namespace = "default"
    """Namespace, which is the function's account."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations."""

    @model_validator(mode="before")
    @classmethod
    def _without_servers_fields(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if key not in _SERVERS_FIELDS}
        return data
