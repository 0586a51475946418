"""The Function: what a person declares of a function, whole.

Rule: a Function that exists is right. Bounds are Lambda's (:mod:`mayfly_model.limits`); what Lambda does
not have is Kubernetes's word. The CRD is generated from these classes, so each field describes itself.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from mayfly_model import limits
from mayfly_model.conditions import Conditions
from mayfly_model.destinations import DeadLetterConfig, DestinationConfig
from mayfly_model.environment import MAX_CONCURRENCY, Environment
from mayfly_model.function_code import Code
from mayfly_model.metadata import Metadata
from mayfly_model.names import FUNCTION_NAME_PATTERN, SUBDOMAIN_PATTERN
from mayfly_model.part import NO_SPACE, Observed, Part, broken, text, whole_number
from mayfly_model.runtimes import RUNTIME_PATTERN, RUNTIMES, UnknownRuntimeError, find_runtime

API_VERSION: Final = "mayfly.dev/v1beta1"
RUNTIMES_IN_CONTEXT: Final = "runtimes"
"""Key of the validation context that holds the runtimes there are, by identifier; `None` for no check."""
PROVIDED: Final = "provided"
"""What a runtime's identifier begins with when the code brings its own bootstrap, and so needs no handler."""


def _known_runtime(name: str, info: ValidationInfo) -> str:
    runtimes = (info.context or {}).get(RUNTIMES_IN_CONTEXT, RUNTIMES)
    if runtimes is None:
        return name
    try:
        return find_runtime(name, runtimes).name
    except UnknownRuntimeError as error:
        raise broken(f'found "{name}"; {error}') from None


FunctionName = Annotated[
    str,
    text(
        "letters, digits, - and _, at most 64 characters",
        pattern=FUNCTION_NAME_PATTERN,
        most=limits.FUNCTION_NAME_LENGTH,
    ),
]
RuntimeName = Annotated[
    str,
    text(", ".join(RUNTIMES), pattern=RUNTIME_PATTERN, most=63),
    AfterValidator(_known_runtime),
]


class EphemeralStorage(Part):
    """The instance's own writable space."""

    size: Annotated[
        int, whole_number(limits.EPHEMERAL_STORAGE_MB_MIN, limits.EPHEMERAL_STORAGE_MB_MAX, "MB")
    ] = limits.EPHEMERAL_STORAGE_MB_MIN
    """Size of /tmp in MB."""


class EventInvokeConfig(Part):
    """How asynchronous invocations of $LATEST are retried, and where their records go."""

    maximum_retry_attempts: Annotated[int, whole_number(0, limits.RETRY_ATTEMPTS_MAX)] = (
        limits.RETRY_ATTEMPTS_DEFAULT
    )
    """How often a failed event is tried again."""
    maximum_event_age_in_seconds: Annotated[
        int, whole_number(limits.EVENT_AGE_S_MIN, limits.EVENT_AGE_S_MAX, "seconds")
    ] = limits.EVENT_AGE_S_MAX
    """How old an event may grow before it is given up."""
    destination_config: DestinationConfig = DestinationConfig()
    """Where records go."""


class LoggingConfig(Part):
    """How the function's log is written."""

    log_format: Literal["Text", "JSON"] = "Text"
    """Text, or one JSON object per line."""
    application_log_level: Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] | None = None
    """Least level of the function's own records; JSON only, INFO by default."""
    system_log_level: Literal["DEBUG", "INFO", "WARN"] | None = None
    """Least level of the platform's records; JSON only, INFO by default."""

    @model_validator(mode="after")
    def _levels_need_json(self) -> "LoggingConfig":
        if self.log_format == "Text" and self.application_log_level:
            raise broken("only allowed with logFormat JSON", "applicationLogLevel")
        if self.log_format == "Text" and self.system_log_level:
            raise broken("only allowed with logFormat JSON", "systemLogLevel")
        return self


