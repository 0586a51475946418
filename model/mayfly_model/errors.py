# ruff: noqa: N818 - these classes bear the names that AWS's clients know.
"""The errors that Lambda's API answers with: HTTP status, AWS code and body, one class each.

Rule: the class's name is the AWS error code, and status, fault and the spelling of the message's key
are those of botocore's model (a test compares them). Function failures are no errors: they are a 200
with ``X-Amz-Function-Error``.
"""

import json
from typing import ClassVar, Literal

Fault = Literal["User", "Service"]
ThrottleReason = Literal[
    "ConcurrentInvocationLimitExceeded",
    "FunctionInvocationRateLimitExceeded",
    "ReservedFunctionConcurrentInvocationLimitExceeded",
    "ReservedFunctionInvocationRateLimitExceeded",
    "CallerRateLimitExceeded",
]


class LambdaError(Exception):
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        type: whose fault it is, the body's ``Type``.
        message_key: how the body spells its message's key; it differs between AWS's exceptions.
        message: the sentence for the caller.
    """

    status: ClassVar[int]
    type: ClassVar[Fault] = "User"
    message_key: ClassVar[Literal["message", "Message"]] = "message"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        """The AWS error code, as ``x-amzn-ErrorType`` carries it."""
        return type(self).__name__

    def members(self) -> dict[str, str]:
        """The body as a mapping."""
        return {"Type": self.type, self.message_key: self.message}

    def body(self) -> bytes:
        """The body as JSON."""
        return json.dumps(self.members(), separators=(",", ":")).encode()

    def headers(self) -> dict[str, str]:
        """The headers that belong to this error; the content length is the server's affair."""
        return {"Content-Type": "application/json", "x-amzn-ErrorType": self.code}


class ValidationException(LambdaError):
    """A parameter breaks its pattern, length or range."""

    status = 400


class InvalidParameterValueException(LambdaError):
    """A parameter is well-formed and yet not valid."""

    status = 400


class InvalidRequestContentException(LambdaError):
    """The request body is not the JSON that it should be."""

    status = 400


class ResourceNotFoundException(LambdaError):
    """The function, version or alias does not exist."""

    status = 404
    message_key = "Message"


class ProvisionedConcurrencyConfigNotFoundException(LambdaError):
    """The version or alias has no provisioned concurrency."""

    status = 404


class UnknownOperationException(LambdaError):
    """No operation of the API has this path or method."""

    status = 404


class ResourceConflictException(LambdaError):
    """The resource exists already, or its state forbids the call."""

    status = 409


class PreconditionFailedException(LambdaError):
    """The given RevisionId is not the current one."""

    status = 412


class RequestTooLargeException(LambdaError):
    """The payload is over its limit."""

    status = 413


class UnsupportedMediaTypeException(LambdaError):
    """The content type of the body is not JSON."""

    status = 415


class TooManyRequestsException(LambdaError):
    """A concurrency limit is reached; ``reason`` says whose."""

    status = 429

    def __init__(self, reason: ThrottleReason, message: str = "Rate Exceeded.") -> None:
        super().__init__(message)
        self.reason = reason

    def members(self) -> dict[str, str]:
        """The body as a mapping, with its ``Reason``."""
        return {"Reason": self.reason, **super().members()}


class ServiceException(LambdaError):
    """Something broke on our side."""

    status = 500
    type = "Service"
    message_key = "Message"


class NotImplementedException(LambdaError):
    """The operation, or this way to call it, does not exist here (yet); AWS has no such error."""

    status = 501
    type = "Service"


class InvalidRuntimeException(LambdaError):
    """The function's runtime is not available."""

    status = 502
    type = "Service"
    message_key = "Message"


class InvalidZipFileException(LambdaError):
    """The function's code cannot be unpacked."""

    status = 502
    type = "Service"
    message_key = "Message"


class ResourceNotReadyException(LambdaError):
    """No instance of the function can start; the message says why."""

    status = 502
    type = "Service"


class ServiceUnavailableException(LambdaError):
    """We cannot take the request now; the same request may succeed later (AWS's common error)."""

    status = 503
    type = "Service"


def function_not_found(arn: str) -> ResourceNotFoundException:
    """The answer for an unknown function; Invoke names an unqualified one by its ``:$LATEST`` ARN."""
    return ResourceNotFoundException(f"Function not found: {arn}")


def other_region(region: str, cluster: str) -> ResourceNotFoundException:
    """The answer to an ARN of another region, where a cluster's name stands."""
    return ResourceNotFoundException(
        f"Functions from '{region}' are not reachable in this region ('{cluster}')"
    )
