"""What a request to the Lambda API asks for: from its path, query and body to values, or to AWS's error. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mayfly_gateway.lambda_api.members import Json, Members, matches, unreadable
from mayfly_gateway.request import Headers, account
from mayfly_model import limits
from mayfly_model.errors import InvalidParameterValueException, other_region
from mayfly_model.names import parse_function_reference

ALIAS_PATTERN: Final = r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)"
VERSION_PATTERN: Final = r"(\$LATEST(\.PUBLISHED)?|[0-9]+)"
_ADDITIONAL_PATTERN: Final = r"[0-9]+"
_VERSION_LENGTH = 1024
_PAGE_MAX = 10_000


def not_qualified(qualifier: str | None) -> None:
    """Refuse a qualifier where only the function as a whole can be meant.

    Raises:
        InvalidParameterValueException: there is one.
    """
    if qualifier is not None:
        raise InvalidParameterValueException(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
            "operation. Please specify either a function name or an unqualified function ARN."
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """Which function a request means, by its namespace and Lambda name, and which version or alias of it."""

    namespace: str
    name: str
    qualifier: str | None


def parse_subject(
    path_name: str,
    qualifier: str | None,
    headers: Headers,
    *,
    cluster: str,
    default_namespace: str,
    knows: Callable[[str], bool],
) -> Subject:
    """Read FunctionName, percent-decoded, and Qualifier; for the other arguments see `parse_call` of Invoke.

    Raises:
        LambdaError: one of them is malformed, or the function is said to be elsewhere.
    """
    reference = parse_function_reference(path_name, qualifier)
    if reference.region is not None and reference.region != cluster:
        raise other_region(reference.region, cluster)
    namespace = reference.account or account(headers, default_namespace, knows)
    return Subject(namespace, reference.name, reference.qualifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """What PublishVersion asks for."""

    description: str | None
    code_sha256: str | None
    revision_id: str | None


def parse_publish(body: Json) -> Publish:
    """Read PublishVersion.

    Raises:
        LambdaError: it is malformed.
    """
    read = Members(body)
    wanted = Publish(
        description=read.text("Description", most=limits.DESCRIPTION_LENGTH),
        code_sha256=read.text("CodeSha256"),
        revision_id=read.text("RevisionId"),
    )
    if read.text("PublishTo", pattern="LATEST_PUBLISHED") is not None:
        raise InvalidParameterValueException("PublishTo is for functions with a capacity provider.")
    read.check()
    return wanted


@dataclass(frozen=True, slots=True)
class Weights:
    """An alias's routing: one more version with its share of the calls, 0 to 1; both None to clear it."""

    version: str | None = None
    weight: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasChange:
    """What CreateAlias and UpdateAlias ask for; None for what is left as it is."""

    name: str
    version: str | None
    description: str | None
    routing: Weights | None
    revision_id: str | None


def parse_alias(body: Json, name: str | None = None) -> AliasChange:
    """Read CreateAlias, or, with the `name` of its path, UpdateAlias.

    Raises:
        LambdaError: it is malformed.
    """
    creates = name is None
    read = Members(body if creates else {**body, "Name": name})
    found = read.text("Name", pattern=ALIAS_PATTERN, most=limits.QUALIFIER_LENGTH, required=True)
    version = read.text("FunctionVersion", pattern=VERSION_PATTERN, most=_VERSION_LENGTH, required=creates)
    description = read.text("Description", most=limits.DESCRIPTION_LENGTH)
    revision_id = None if creates else read.text("RevisionId")
    routing = _routing(read)
    read.check()
    return AliasChange(
        name=found or "", version=version, description=description, routing=routing, revision_id=revision_id
    )


def parse_alias_name(name: str) -> str:
    """The alias that a path names.

    Raises:
        ValidationException: it can be none.
    """
    read = Members({"Name": name})
    read.text("Name", pattern=ALIAS_PATTERN, most=limits.QUALIFIER_LENGTH)
    read.check()
    return name


def _routing(read: Members) -> Weights | None:
    config = read.mapping("RoutingConfig")
    if config is None:
        return None
    weights = Members(config).mapping("AdditionalVersionWeights") or {}
    if len(weights) > 1:
        raise InvalidParameterValueException(
            "Number of items in AdditionalVersionWeights cannot be greater than 1"
        )
    for version, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise unreadable("a weight is not a number")
        _judge(read, version, weight)
        return Weights(version, float(weight))
    return Weights()


def _judge(read: Members, version: str, weight: float) -> None:
    where, found = "RoutingConfig.additionalVersionWeights", f"{{{version}={weight}}}"
    if not matches(_ADDITIONAL_PATTERN, version, _VERSION_LENGTH):
        read.wrong(
            where,
            found,
            "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must "
            "have length greater than or equal to 1, Member must satisfy regular expression pattern: "
            f"{_ADDITIONAL_PATTERN}]",
        )
    if not 0 <= weight <= 1:
        read.wrong(
            where,
            found,
            "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must "
            "have value greater than or equal to 0.0, Member must not be null]",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which part of a list is asked for."""

    marker: str | None
    most: int | None
    version: str | None = None


def parse_listing(query: Mapping[str, str], *, most: int = _PAGE_MAX) -> Listing:
    """Read Marker, MaxItems and FunctionVersion.

    Raises:
        ValidationException: one is malformed.
    """
    read = Members(query)
    items = read.number("MaxItems", least=1, most=most)
    version = read.text("FunctionVersion", pattern=VERSION_PATTERN, most=_VERSION_LENGTH)
    read.check()
    return Listing(marker=query.get("Marker") or None, most=items, version=version)


def parse_reservation(body: Json) -> int:
    """Read PutFunctionConcurrency.

    Raises:
        LambdaError: it is malformed.
    """
    return _number(body, "ReservedConcurrentExecutions", least=0)


def parse_provision(body: Json, qualifier: str | None) -> int:
    """Read PutProvisionedConcurrencyConfig, which needs a qualifier.

    Raises:
        LambdaError: it is malformed.
    """
    return _number({**body, "Qualifier": qualifier}, "ProvisionedConcurrentExecutions", "Qualifier", least=1)


def need_qualifier(qualifier: str | None) -> None:
    """Refuse a request that must say which version or alias it means, and does not.

    Raises:
        ValidationException: there is none.
    """
    read = Members({"Qualifier": qualifier})
    read.text("Qualifier", required=True)
    read.check()


def _number(body: Json, name: str, *also: str, least: int) -> int:
    read = Members(body)
    number = read.number(name, least=least, required=True)
    for each in also:
        read.text(each, required=True)
    read.check()
    assert number is not None  # noqa: S101 - `check` has seen to it
    return number