class FunctionSpec(Part):
    """What the function is and how it runs."""

    function_name: FunctionName | None = None
    """Lambda name, where it differs from the object's name."""
    description: Annotated[str, text("any text", least=0, most=limits.DESCRIPTION_LENGTH)] = ""
    """What the function is for."""
    package_type: Literal["Zip", "Image"] = "Zip"
    """Zip for code that a runtime runs, Image for a container image."""
    runtime: RuntimeName | None = None
    """Lambda's identifier of the runtime, such as python3.13; not with an image."""
    handler: Annotated[
        str | None, text("text without spaces", pattern=rf"^{NO_SPACE}+$", most=limits.HANDLER_LENGTH)
    ] = None
    """What the runtime calls, such as app.handler; bootstrap by default for a provided runtime."""
    code: Code
    """Where the code comes from, exactly one source. A folder or a zip file of one's machine is none that an API server
    could read: `mayfly deploy` takes both, uploads them and applies their archive."""
    memory_size: Annotated[int, whole_number(limits.MEMORY_MB_MIN, limits.MEMORY_MB_MAX, "MB")] = (
        limits.MEMORY_MB_DEFAULT
    )
    """Memory of an instance in MB. CPU follows it, 1769 MB being one virtual CPU, but an instance may use at least what
    the chart's instances.cpuLimitMinimum says: a whole CPU unless that was changed."""
    timeout: Annotated[int, whole_number(limits.TIMEOUT_S_MIN, limits.TIMEOUT_S_MAX, "seconds")] = (
        limits.TIMEOUT_S_DEFAULT
    )
    """How long one invocation may run, in seconds."""
    ephemeral_storage: EphemeralStorage = EphemeralStorage()
    """The instance's own writable space."""
    keep_alive: Annotated[int, whole_number(0, limits.KEEP_ALIVE_S_MAX, "seconds")] = (
        limits.KEEP_ALIVE_S_DEFAULT
    )
    """How long an idle instance is kept, in seconds."""
    service_account_name: Annotated[
        str | None, text("a ServiceAccount's name", pattern=SUBDOMAIN_PATTERN, most=253)
    ] = None
    """ServiceAccount that is the function's execution role; none by default."""
    environment: Environment = Environment()
    """Environment variables."""
    reserved_concurrent_executions: Annotated[
        int | None, whole_number(0, limits.RESERVED_CONCURRENCY_MAX)
    ] = None
    """Most invocations at once, taken out of the namespace's limit; 0 throttles everything."""
    publish: Literal["OnChange", "Never"] = "Never"
    """OnChange publishes a version whenever code or configuration change; Never leaves it to people."""
    event_invoke_config: EventInvokeConfig = EventInvokeConfig()
    """Asynchronous invocations of $LATEST."""
    dead_letter_config: DeadLetterConfig | None = None
    """Queue or topic for events that were given up."""
    recursive_loop: Literal["Terminate", "Allow"] = "Terminate"
    """Whether a function that keeps invoking itself is stopped."""
    logging_config: LoggingConfig = LoggingConfig()
    """How the log is written."""

    @property
    def handler_name(self) -> str:
        """The handler as the runtime is told it."""
        return self.handler or "bootstrap"

    @property
    def max_concurrency(self) -> int:
        """How many invocations one instance runs at once."""
        return int(self.environment.variables.get(MAX_CONCURRENCY, "1"))

    @model_validator(mode="after")
    def _package_fits(self) -> "FunctionSpec":
        if self.package_type == "Image":
            self._check_image()
        else:
            self._check_zip()
        return self

    def _check_image(self) -> None:
        if self.code.image is None:
            raise broken("missing; packageType Image needs an image", "code", "image")
        for field in ("runtime", "handler"):
            if getattr(self, field) is not None:
                raise broken("not allowed with packageType Image: the image brings its own", field)

    def _check_zip(self) -> None:
        if self.code.image is not None:
            raise broken("found Zip; allowed: Image, since code.image is given", "packageType")
        if self.runtime is None:
            raise broken(f"missing; allowed: {', '.join(RUNTIMES)}", "runtime")
        if self.handler is None and not self.runtime.startswith(PROVIDED):
            raise broken("missing; allowed: <module>.<function>, such as app.handler", "handler")


class FunctionStatus(Observed):
    """What Mayfly found out about the function."""

    observed_generation: Annotated[int | None, whole_number(0, limits.GENERATION_MAX)] = None
    """Generation of the Function that the status tells about."""
    instances: Annotated[int, whole_number(0, limits.INSTANCES_MAX)] = 0
    """Instances of $LATEST that run."""
    last_invocation_time: datetime | None = None
    """When $LATEST was called last, give or take a minute."""
    last_published_version: Annotated[int, whole_number(0, limits.VERSION_NUMBER_MAX)] = 0
    """Highest number that was ever published; 0 for none. It never goes down, so that no number is given twice."""
    conditions: Conditions = ()
    """Ready says whether calls are answered, and if not, why."""


class Function(Part):
    """A function, as Kubernetes and the local mode read it."""

    api_version: Literal["mayfly.dev/v1beta1"] = API_VERSION
    """Version of the API that the object is written for."""
    kind: Literal["Function"] = "Function"
    """Kind of the object."""
    metadata: Metadata
    """Kubernetes's metadata."""
    spec: FunctionSpec
    """What the function is and how it runs."""
    status: Annotated[FunctionStatus, Field(exclude=True)] = FunctionStatus()
    """Written by the operator; what a manifest says here is ignored."""

    @property
    def lambda_name(self) -> str:
        """The name by which callers invoke the function."""
        return self.spec.function_name or self.metadata.name

    @model_validator(mode="after")
    def _not_its_own_destination(self) -> "Function":
        config = self.spec.event_invoke_config.destination_config
        for field, destination in (("onSuccess", config.on_success), ("onFailure", config.on_failure)):
            target = destination.function if destination else None
            if target and target.partition(":")[0] == self.metadata.name:
                where = ("spec", "eventInvokeConfig", "destinationConfig", field, "function")
                raise broken("You can't specify the function as a destination for itself.", *where)
        return self
