"""Pods, Versions and Aliases as they come from the API server: only what is read, in the server's own shape.

msgspec passes over everything else, so that an object is a few hundred bytes here, and a newer server's is no trouble.
"""

from typing import Any

import msgspec


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """An object's metadata; times are RFC 3339."""

    name: str
    uid: str
    namespace: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Waiting(msgspec.Struct, frozen=True):
    """Why a container does not run yet."""

    reason: str = ""
    message: str = ""


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class ContainerState(msgspec.Struct, frozen=True):
    """At most one of these is there; none means waiting."""

    waiting: Waiting | None = None
    running: dict[str, Any] | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True):
    """One container's state."""

    state: ContainerState = ContainerState()


class PodCondition(msgspec.Struct, frozen=True):
    """A condition of a pod."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What became of a pod."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[PodCondition, ...] | None = ()
    container_statuses: tuple[ContainerStatus, ...] | None = ()


class PodObject(msgspec.Struct, frozen=True):
    """A pod."""

    metadata: Metadata
    status: PodStatus = PodStatus()


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    """A condition of a Version."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    revision: str | None = None
    observed_generation: int | None = None
    last_transition_time: str = ""


class Retired(msgspec.Struct, frozen=True):
    """A pod that the operator is to delete."""

    name: str
    uid: str


class Claimed(msgspec.Struct, frozen=True):
    """A pod of a pool that is an instance of the Version, and is to be labelled so."""

    name: str
    uid: str
    revision: str = ""


class VersionSpec(msgspec.Struct, frozen=True, rename="camel"):
    """A Version's spec; `configuration` is a Function's, for pydantic to check."""

    function_name: str = ""
    function_version: str | None = None
    configuration: dict[str, Any] | None = None
    revision: str | None = None
    instances: int | None = None
    provisioned_concurrent_executions: int | None = None


class VersionStatus(msgspec.Struct, frozen=True, rename="camel"):
    """A Version's status."""

    conditions: tuple[Condition, ...] | None = ()
    retired: tuple[Retired, ...] | None = ()
    provisioned_concurrency: dict[str, Any] | None = None
    claimed: tuple[Claimed, ...] | None = ()
    last_invocation_time: str | None = None


class VersionObject(msgspec.Struct, frozen=True):
    """A Version."""

    metadata: Metadata
    spec: VersionSpec
    status: VersionStatus = VersionStatus()


class Routing(msgspec.Struct, frozen=True, rename="camel"):
    """A second version, and its share of the calls."""

    additional_version: str
    weight: float


class AliasRoute(msgspec.Struct, frozen=True, rename="camel"):
    """Where an alias points: what is read of its spec, and of its status, which says where it led.

    `rollout` and `provisioned_concurrency_scaling` are for pydantic to check.
    """

    function_version: str = ""
    routing: Routing | None = None
    provisioned_concurrent_executions: int | None = None
    provisioned_concurrency_scaling: dict[str, Any] | None = None
    rollout: dict[str, Any] | None = None
    observed_generation: int = 0


class AliasObject(msgspec.Struct, frozen=True):
    """An Alias."""

    metadata: Metadata
    spec: AliasRoute
    status: AliasRoute = AliasRoute()
