"""Names: the ways to refer to a function, and ARNs in and out.

Rule: what AWS's clients may send is understood, and a Kubernetes namespace stands where AWS has a
12-digit account, a cluster's name where AWS has a region. Whether the function exists is not asked here:
a name of 65 characters is well-formed and simply never found (404, as on AWS).
"""

import re
from dataclasses import dataclass
from typing import Final

from mayfly_model.errors import InvalidParameterValueException, LambdaError, ValidationException
from mayfly_model.limits import FUNCTION_REFERENCE_LENGTH, QUALIFIER_LENGTH

LATEST: Final = "$LATEST"

FUNCTION_NAME_PATTERN: Final = r"^[a-zA-Z0-9_-]+$"
"""A Lambda function's name; its length is bounded apart."""
OBJECT_NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""A Kubernetes object name that is also a label value and a hostname (RFC 1123 label)."""
SUBDOMAIN_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""The name of a Kubernetes object of another kind, such as a Secret (RFC 1123 subdomain)."""
FUNCTION_VERSION_PATTERN: Final = r"^(\$LATEST|[1-9][0-9]{0,8})$"
"""A version as Lambda names it."""
VERSION_NUMBER_PATTERN: Final = r"^[1-9][0-9]{0,8}$"
"""A published version's number; nine digits keep `<function>.<number>` within a label's length."""

# As botocore's model states them for Invoke, and as AWS's error messages quote them.
AWS_FUNCTION_REFERENCE: Final = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?"
    r"(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
AWS_QUALIFIER: Final = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
# Namespaces and cluster names look like function names, so these count only before a literal `function:`.
_REFERENCE = re.compile(
    rf"""
    (?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?
    (?:(?P<region>(?:eusc-)?[a-z]{{2}}(?:-gov|-iso[a-z]?)?-[a-z]+-[0-9]|{_LABEL}(?=:{_LABEL}:function:)):)?
    (?:(?P<account>[0-9]{{12}}|{_LABEL}(?=:function:)):)?
    (?:function:)?
    (?P<name>[a-zA-Z0-9_.-]+)
    (?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9_-]+))?
    """,
    re.VERBOSE,
)
_QUALIFIER = re.compile(AWS_QUALIFIER, re.ASCII)


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """What a request says about which function it means; ``None`` where it says nothing.

    Attributes:
        name: the Lambda name.
        account: a namespace, or a 12-digit account id that a namespace may bear.
        region: a cluster's name.
        qualifier: ``$LATEST``, a version number or an alias.
    """

    name: str
    account: str | None = None
    region: str | None = None
    qualifier: str | None = None


def parse_function_reference(text: str, qualifier: str | None = None) -> FunctionReference:
    """Read ``FunctionName`` (percent-decoded) and ``Qualifier`` of a request.

    Raises:
        ValidationException: one of them breaks its length or pattern; the text is AWS's.
        InvalidParameterValueException: both name a qualifier, and not the same one.
    """
    match = _REFERENCE.fullmatch(text) if len(text) <= FUNCTION_REFERENCE_LENGTH else None
    if match is None or not _is_qualifier(qualifier):
        raise _validation_error(text, qualifier)
    own = match["qualifier"]
    if own and qualifier and own != qualifier:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionReference(match["name"], match["account"], match["region"], own or qualifier)


def function_arn(cluster: str, namespace: str, name: str, qualifier: str | None = None) -> str:
    """``arn:aws:lambda:<cluster>:<namespace>:function:<name>[:<qualifier>]``."""
    arn = f"arn:aws:lambda:{cluster}:{namespace}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def _is_qualifier(text: str | None) -> bool:
    return text is None or (len(text) <= QUALIFIER_LENGTH and _QUALIFIER.fullmatch(text) is not None)


def _validation_error(text: str, qualifier: str | None) -> LambdaError:
    violations = _violations(
        "functionName", text, FUNCTION_REFERENCE_LENGTH, AWS_FUNCTION_REFERENCE, _REFERENCE
    )
    if qualifier is not None:
        violations += _violations("qualifier", qualifier, QUALIFIER_LENGTH, AWS_QUALIFIER, _QUALIFIER)
    plural = "s" if len(violations) > 1 else ""
    return ValidationException(
        f"{len(violations)} validation error{plural} detected: {'; '.join(violations)}"
    )


def _violations(member: str, value: str, longest: int, pattern: str, compiled: re.Pattern[str]) -> list[str]:
    """AWS's sentence for each constraint that a value breaks; ``pattern`` is quoted, ``compiled`` decides."""
    broken = []
    # Beyond the longest the pattern is not tried: matching must not cost more than the limit allows.
    if len(value) <= longest and compiled.fullmatch(value) is None:
        broken.append(f"Member must satisfy regular expression pattern: {pattern}")
    if not value:
        broken.append("Member must have length greater than or equal to 1")
    if len(value) > longest:
        broken.append(f"Member must have length less than or equal to {longest}")
    return [f"Value '{value}' at '{member}' failed to satisfy constraint: {rule}" for rule in broken]
