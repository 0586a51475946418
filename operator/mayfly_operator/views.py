"""What the operator keeps of Functions, Versions, Aliases and pods: a few hundred bytes each, read from the API's JSON.

Rule: pure, and forgiving: an object that another release or a person wrote is read as far as it can be. Code and
environment are not kept; who needs them reads the object again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mayfly_model.conditions import Reason
from mayfly_model.rollout import RolloutStatus
from mayfly_model.sizing import fits_a_pool

Key = tuple[str, str]
"""Namespace and name."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which object, and which state of it. `resource_version` grows with every change of the object."""

    namespace: str
    name: str
    uid: str
    resource_version: int
    deleting: bool

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionView(Identity):
    """A Function. `created` is RFC 3339; `wanted` is the digest of the `$LATEST` that it asks for.

    `wanted` is None where a ConfigMap has the code, or where the spec is `refused`. `last` is the highest number that
    was ever published.
    """

    generation: int
    created: str
    lambda_name: str
    config_map: str | None
    wanted: str | None
    refused: "Trouble | None"
    publish_on_change: bool
    last: int
    status: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an instance's pod is made from. Sizes in MB."""

    runtime: str | None
    memory_size: int
    ephemeral_storage: int
    service_account: str | None
    config_maps: tuple[str, ...]
    secrets: tuple[str, ...]

    @property
    def pool(self) -> str | None:
        """The runtime whose warm pool its instances may come from; None if they cannot."""
        fits = fits_a_pool(
            service_account=self.service_account,
            config_maps=self.config_maps,
            secrets=self.secrets,
            ephemeral_storage=self.ephemeral_storage,
        )
        return self.runtime if fits else None


@dataclass(frozen=True, slots=True)
class Claim:
    """A pod of a pool that a gateway has made an instance of a Version, of this revision."""

    name: str
    uid: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView(Identity):
    """A Version. `digest` names all that the operator applies to it; `retired` are uids of pods.

    `number` is None for `$LATEST`. `content` names what a change of makes a new version, and is empty where there is
    no configuration. `refused`: why it cannot be used as it is.
    """

    generation: int
    function: str
    owner: str | None
    lambda_name: str | None
    digest: str
    revision: str | None
    instances: int
    retired: frozenset[str]
    claimed: tuple[Claim, ...] = ()
    shape: Shape | None
    number: int | None
    provisioned: int | None = None
    content: str = ""
    refused: "Trouble | None" = None
    status: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasView(Identity):
    """An Alias. `versions` are those that its spec names, as Lambda names them: the alias's own, then the other one.

    `provisioned`: how many instances are to be kept initialised now; `scaled` says why, where clock and load decide it.
    `gradual`: it goes from one version to another by a rollout; `rollout` is the last one, as gateways tell of it.
    """

    generation: int
    function: str
    owner: str | None
    alias: str
    versions: tuple[str, ...]
    weight: float
    provisioned: int | None
    scaled: str | None = None
    gradual: bool
    rollout: RolloutStatus | None
    refused: "Trouble | None"
    status: Json


@dataclass(frozen=True, slots=True)
class Trouble:
    """A cause, as a condition tells it."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a pod ended. `word` is Kubernetes's reason, such as OOMKilled; `lived` is in seconds, 0 if it never ran."""

    failed: bool
    word: str
    message: str
    lived: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView(Identity):
    """An instance's pod. Times are POSIX; `trouble` is why it does not start.

    `pool`: the runtime in whose pool it waits, empty for a Version's. What waits is made from `template`, and ends by
    itself when it `expires`.
    """

    version: str
    function: str
    owner: str | None
    revision: str
    pool: str
    template: str
    created: float
    expires: float
    running_since: float | None
    trouble: Trouble | None
    ending: Ending | None


_OTHERS: Final = frozenset({"instances", "provisionedConcurrentExecutions"})


def digest(spec: Json) -> str:
    """Names what is applied to a Version, without what others write there."""
    content = {key: value for key, value in spec.items() if key not in _OTHERS}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def identity(item: Json) -> dict[str, Any]:
    """The arguments of :class:`Identity`."""
    metadata = item["metadata"]
    return {
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
        "resource_version": int(metadata.get("resourceVersion") or 0),
        "deleting": metadata.get("deletionTimestamp") is not None,
    }


def owner(item: Json) -> str | None:
    """Uid of the object that owns this one."""
    for reference in item["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return None


def function_owner(item: Json) -> str | None:
    """Uid of the Function that owns this Version or Alias."""
    for reference in item["metadata"].get("ownerReferences") or ():
        if reference.get("kind") == "Function":
            return str(reference["uid"])
    return None


def read_version(item: Json) -> VersionView:
    """A Version as the API gives it, but for what its content tells: see :mod:`mayfly_operator.published`."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    configuration = spec.get("configuration")
    return VersionView(
        **identity(item),
        generation=item["metadata"].get("generation", 0),
        function=spec.get("functionName", ""),
        owner=function_owner(item),
        number=_number(item["metadata"]["name"]),
        provisioned=spec.get("provisionedConcurrentExecutions"),
        lambda_name=(configuration or {}).get("functionName"),
        digest=digest(spec),
        revision=spec.get("revision"),
        instances=spec.get("instances") or 0,
        retired=frozenset(each["uid"] for each in status.get("retired") or ()),
        claimed=tuple(
            Claim(each["name"], each["uid"], each.get("revision") or "")
            for each in status.get("claimed") or ()
        ),
        shape=None if configuration is None else _shape(configuration),
        status=status,
    )


def _number(name: str) -> int | None:
    qualifier = name.rpartition(".")[2]
    return int(qualifier) if qualifier.isdecimal() else None


def _shape(configuration: Json) -> Shape:
    environment = configuration.get("environment") or {}
    return Shape(
        runtime=configuration.get("runtime"),
        memory_size=configuration.get("memorySize", 128),
        ephemeral_storage=(configuration.get("ephemeralStorage") or {}).get("size", 512),
        service_account=configuration.get("serviceAccountName"),
        config_maps=tuple(environment.get("configMapRefs") or ()),
        secrets=tuple(environment.get("secretRefs") or ()),
    )
