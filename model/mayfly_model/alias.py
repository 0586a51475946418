"""The Alias: a name of one's own for a version, and perhaps for a share of a second one.

Rule: as on AWS: two weights need two published versions, and provisioned concurrency needs one; `$LATEST` may be
named alone. A rollout leads to one version, so that shares by hand and by itself exclude each other.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mayfly_model import limits
from mayfly_model.conditions import Conditions
from mayfly_model.function import API_VERSION
from mayfly_model.labels import LATEST_SUFFIX, alias_name, split_name
from mayfly_model.metadata import Metadata, ObjectName
from mayfly_model.names import LATEST, VERSION_NUMBER_PATTERN
from mayfly_model.part import Observed, Part, broken, text, whole_number
from mayfly_model.provisioned import ProvisionedStatus
from mayfly_model.provisioned_scaling import (
    ProvisionedConcurrencyScaling,
    ProvisionedConcurrencyScalingStatus,
)
from mayfly_model.rollout import Rollout, RolloutPhase, RolloutStatus
from mayfly_model.version import FunctionVersion

AliasObjectName = Annotated[
    str,
    text(
        "<function>.<alias>, the alias of lower-case letters, digits and -, at most 63 characters and no number",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        most=limits.OBJECT_NAME_LENGTH + 1 + limits.ALIAS_NAME_LENGTH,
    ),
]


class AliasMetadata(Metadata):
    """Name and namespace of the Alias, with labels and annotations."""

    name: AliasObjectName
    """Name of the object: the Function's, a dot, and the alias."""


class Routing(Part):
    """A second version that gets a share of the invocations."""

    additional_version: Annotated[
        str, text("a version's number in quotes", pattern=VERSION_NUMBER_PATTERN, most=9)
    ]
    """Number of the second version, in quotes."""
    weight: Annotated[float, Field(ge=0, le=1, strict=True)]
    """Share of the invocations that the second version gets."""


class AliasSpec(Part):
    """Where the alias points."""

    function_name: ObjectName
    """Object name of the Function. It never changes."""
    function_version: FunctionVersion
    """Version that the alias points to: a number in quotes, or $LATEST."""
    description: Annotated[str, text("any text", least=0, most=limits.DESCRIPTION_LENGTH)] = ""
    """What the alias is for."""
    routing: Routing | None = None
    """A second version that gets a share of the invocations, for a gradual change."""
    provisioned_concurrent_executions: Annotated[
        int | None, whole_number(1, limits.RESERVED_CONCURRENCY_MAX)
    ] = None
    """Instances that are kept initialised at all times; not for $LATEST."""
    provisioned_concurrency_scaling: ProvisionedConcurrencyScaling | None = None
    """More of them by the clock and by the load; not for $LATEST. Kept is the greatest of
    provisionedConcurrentExecutions, the windows that are open and minCapacity, or what target tracking asks for above
    that."""
    rollout: Rollout | None = None
    """How a change of functionVersion is brought about: step by step, watched, and taken back by itself. Not with
    routing, and not for $LATEST."""

    @property
    def is_provisioned(self) -> bool:
        """Whether instances are kept initialised, now or at times."""
        return (self.provisioned_concurrent_executions, self.provisioned_concurrency_scaling) != (None, None)

    @model_validator(mode="after")
    def _versions_fit(self) -> "AliasSpec":
        if self.function_version == LATEST and self.routing is not None:
            raise broken("not allowed with $LATEST: publish a version first", "routing")
        if self.function_version == LATEST and self.provisioned_concurrent_executions is not None:
            raise broken(
                "not allowed with $LATEST: publish a version first", "provisionedConcurrentExecutions"
            )
        if self.function_version == LATEST and self.provisioned_concurrency_scaling is not None:
            raise broken("not allowed with $LATEST: publish a version first", "provisionedConcurrencyScaling")
        if self.function_version == LATEST and self.rollout is not None:
            raise broken("not allowed with $LATEST: publish a version first", "rollout")
        if self.routing is not None and self.rollout is not None:
            raise broken("not allowed with routing: a rollout shifts the calls by itself", "rollout")
        if self.routing is not None and self.routing.additional_version == self.function_version:
            raise broken(
                "found the alias's own version; allowed: another one", "routing", "additionalVersion"
            )
        return self


