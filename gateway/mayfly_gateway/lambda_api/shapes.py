"""AWS's answers, made of our objects. Pure, and the only place that knows how AWS's members are called.

Rule: what is said here is so. A member that we could only make up is left out: none of them is required.
"""

from datetime import UTC, datetime
from typing import Any, Final

from mayfly_gateway.lambda_api import states
from mayfly_gateway.lambda_api.registry import Stored
from mayfly_model.alias import Alias
from mayfly_model.function import Function, FunctionSpec
from mayfly_model.function_code import Code
from mayfly_model.names import LATEST, function_arn
from mayfly_model.publishing import (
    alias_revision_id,
    latest_revision_id,
    packed,
    version_revision_id,
)
from mayfly_model.version import Version

Json = dict[str, Any]

_STATES: Final = ("State", "LastUpdateStatus")


def arn(cluster: str, function: Stored[Function], qualifier: str | None = None) -> str:
    """A function's ARN, with a qualifier if one is given."""
    return function_arn(cluster, function.namespace, function.item.lambda_name, qualifier)


def latest_configuration(
    function: Stored[Function], version: Stored[Version] | None, function_arn: str
) -> Json:
    """A FunctionConfiguration of `$LATEST`: what the Function says, whether or not it has become so yet."""
    spec = function.item.spec
    configuration = _configuration(spec, function.item.lambda_name, function_arn, LATEST, function.changed)
    code = None if version is None else version.item.spec.code_sha256
    return _without_nothing(
        configuration
        | {
            "Description": spec.description,
            "CodeSha256": code,
            "RevisionId": revision_id(function),
            **states.latest_state(function, version).members("State"),
            **states.update_status(function).members("LastUpdateStatus"),
        }
    )


def version_configuration(function: Stored[Function], version: Stored[Version], function_arn: str) -> Json:
    """A FunctionConfiguration of a published version, which has a snapshot."""
    spec = version.item.spec
    assert spec.configuration is not None  # noqa: S101 - what is asked for and not published is no version
    name = function.item.lambda_name
    number = version.item.function_version
    configuration = _configuration(spec.configuration, name, function_arn, number, version.created)
    return _without_nothing(
        configuration
        | {
            "Description": spec.description,
            "CodeSha256": spec.code_sha256,
            "RevisionId": version_revision_id(version.uid),
            **states.state(version).members("State"),
            **states.SUCCESSFUL.members("LastUpdateStatus"),
        }
    )


def listed(configuration: Json) -> Json:
    """A FunctionConfiguration as lists have it, which say nothing of states."""
    return {name: value for name, value in configuration.items() if not name.startswith(_STATES)}


def function_answer(configuration: Json, spec: FunctionSpec, concurrency: int | None) -> Json:
    """GetFunction's answer; `concurrency` is what the function reserves, None for nothing."""
    answer = {"Configuration": configuration, "Code": _code_location(spec.code)}
    return answer if concurrency is None else {**answer, "Concurrency": reserved(concurrency)}


def revision_id(function: Stored[Function]) -> str:
    """`RevisionId` of `$LATEST`."""
    return latest_revision_id(function.uid, function.generation, function.item.status.last_published_version)


def alias_configuration(alias: Stored[Alias], alias_arn: str) -> Json:
    """An AliasConfiguration."""
    spec = alias.item.spec
    routing = spec.routing
    weights = {} if routing is None else {routing.additional_version: routing.weight}
    return {
        "AliasArn": alias_arn,
        "Name": alias.item.alias,
        "FunctionVersion": spec.function_version,
        "Description": spec.description,
        **({"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {}),
        "RevisionId": alias_revision_id(alias.uid, alias.generation),
    }


def reserved(concurrency: int | None) -> Json:
    """PutFunctionConcurrency's and GetFunctionConcurrency's answer; None for nothing reserved."""
    return {} if concurrency is None else {"ReservedConcurrentExecutions": concurrency}


def provisioned(item: Stored[Version] | Stored[Alias]) -> Json:
    """GetProvisionedConcurrencyConfig's answer, of a version or an alias that has such a configuration."""
    wanted, told = item.item.provisioned, item.item.status.provisioned_concurrency
    begun = provision_begun(item, wanted)
    if told is None:
        return begun
    # What was told of another number, or before the alias moved, is no longer how it is.
    moving = isinstance(item.item, Alias) and not item.item.serves_what_it_says
    holds = told.requested == wanted and not moving
    answer = {
        "Status": told.status if holds else "IN_PROGRESS",
        "AllocatedProvisionedConcurrentExecutions": told.allocated,
        "AvailableProvisionedConcurrentExecutions": told.available,
    }
    reason = {"StatusReason": told.status_reason} if holds and told.status_reason else {}
    return {**begun, **answer, **reason}


def provision_begun(item: Stored[Version] | Stored[Alias], wanted: int | None) -> Json:
    """PutProvisionedConcurrencyConfig's answer to who wants so many instances."""
    return {
        "RequestedProvisionedConcurrentExecutions": wanted,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "AvailableProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": timestamp(item.changed),
    }


def timestamp(when: datetime) -> str:
    """A time as Lambda writes it: `2026-11-25T02:33:48.000+0000`."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _configuration(spec: FunctionSpec, name: str, function_arn: str, version: str, changed: datetime) -> Json:
    variables = spec.environment.variables
    return {
        "FunctionName": name,
        "FunctionArn": function_arn,
        "Runtime": spec.runtime,
        "Role": _role(function_arn, spec.service_account_name),
        "Handler": None if spec.package_type == "Image" else spec.handler_name,
        "CodeSize": _code_size(spec.code),
        "Timeout": spec.timeout,
        "MemorySize": spec.memory_size,
        "LastModified": timestamp(changed),
        "Version": version,
        "Environment": {"Variables": dict(variables)} if variables else None,
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": spec.package_type,
        "EphemeralStorage": {"Size": spec.ephemeral_storage.size},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": _logging(spec, name),
        "DeadLetterConfig": _dead_letters(spec),
    }


def _role(function_arn: str, service_account: str | None) -> str | None:
    """The role's ARN: an account's, as the function is."""
    if service_account is None:
        return None
    return f"arn:aws:iam::{function_arn.split(':')[4]}:role/{service_account}"


def _logging(spec: FunctionSpec, name: str) -> Json:
    config = spec.logging_config
    levels = {}
    if config.log_format == "JSON":
        levels = {
            "ApplicationLogLevel": config.application_log_level or "INFO",
            "SystemLogLevel": config.system_log_level or "INFO",
        }
    return {"LogFormat": config.log_format, **levels, "LogGroup": f"/aws/lambda/{name}"}


def _dead_letters(spec: FunctionSpec) -> Json | None:
    config = spec.dead_letter_config
    if config is None or config.sns is None:
        # A queue is named by its address here, and has no ARN.
        return None
    return {"TargetArn": config.sns.topic_arn}


def _code_size(code: Code) -> int | None:
    """Bytes of the code where the object has it; an image's is 0, as on AWS."""
    if code.image is not None:
        return 0
    return None if code.inline is None else len(packed(code.inline))


def _code_location(code: Code) -> Json:
    if code.image is not None:
        resolved = {"ResolvedImageUri": code.image} if "@sha256:" in code.image else {}
        return {"RepositoryType": "ECR", "ImageUri": code.image, **resolved}
    return {} if code.url is None else {"Location": code.url}


def _without_nothing(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}
