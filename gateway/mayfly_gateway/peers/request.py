"""A call as one gateway sends it to another: the Invoke request again, with the account settled. Pure."""

import base64
import hmac
from urllib.parse import quote

from mayfly_gateway.request import Call

_SEPARATOR = b" "


def forwarded_head(call: Call, *, host: tuple[str, int], token: str, size: int) -> bytes:
    """The head of the request; the payload of `size` bytes follows it."""
    reference = call.reference
    qualifier = "" if reference.qualifier is None else f"?Qualifier={quote(reference.qualifier, safe='')}"
    context = ""
    if call.client_context is not None:
        context = f"X-Amz-Client-Context: {base64.b64encode(call.client_context.encode()).decode()}\r\n"
    return (
        f"POST /2015-03-31/functions/{reference.name}/invocations{qualifier} HTTP/1.1\r\n"
        f"Host: {host[0]}:{host[1]}\r\n"
        f"Mayfly-Forwarded: {token} {call.request_id}\r\n"
        f"X-Mayfly-Namespace: {call.namespace}\r\n"
        f"X-Amzn-Trace-Id: {call.trace_id}\r\n"
        f"{context}{'X-Amz-Log-Type: Tail' + chr(13) + chr(10) if call.tail else ''}"
        f"Content-Length: {size}\r\n\r\n"
    ).encode("ascii")


def forwarded_request_id(value: bytes, token: bytes) -> str | None:
    """The request id that another gateway has given the call; None if the header was not written by one."""
    given, _, request_id = value.partition(_SEPARATOR)
    return request_id.decode("ascii", "replace") if hmac.compare_digest(given, token) else None
