"""The function's own variables, out of its manifest and the Secrets and ConfigMaps that it names."""

from collections.abc import Mapping

from mayfly_gateway.backends.local.errors import MissingReferenceError
from mayfly_model.environment import Environment

Objects = Mapping[str, Mapping[str, str]]
"""Secrets or ConfigMaps of one namespace: the values, decoded, by object and key."""


def function_variables(
    declared: Environment, config_maps: Objects, secret_objects: Objects
) -> dict[str, str]:
    """The function's own variables, the more particular winning: ConfigMaps, Secrets, then `variables`.

    Raises:
        MissingReferenceError: a Secret or ConfigMap that is named does not exist.
    """
    merged: dict[str, str] = {}
    for kind, names, objects in (
        ("ConfigMap", declared.config_map_refs, config_maps),
        ("Secret", declared.secret_refs, secret_objects),
    ):
        for name in names:
            if name not in objects:
                raise MissingReferenceError(
                    f"{kind} {name} is in none of the manifests: add it or drop the reference"
                )
            merged |= objects[name]
    return merged | declared.variables
