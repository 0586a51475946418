"""The gateway's API as the commands use it: one request, one typed answer or one sentence why not."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote

import urllib3

DEFAULT_ENDPOINT = "http://127.0.0.1:9000"
ENDPOINT_VARIABLE = "MAYFLY_ENDPOINT"
ENDPOINT_VARIABLES = (ENDPOINT_VARIABLE, "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")
CONNECT_TIME = 5.0
LONGEST_CALL = 920.0
"""Seconds: the longest function timeout, and time to start it."""


class CallFailed(Exception):  # noqa: N818 - what the person reads, not a defect
    """The gateway could not be asked, or refused; the text is for people."""


class Unavailable(CallFailed):
    """No answer, or that the gateway cannot serve just now: the same may go well in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeResult:
    """What an invocation gave: the payload as bytes, and whether it is the function's error."""

    payload: bytes
    function_error: str | None
    executed_version: str | None
    request_id: str
    log_tail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedVersion:
    """A version as the gateway names it; `code_sha256` is in base64."""

    function: str
    number: str
    code_sha256: str


def endpoint(given: str | None) -> str:
    """The gateway's URL: the one given, else from the environment, else the local mode's."""
    chosen = given or next((os.environ[name] for name in ENDPOINT_VARIABLES if os.environ.get(name)), None)
    return (chosen or DEFAULT_ENDPOINT).rstrip("/")


class Client:
    """Speaks to one gateway."""

    def __init__(self, url: str, *, namespace: str | None, hint: str = " Is `mayfly dev` running?") -> None:
        """`hint` ends the sentence for a gateway that does not answer."""
        self._url = url
        self._namespace = namespace
        self._hint = hint
        self._pool = urllib3.PoolManager(retries=False)

    def invoke(
        self, name: str, payload: bytes, *, qualifier: str | None, tail: bool, dry_run: bool
    ) -> InvokeResult:
        """Call a function and wait for its answer.

        Raises:
            CallFailed: no gateway there, or it refused the call.
        """
        headers = {"X-Amz-Invocation-Type": "DryRun" if dry_run else "RequestResponse"}
        if tail:
            headers["X-Amz-Log-Type"] = "Tail"
        path = f"/2015-03-31/functions/{quote(name, safe='')}/invocations"
        fields = f"?Qualifier={quote(qualifier, safe='')}" if qualifier else ""
        answer = self._request("POST", path + fields, body=payload, headers=headers)
        log = answer.headers.get("X-Amz-Log-Result")
        return InvokeResult(
            payload=answer.data,
            function_error=answer.headers.get("X-Amz-Function-Error"),
            executed_version=answer.headers.get("X-Amz-Executed-Version"),
            request_id=answer.headers.get("x-amzn-RequestId", ""),
            log_tail=base64.b64decode(log).decode("utf-8", "replace") if log else None,
        )

    def publish(self, name: str, *, description: str | None) -> PublishedVersion:
        """Have the function's `$LATEST` held fast as a version.

        Raises:
            CallFailed: no gateway there, no such function, or it refused.
        """
        path = f"/2015-03-31/functions/{quote(name, safe='')}/versions"
        body = json.dumps({} if description is None else {"Description": description}).encode()
        answer = self._request("POST", path, body=body, headers={"Content-Type": "application/json"})
        try:
            said = json.loads(answer.data)
            return PublishedVersion(
                function=said["FunctionName"], number=said["Version"], code_sha256=said["CodeSha256"]
            )
        except (ValueError, TypeError, KeyError):
            raise CallFailed(f"What the gateway at {self._url} answers is no version.") from None

    def logs(self, name: str, *, tail: int, follow: bool) -> Iterator[dict[str, Any]]:
        """The function's log records, oldest first: `{"time", "requestId", "message", …}`.

        Raises:
            CallFailed: no gateway there, no such function, or the gateway ended meanwhile.
        """
        namespace = quote(self._namespace or "default", safe="")
        path = f"/mayfly/v1beta1/namespaces/{namespace}/functions/{quote(name, safe='')}/logs"
        fields = f"?tail={tail}&follow={'true' if follow else 'false'}"
        answer = self._request("GET", path + fields, stream=True)
        rest = b""
        try:
            for data in answer.stream(65536):
                *lines, rest = (rest + data).split(b"\n")
                yield from (json.loads(line) for line in lines if line)
        except urllib3.exceptions.HTTPError as error:
            raise CallFailed(f"The gateway at {self._url} has ended the log.") from error

    def upload(self, sha256: str, content: BinaryIO, size: int) -> bool:
        """Have the gateway keep an archive of code for the namespace. False if it was there.

        Raises:
            CallFailed: no gateway of a cluster there, or it refused the archive.
        """
        namespace = quote(self._namespace or "default", safe="")
        path = f"/mayfly/v1beta1/namespaces/{namespace}/archives/sha256:{sha256}"
        if self._answer("HEAD", path).status == 200:
            return False
        content.seek(0)
        headers = {"Content-Type": "application/zip", "Content-Length": str(size)}
        answer = self._answer("PUT", path, body=content, headers=headers)
        if answer.status == 404:
            raise CallFailed(f"The gateway at {self._url} takes no archives.{self._hint}")
        return self._accepted(answer).status == 201

    def _request(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        return self._accepted(self._answer(method, path, **options))

    @staticmethod
    def _accepted(answer: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
        if answer.status >= 300:
            kind = Unavailable if answer.status == 503 else CallFailed
            raise kind(refusal(answer))
        return answer

    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: bytes | BinaryIO | None = None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        if not self._url.startswith(("http://", "https://")):
            raise CallFailed(f"{self._url} is no gateway's URL: it begins with http:// or https://.")
        sent = dict(headers or {})
        if self._namespace:
            sent["X-Mayfly-Namespace"] = self._namespace
        # A function may be silent for as long as it likes.
        timeout = urllib3.Timeout(connect=CONNECT_TIME, read=None if stream else LONGEST_CALL)
        try:
            answer = self._pool.request(
                method, self._url + path, body=body, headers=sent, preload_content=not stream, timeout=timeout
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"No gateway answers at {self._url} ({reason(error)}).{self._hint}") from error
        return answer


def reason(error: urllib3.exceptions.HTTPError) -> str:
    """The cause in few words."""
    return "connection refused" if "refused" in str(error) else type(error).__name__


def refusal(answer: urllib3.BaseHTTPResponse) -> str:
    """An AWS error answer as one sentence."""
    code = answer.headers.get("x-amzn-ErrorType", str(answer.status)).partition(":")[0]
    try:
        body = json.loads(answer.data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    message = body.get("message") or body.get("Message") or answer.reason or ""
    return f"{code}: {message}"
