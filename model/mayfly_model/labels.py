"""The names by which Mayfly's parts find each other on a cluster: labels, annotations, field managers, objects.

Rule: every such name is made here and nowhere else; object names are deterministic, so that who makes one twice
makes one object. A name fits what it goes into: a label's value and a hostname hold 63 characters.
"""

import re
from typing import Final

from mayfly_model.names import LATEST

GROUP: Final = "mayfly.dev"
VERSION: Final = "v1beta1"
CATEGORY: Final = "mayfly"
"""`kubectl get mayfly` shows every kind."""

FUNCTION_LABEL: Final = "mayfly.dev/function"
"""Object name of an instance's Function."""
VERSION_LABEL: Final = "mayfly.dev/version"
"""Object name of an instance's Version."""
RUNTIME_LABEL: Final = "mayfly.dev/runtime"
"""Identifier of an instance's runtime."""
POOL_LABEL: Final = "mayfly.dev/pool"
"""Identifier of the runtime for which a pod waits in the namespace's pool; an instance of a function has it no more."""
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "mayfly"
INSTANCE_COMPONENT: Final = "instance"
"""Component of every pod that runs, or is to run, a function."""
INSTANCE_SELECTOR: Final = f"{COMPONENT_LABEL}={INSTANCE_COMPONENT},{MANAGED_BY_LABEL}={MANAGED_BY}"
"""Label selector of every instance."""

CONTAINER: Final = "function"
"""Name of the container in which an instance's agent and function run."""
REVISION_ANNOTATION: Final = "mayfly.dev/revision"
"""The content, named by `spec.revision` of its Version, that an instance was made for."""
POOL_TEMPLATE_ANNOTATION: Final = "mayfly.dev/pool-template"
"""Names what a pool's pod was made from; one of another template than the pool's youngest is not claimed any more."""
POOL_LIFETIME_ANNOTATION: Final = "mayfly.dev/pool-lifetime"
"""Seconds after which the agent of a pool's pod ends by itself, if nobody has claimed it."""
ACCOUNT_ANNOTATION: Final = "mayfly.dev/account-id"
"""A namespace's 12-digit account id, where it has one."""

OPERATOR_FIELD_MANAGER: Final = "mayfly-operator"
GATEWAY_FIELD_MANAGER: Final = "mayfly-gateway"
SCALING_FIELD_MANAGER: Final = "mayfly-gateway-scaling"
CLI_FIELD_MANAGER: Final = "mayfly-cli"

LATEST_SUFFIX: Final = "latest"
"""What stands for `$LATEST` in the name of a Version."""

_REVISION_SHOWN = 8
_POD_NAME = re.compile(r"(?P<version>.+)-(?P<revision>[0-9a-f]{8})-(?P<ordinal>0|[1-9][0-9]*)")


def latest_version_name(function: str) -> str:
    """Object name of a Function's `$LATEST`: `hello.latest` of `hello`."""
    return f"{function}.{LATEST_SUFFIX}"


def version_name(function: str, function_version: str) -> str:
    """Object name of a Function's version: `hello.7` of `hello` and `7`, `hello.latest` of `$LATEST`."""
    return f"{function}.{LATEST_SUFFIX if function_version == LATEST else function_version}"


def alias_name(function: str, alias: str) -> str:
    """Object name of a Function's alias: `hello.live` of `hello` and `live`."""
    return f"{function}.{alias}"


def split_name(name: str) -> tuple[str, str]:
    """Function and qualifier of a Version's or Alias's object name: `hello.latest` is `hello` and `$LATEST`."""
    function, _, qualifier = name.partition(".")
    return function, LATEST if qualifier == LATEST_SUFFIX else qualifier


def pod_name(version: str, revision: str, ordinal: int) -> str:
    """Name of an instance's pod: `hello.latest-0a1b2c3d-0`.

    Args:
        version: object name of the Version.
        revision: the Version's `spec.revision`.
        ordinal: counted from 0.
    """
    return f"{version}-{revision[:_REVISION_SHOWN]}-{ordinal}"


def pod_ordinal(version: str, revision: str, pod: str) -> int | None:
    """The ordinal in a pod's name; `None` if it is no instance of this version and revision."""
    match = _POD_NAME.fullmatch(pod)
    if match is None or (match["version"], match["revision"]) != (version, revision[:_REVISION_SHOWN]):
        return None
    return int(match["ordinal"])


def pool_pod_name(runtime: str, suffix: str) -> str:
    """Name of a pool's pod: `pool-python3-13-x7k2p` of `python3.13`; the suffix is random."""
    return f"pool-{runtime.replace('.', '-')}-{suffix}"


def pool_labels(runtime: str) -> dict[str, str]:
    """Labels of a pod that waits in a pool."""
    return {
        POOL_LABEL: runtime,
        RUNTIME_LABEL: runtime,
        COMPONENT_LABEL: INSTANCE_COMPONENT,
        MANAGED_BY_LABEL: MANAGED_BY,
    }


def version_selector(version: str) -> str:
    """Label selector of a Version's instances."""
    return f"{VERSION_LABEL}={version}"


def instance_labels(*, function: str, version: str, runtime: str | None) -> dict[str, str]:
    """Labels of an instance's pod; an image function has no runtime."""
    labels = {
        FUNCTION_LABEL: function,
        VERSION_LABEL: version,
        COMPONENT_LABEL: INSTANCE_COMPONENT,
        MANAGED_BY_LABEL: MANAGED_BY,
    }
    return labels | ({RUNTIME_LABEL: runtime} if runtime else {})