class AliasStatus(Observed):
    """What Mayfly found out about the alias."""

    observed_generation: Annotated[int | None, whole_number(0, limits.GENERATION_MAX)] = None
    """Generation of the Alias that the status tells about."""
    function_version: FunctionVersion | None = None
    """Version that calls by this alias reach: what the spec said when every version that it named was there."""
    routing: Routing | None = None
    """The second version that gets a share of them; none when absent."""
    provisioned_concurrency: ProvisionedStatus | None = None
    """What became of the instances that are kept initialised."""
    provisioned_concurrency_scaling: ProvisionedConcurrencyScalingStatus | None = None
    """How many are asked for now by the clock and the load, and why. Written by the gateway that owns the function."""
    rollout: RolloutStatus | None = None
    """How far the last rollout is. Written by the gateway that owns the function."""
    conditions: Conditions = ()
    """Ready says whether calls by this alias are answered, and if not, why; Progressing, how a rollout goes."""


class Alias(Part):
    """A name of one's own for a version of a function."""

    api_version: Literal["mayfly.dev/v1beta1"] = API_VERSION
    """Version of the API that the object is written for."""
    kind: Literal["Alias"] = "Alias"
    """Kind of the object."""
    metadata: AliasMetadata
    """Kubernetes's metadata."""
    spec: AliasSpec
    """Where the alias points."""
    status: Annotated[AliasStatus, Field(exclude=True)] = AliasStatus()
    """Written by the operator; what a manifest says here is ignored."""

    @property
    def alias(self) -> str:
        """The alias as callers name it."""
        return split_name(self.metadata.name)[1]

    @property
    def provisioned(self) -> int | None:
        """Instances that are to be kept initialised now, as far as is told; None for none."""
        scaled = self.status.provisioned_concurrency_scaling
        if self.spec.provisioned_concurrency_scaling is None or scaled is None:
            return self.spec.provisioned_concurrent_executions
        return scaled.requested or None

    @property
    def serves_what_it_says(self) -> bool:
        """Whether calls by it reach what the spec says, or what they are back at for good, as far as is told."""
        said, served, rollout = self.spec, self.status, self.status.rollout
        if said.rollout is not None and rollout is not None and rollout.phase is RolloutPhase.ROLLED_BACK:
            there = rollout.from_version if rollout.to_version == said.function_version else None
            return (there, None) == (served.function_version, served.routing)
        return (said.function_version, said.routing) == (served.function_version, served.routing)

    @property
    def versions(self) -> frozenset[str]:
        """Versions that must not go: those that it names, and those that it serves while it cannot serve these."""
        said = (self.spec, self.status)
        named = {each.function_version for each in said}
        named |= {each.routing.additional_version for each in said if each.routing is not None}
        rollout = self.status.rollout
        if rollout is not None and rollout.phase is not RolloutPhase.COMPLETED:
            named.add(rollout.from_version)
        return frozenset(version for version in named if version is not None)

    @model_validator(mode="after")
    def _name_says_the_same(self) -> "Alias":
        function, _, alias = self.metadata.name.partition(".")
        if alias == LATEST_SUFFIX or alias.isdigit():
            raise broken(
                f"found the alias {alias}; allowed: any but latest and numbers, which are Versions",
                "metadata",
                "name",
            )
        if function != self.spec.function_name:
            expected = alias_name(self.spec.function_name, alias)
            raise broken(f"found {self.metadata.name}; allowed: {expected}", "metadata", "name")
        return self
