"""What an Invoke request means: from its path and headers to a Call, or to the error that AWS answers. Pure.

What goes on to the runtime as a header is one line of printable ASCII when it leaves this module.
"""

import base64
import binascii
import functools
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

import msgspec

from mayfly_model.errors import (
    InvalidParameterValueException,
    InvalidRequestContentException,
    NotImplementedException,
    RequestTooLargeException,
    ValidationException,
)
from mayfly_model.limits import CLIENT_CONTEXT_BYTES, SYNC_PAYLOAD_BYTES
from mayfly_model.names import OBJECT_NAME_PATTERN, FunctionReference, parse_function_reference

Headers = Mapping[bytes, bytes]

HEADERS = frozenset(
    (
        b"authorization",
        b"mayfly-forwarded",
        b"x-amz-client-context",
        b"x-amz-invocation-type",
        b"x-amz-log-type",
        b"x-amzn-trace-id",
        b"x-mayfly-namespace",
    )
)
"""The headers that mean something here, in lower case; a front need keep no others."""

_INVOCATION_TYPES = (b"RequestResponse", b"Event", b"DryRun")
_LOG_TYPES = (b"None", b"Tail")
_ACCESS_KEY = re.compile(rb"AWS4-[A-Z0-9-]+ +Credential=([^/, ]+)/")
_TRACE_ID = re.compile(rb"[\x20-\x7e]{1,256}")
_NAMESPACE = re.compile(OBJECT_NAME_PATTERN, re.ASCII)
_NAMESPACE_LENGTH = 63


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One Invoke request, checked but for its body and for whether the function exists.

    `client_context` is the decoded JSON on one line; `forwarded`: another gateway has sent it on.
    """

    request_id: str
    namespace: str
    reference: FunctionReference
    dry_run: bool
    tail: bool
    client_context: str | None
    trace_id: str
    forwarded: bool = False


def parse_call(
    path_name: str,
    query: str,
    headers: Headers,
    *,
    request_id: str,
    default_namespace: str,
    knows: Callable[[str], bool],
    forwarded: bool = False,
) -> Call:
    """Read a request; `path_name` and `query` are the raw parts of its target, header names are in lower case.

    `knows(namespace)` says whether an access key id is the name of a namespace.

    Raises:
        LambdaError: 400 for what is malformed, 501 for an Event, which nothing could keep yet.
    """
    reference = _reference(path_name, _qualifier(query) if query else None)
    kind = _one_of("invocationType", headers.get(b"x-amz-invocation-type"), _INVOCATION_TYPES)
    if kind == b"Event":
        raise NotImplementedException(
            "Asynchronous invocation is not available here: nothing is accepted that could be lost. "
            "Use the invocation type RequestResponse."
        )
    context = headers.get(b"x-amz-client-context")
    return Call(
        request_id=request_id,
        namespace=reference.account or account(headers, default_namespace, knows),
        reference=reference,
        dry_run=kind == b"DryRun",
        tail=_one_of("logType", headers.get(b"x-amz-log-type"), _LOG_TYPES) == b"Tail",
        client_context=None if context is None else client_context(context, bounded=not forwarded),
        trace_id=trace_id(headers.get(b"x-amzn-trace-id")),
        forwarded=forwarded,
    )


@functools.lru_cache(maxsize=2048)
def _reference(path_name: str, qualifier: str | None) -> FunctionReference:
    return parse_function_reference(unquote(path_name), qualifier)


def _qualifier(query: str) -> str | None:
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key == "Qualifier":
            return unquote(value)
    return None


def _one_of(member: str, value: bytes | None, allowed: tuple[bytes, ...]) -> bytes:
    """The value, by default the first one allowed."""
    if value is None:
        return allowed[0]
    if value not in allowed:
        names = ", ".join(name.decode() for name in allowed)
        raise ValidationException(
            f"1 validation error detected: Value '{value.decode(errors='replace')}' at '{member}' failed to "
            f"satisfy constraint: Member must satisfy enum value set: [{names}]"
        )
    return value


def account(headers: Headers, default: str, knows: Callable[[str], bool]) -> str:
    """The namespace that a request without one in its ARN means; for the arguments see `parse_call`.

    Raises:
        InvalidParameterValueException: the header names none that could be.
    """
    named = headers.get(b"x-mayfly-namespace")
    if named is not None:
        return _checked_namespace(named.decode("ascii", "replace"))
    authorization = headers.get(b"authorization")
    if authorization is not None and (match := _ACCESS_KEY.match(authorization)) is not None:
        access_key = match[1].decode("ascii", "replace")
        if knows(access_key):
            return access_key
    return default


def _checked_namespace(name: str) -> str:
    if len(name) > _NAMESPACE_LENGTH or _NAMESPACE.fullmatch(name) is None:
        raise InvalidParameterValueException(
            f"X-Mayfly-Namespace must be the name of a Kubernetes namespace, and {name[:80]!r} cannot be one."
        )
    return name


def client_context(value: bytes, *, bounded: bool = True) -> str:
    """Decode `X-Amz-Client-Context` to JSON on one line of printable ASCII, as the runtime is given it.

    Not `bounded`: a gateway sends it on that has checked it, and it may be longer as such a line.

    Raises:
        InvalidRequestContentException: it is too long, not base64 or not a JSON object.
    """
    if bounded and len(value) > CLIENT_CONTEXT_BYTES:
        raise InvalidRequestContentException(
            f"Client context must be no more than {CLIENT_CONTEXT_BYTES} bytes of base64, and is {len(value)}."
        )
    try:
        text = base64.b64decode(value, validate=True).decode()
        content = json.loads(text, parse_constant=_refuse_constant)
        if isinstance(content, dict):
            plain = text.isascii() and text.isprintable()
            return text if plain else json.dumps(content, separators=(",", ":"))
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise InvalidRequestContentException("Client context must be a valid Base64-encoded JSON object.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def trace_id(value: bytes | None) -> str:
    """The caller's `X-Amzn-Trace-Id` if it is one harmless line, else a new one that is not sampled."""
    if value is not None and _TRACE_ID.fullmatch(value) is not None:
        return value.decode("ascii")
    noise = next(_noise)
    return f"Root=1-{int(time.time()):08x}-{noise[:24]};Parent={noise[24:40]};Sampled=0"


