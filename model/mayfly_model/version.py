"""The Version: a function's code and configuration, held fast.

Rule: `hello.latest` is `$LATEST` and follows its Function; `hello.7` never changes once it has a snapshot. All that
an instance is started with is in the snapshot, archives and images excepted. `instances` is the gateway's alone.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from mayfly_model import limits
from mayfly_model.conditions import Conditions
from mayfly_model.function import API_VERSION, FunctionSpec
from mayfly_model.labels import split_name, version_name
from mayfly_model.metadata import Metadata, ObjectName
from mayfly_model.names import FUNCTION_VERSION_PATTERN, LATEST
from mayfly_model.part import Observed, Part, broken, text, whole_number
from mayfly_model.provisioned import ProvisionedStatus

VersionObjectName = Annotated[
    str,
    text(
        "<function>.<number>, or <function>.latest for $LATEST",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?\.(latest|[1-9][0-9]{0,8})$",
        most=62,
    ),
]
FunctionVersion = Annotated[
    str, text("$LATEST, or a version's number in quotes", pattern=FUNCTION_VERSION_PATTERN, most=9)
]
Digest = Annotated[str | None, text("64 hex digits", pattern=r"^[0-9a-f]{64}$", most=64)]


class VersionMetadata(Metadata):
    """Name and namespace of the Version, with labels and annotations."""

    name: VersionObjectName
    """Name of the object: the Function's, a dot, and the number."""


class VersionSpec(Part):
    """What the version is: written once, but for $LATEST."""

    function_name: ObjectName
    """Object name of the Function. It never changes."""
    description: Annotated[str, text("any text", least=0, most=limits.DESCRIPTION_LENGTH)] = ""
    """What is special about this version."""
    function_version: FunctionVersion | None = None
    """$LATEST, or the number in quotes. Written by the operator; the object's name says the same."""
    configuration: FunctionSpec | None = None
    """The Function's spec as it was at publication, with every default written out. Written by the operator; leave
    it out to publish the Function as it is now under this number."""
    code_sha256: Annotated[
        str | None, text("a SHA-256 in base64", pattern=r"^[A-Za-z0-9+/]{43}=$", most=44)
    ] = None
    """SHA-256 of the code in base64, as Lambda gives it. Written by the operator."""
    revision: Digest = None
    """Names what instances are made of, code and configuration together, in hexadecimal. Instances of another
    revision retire. Written by the operator."""
    instances: Annotated[int | None, whole_number(0, limits.INSTANCES_MAX)] = None
    """How many instances there should be; none when absent. Written by the gateway as calls come and go."""
    provisioned_concurrent_executions: Annotated[
        int | None, whole_number(1, limits.RESERVED_CONCURRENCY_MAX)
    ] = None
    """Instances that are kept initialised at all times; not for $LATEST. Unlike what is published, it may change."""


class RetiredInstance(Observed):
    """An instance that the gateway uses no more and that does not end by itself."""

    name: Annotated[str, text("a pod's name", most=253)]
    """Name of the pod."""
    uid: Annotated[str, text("a pod's uid", most=128)]
    """Its uid; a later pod of the same name is another one."""


class ClaimedInstance(RetiredInstance):
    """A pod of a warm pool that the gateway has made an instance of this version."""

    revision: Digest = None
    """What it was made an instance of: `spec.revision` at that time."""


class VersionStatus(Observed):
    """What Mayfly found out about the version."""

    observed_generation: Annotated[int | None, whole_number(0, limits.GENERATION_MAX)] = None
    """Generation of the Version that the status tells about."""
    instances: Annotated[int, whole_number(0, limits.INSTANCES_MAX)] = 0
    """Instances that run."""
    label_selector: Annotated[str | None, text("a label selector", least=0, most=512)] = None
    """Selects the pods of this version, in the form that kubectl takes."""
    last_invocation_time: datetime | None = None
    """When the version was called last, give or take a minute."""
    conditions: Conditions = ()
    """Ready says whether calls are answered, and if not, why; the others say what that was folded from."""
    aliases: Annotated[
        tuple[Annotated[str, text("an alias", most=limits.ALIAS_NAME_LENGTH)], ...],
        Field(max_length=limits.ALIASES_MAX),
    ] = ()
    """Aliases that refer to the version, in the alphabet's order. While there are any, it cannot be deleted."""
    provisioned_concurrency: ProvisionedStatus | None = None
    """What became of the instances that are kept initialised."""
    retired: Annotated[tuple[RetiredInstance, ...], Field(max_length=limits.RETIRED_MAX)] = ()
    """Instances that the operator must delete: they hang, were lost, or run what is no more."""
    claimed: Annotated[tuple[ClaimedInstance, ...], Field(max_length=limits.CLAIMED_MAX)] = ()
    """Pods of a warm pool that the gateway has made instances of the version; the operator labels them so."""


class Version(Part):
    """A version of a function."""

    api_version: Literal["mayfly.dev/v1beta1"] = API_VERSION
    """Version of the API that the object is written for."""
    kind: Literal["Version"] = "Version"
    """Kind of the object."""
    metadata: VersionMetadata
    """Kubernetes's metadata."""
    spec: VersionSpec
    """What the version is."""
    status: Annotated[VersionStatus, Field(exclude=True)] = VersionStatus()
    """Written by the operator and the gateway; what a manifest says here is ignored."""

    @property
    def function_version(self) -> str:
        """`$LATEST` or the number, as the name says it."""
        return split_name(self.metadata.name)[1]

    @property
    def provisioned(self) -> int | None:
        """Instances that are to be kept initialised; None for none."""
        return self.spec.provisioned_concurrent_executions

    @property
    def is_latest(self) -> bool:
        """Whether it is `$LATEST`."""
        return self.function_version == LATEST

    @model_validator(mode="after")
    def _name_says_the_same(self) -> "Version":
        function, version = split_name(self.metadata.name)
        if function != self.spec.function_name:
            expected = version_name(self.spec.function_name, version)
            raise broken(f"found {self.metadata.name}; allowed: {expected}", "metadata", "name")
        if self.spec.function_version not in (None, version):
            raise broken(
                f"found {self.spec.function_version}; allowed: {version}, as the name says",
                "spec",
                "functionVersion",
            )
        if self.is_latest and self.spec.provisioned_concurrent_executions is not None:
            raise broken(
                "not allowed with $LATEST: publish a version first",
                "spec",
                "provisionedConcurrentExecutions",
            )
        return self
