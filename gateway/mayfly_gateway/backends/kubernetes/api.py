"""Talks to the Kubernetes API: requests and answers as JSON, and what went wrong as one of two exceptions.

Of the library `kubernetes.aio` this takes what is hard (configurations, certificates, tokens that are renewed), and
not its typed objects: beside a gateway of 54 MB, `ApiClient` and its configurations measured 12 MB and 0.15 s, with the
typed clients 40 MB and 1.4 s.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, Self

import aiohttp
import msgspec
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_incluster_config, load_kube_config

MERGE: Literal["application/merge-patch+json"] = "application/merge-patch+json"
APPLY: Literal["application/apply-patch+yaml"] = "application/apply-patch+yaml"
STRATEGIC: Literal["application/strategic-merge-patch+json"] = "application/strategic-merge-patch+json"

_CONNECT_TIME = 3.0
_REQUEST_TIME = 10.0
_GONE = 410
_NOT_FOUND = 404


class ApiUnavailableError(Exception):
    """The API server is away, too slow or has trouble of its own: the same request may succeed later."""


class ApiRefusedError(Exception):
    """The API server answered with an error that stays."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status

    @property
    def gone(self) -> bool:
        """Whether what was asked for is older than what the server remembers."""
        return self.status == _GONE

    @property
    def not_found(self) -> bool:
        """Whether the object does not exist."""
        return self.status == _NOT_FOUND


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


class Api:
    """One connection pool to one API server."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls, kubeconfig: str | None) -> Self:
        """By a kubeconfig's current context or, with None, by the pod's own service account.

        Raises:
            kubernetes.aio.config.ConfigException: there is no such configuration.
        """
        configuration = Configuration()
        if kubeconfig is None:
            load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        else:
            await load_kube_config(config_file=kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        client = ApiClient(configuration)
        client.user_agent = "mayfly-gateway"
        return cls(client)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, query: Mapping[str, str]) -> bytes:
        """An object or a list, as JSON.

        Raises:
            ApiUnavailableError: the server is away.
            ApiRefusedError: it refused.
        """
        return await self._request("GET", path, query)

    async def patch(
        self, path: str, body: Mapping[str, Any], *, kind: str, query: Mapping[str, str] | None = None
    ) -> bytes:
        """Change an object; returns what it is then, as JSON. `kind` is MERGE, APPLY or STRATEGIC.

        Raises:
            ApiUnavailableError: the server is away; the change may have been made.
            ApiRefusedError: it refused.
        """
        return await self._request("PATCH", path, query or {}, body, kind)

    async def create(self, path: str, body: Mapping[str, Any], query: Mapping[str, str]) -> bytes:
        """Create an object; returns what it is then, as JSON.

        Raises:
            ApiUnavailableError: the server is away; the object may have been created.
            ApiRefusedError: it refused, with the status 409 if there is one of that name.
        """
        return await self._request("POST", path, query, body)

    async def delete(self, path: str, uid: str) -> None:
        """Delete an object, unless another one has taken its place.

        Raises:
            ApiUnavailableError: the server is away; the object may have been deleted.
            ApiRefusedError: it refused, with the status 409 if that is another object.
        """
        await self._request("DELETE", path, {}, {"preconditions": {"uid": uid}})

    async def lines(self, path: str, query: Mapping[str, str], *, silence: float) -> AsyncIterator[bytes]:
        """The lines of an answer without end, until the server ends it; `silence`: the longest between two, in seconds.

        Raises:
            ApiUnavailableError: the server went away or was silent for too long.
            ApiRefusedError: it refused.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIME, sock_read=silence)
        try:
            response = await self._send("GET", path, query, None, "application/json", timeout)
            async with response:
                await _check(response)
                async for line in response.content:
                    yield line
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiUnavailableError(_words(error)) from error

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=_REQUEST_TIME, sock_connect=_CONNECT_TIME)
        try:
            response = await self._send(method, path, query, body, content_type, timeout)
            async with response:
                await _check(response)
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailableError(_words(error)) from error

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        content_type: str,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = await self._client.call_api(*request, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.ok:
        return
    raise failure(response.status, await response.read())


def failure(status: int, content: bytes) -> Exception:
    """The exception that an answer which is no success stands for."""
    try:
        message = msgspec.json.decode(content, type=_Status).message
    except msgspec.DecodeError:
        message = content[:200].decode(errors="replace")
    if status == 429 or status >= 500:
        return ApiUnavailableError(f"{status}: {message}")
    return ApiRefusedError(status, message)


def failure_event(content: bytes) -> Exception:
    """The exception that an ERROR event of a watch stands for."""
    try:
        status = msgspec.json.decode(content, type=_Status)
    except msgspec.DecodeError:
        status = _Status()
    return failure(status.code, json.dumps({"message": status.message}).encode())


def _words(error: BaseException) -> str:
    return str(error) or ("no answer in time" if isinstance(error, asyncio.TimeoutError) else repr(error))
