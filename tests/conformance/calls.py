"""Calls the way people make them: with boto3, and byte by byte where boto3 would not let one.

Rule: every answer is held against AWS's model before a test sees it.
"""

import base64
import http.client
import io
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import botocore.exceptions
from botocore.config import Config
from botocore.response import StreamingBody
from tests.conformance import aws_model

SECRET = "any"
PATIENCE = 30
"""Seconds that a caller waits: every call of this suite is answered in half of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer; header names in lower case; `seconds` from before the call until it was whole."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)
    seconds: float

    @property
    def json(self) -> Any:
        """The payload."""
        return json.loads(self.body)

    @property
    def error(self) -> str | None:
        """X-Amz-Function-Error."""
        return self.headers.get("x-amz-function-error")

    @property
    def version(self) -> str | None:
        """X-Amz-Executed-Version."""
        return self.headers.get("x-amz-executed-version")

    @property
    def request_id(self) -> str:
        """x-amzn-RequestId."""
        return self.headers["x-amzn-requestid"]

    @property
    def error_code(self) -> str | None:
        """x-amzn-ErrorType."""
        return self.headers.get("x-amzn-errortype")

    @property
    def log(self) -> str:
        """X-Amz-Log-Result, decoded."""
        return base64.b64decode(self.headers["x-amz-log-result"]).decode()


class Sdk:
    """boto3's client for one endpoint. `access_key` is whose call it is."""

    def __init__(self, endpoint: str, *, access_key: str = "AKIAIOSFODNN7EXAMPLE", retries: int = 0) -> None:
        self._client = boto3.client(
            "lambda",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=SECRET,
            config=Config(
                retries={"total_max_attempts": retries + 1, "mode": "standard"},
                max_pool_connections=100,
                read_timeout=PATIENCE,
                parameter_validation=False,
                ignore_configured_endpoint_urls=True,
            ),
        )
        self._seen: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.answers = 0
        self._client.meta.events.register("before-parse.lambda", self._check)

    def _check(self, operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
        body = response_dict["body"]
        if isinstance(body, StreamingBody):
            body = body.read()
            response_dict["body"] = StreamingBody(io.BytesIO(body), len(body))
        headers = {name.lower(): value for name, value in response_dict["headers"].items()}
        status = response_dict["status_code"]
        wrong = aws_model.problems(operation_model.name, status, headers, body)
        assert not wrong, wrong
        self.answers += 1
        self._seen[headers["x-amzn-requestid"]] = (status, headers, body)

    def invoke(self, name: str, payload: bytes, **parameters: Any) -> Answer:
        """An invocation; errors are answers like any other."""
        began = time.monotonic()
        try:
            parsed = self._client.invoke(FunctionName=name, Payload=payload, **parameters)
        except botocore.exceptions.ClientError as error:
            parsed = error.response
        seconds = time.monotonic() - began
        status, headers, body = self._seen.pop(parsed["ResponseMetadata"]["RequestId"])
        return Answer(status=status, headers=headers, body=body, seconds=seconds)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def raw(
    endpoint: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    method: str = "POST",
    operation: str = "Invoke",
) -> Answer:
    """One request on a connection of its own, with these headers and no others."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=PATIENCE)
    began = time.monotonic()
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    seconds = time.monotonic() - began
    lower = {name.lower(): value for name, value in response.getheaders()}
    wrong = aws_model.problems(operation, response.status, lower, content)
    assert not wrong, wrong
    return Answer(status=response.status, headers=lower, body=content, seconds=seconds)


@contextmanager
def begun(
    endpoint: str, name: str, payload: bytes | None, *, sent: int | None = None, headers: str = ""
) -> Iterator[socket.socket]:
    """An Invoke request on a connection that is closed in the end, answered or not.

    `sent` bytes of the payload go with the head, all by default; without a payload `headers` tell of one.
    """
    address = urlsplit(endpoint)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        length = "" if payload is None else f"Content-Length: {len(payload)}\r\n"
        head = f"POST {invoke_path(name)} HTTP/1.1\r\nHost: {address.netloc}\r\n{length}{headers}\r\n"
        connection.sendall(head.encode() + (payload or b"")[:sent])
        yield connection


def invoke_path(name: str) -> str:
    """The path of an Invoke request."""
    return f"/2015-03-31/functions/{quote(name, safe='')}/invocations"