def new_request_id() -> str:
    """A random UUID (version 4), made from a batch of random bytes rather than by a system call each."""
    noise = next(_noise)
    return f"{noise[:8]}-{noise[8:12]}-4{noise[13:16]}-{'89ab'[int(noise[16], 16) & 3]}{noise[17:20]}-{noise[20:32]}"


def _noises() -> Iterator[str]:
    """Forty random hexadecimal digits at a time."""
    while True:
        batch = os.urandom(20 * 256).hex()
        for start in range(0, len(batch), 40):
            yield batch[start : start + 40]


_noise = _noises()
_check_json: Callable[[bytes], Any] = msgspec.json.Decoder(msgspec.Raw).decode


def payload(body: bytes) -> bytes:
    """The event for the function: the body, or `{}` where there is none.

    Raises:
        RequestTooLargeException: it is over 6 MiB.
        InvalidRequestContentException: it is not JSON.
    """
    if not body:
        return b"{}"
    if len(body) > SYNC_PAYLOAD_BYTES:
        raise too_large()
    try:
        if not body.isascii():
            body.decode()
        _check_json(body)
    except UnicodeDecodeError as error:
        raise _not_json(f"Invalid UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise _not_json("The nesting is too deep") from None
    except msgspec.DecodeError as error:
        _check_again(body, str(error))
    return body


def _check_again(body: bytes, detail: str) -> None:
    """Accept what only the first parser refuses: the escape of half a surrogate pair, which is JSON."""
    if b"\\ud" not in body.lower():
        raise _not_json(detail)
    try:
        json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _not_json(detail) from None


def too_large() -> RequestTooLargeException:
    """The answer to a payload over 6 MiB."""
    return RequestTooLargeException(
        f"Request must be smaller than {SYNC_PAYLOAD_BYTES} bytes for the InvokeFunction operation"
    )


def _not_json(detail: str) -> InvalidRequestContentException:
    return InvalidRequestContentException(
        f"Could not parse request body into json: Could not parse payload into json: {detail}"
    )
