# ruff: noqa: N818 - named as the codes that AWS's clients show.
"""What HTTP itself makes necessary to refuse, in the form of Lambda's errors."""

from mayfly_model.errors import LambdaError


class BadRequestException(LambdaError):
    """What came is no HTTP request."""

    status = 400


class AccessDeniedException(LambdaError):
    """A web page sent the request that has no business here."""

    status = 403


class MethodNotAllowedException(LambdaError):
    """The path exists, and not for this method."""

    status = 405


class RequestTimeoutException(LambdaError):
    """The request did not arrive in time."""

    status = 408


class MisdirectedRequestException(LambdaError):
    """The gateway was asked by another one for a function that it does not own."""

    status = 421


class RequestHeaderFieldsTooLargeException(LambdaError):
    """The request's head is beyond its bounds."""

    status = 431
