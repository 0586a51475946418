"""Talks to the Kubernetes API: server-side apply, create, delete, read.

Rule: every write may be done twice, by this process or by another that does not know yet that it leads no more: names
are deterministic, deletions carry the uid, statuses too. Who does not lead any more writes nothing.

Of the library `kubernetes.aio` this uses configuration and transport and not the typed objects: beside kopf, which
loads the library anyway, the former cost 3 MB and the latter 26.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal, Self

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_incluster_config, load_kube_config

from mayfly_model.labels import INSTANCE_SELECTOR, OPERATOR_FIELD_MANAGER
from mayfly_operator.views import Identity, Json, Key

Kind = Literal[
    "functions", "versions", "aliases", "pods", "configmaps", "events", "leases", "networkpolicies"
]

_GROUPS: Final[Mapping[str, str]] = {
    "functions": "apis/mayfly.dev/v1beta1",
    "versions": "apis/mayfly.dev/v1beta1",
    "aliases": "apis/mayfly.dev/v1beta1",
    "pods": "api/v1",
    "configmaps": "api/v1",
    "events": "api/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "networkpolicies": "apis/networking.k8s.io/v1",
}
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA_OF_ONE: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_JSON: Final = "application/json"
_PAGE: Final = 500
_CONNECT_TIME: Final = 3.0
_REQUEST_TIME: Final = 15.0


class UnavailableError(Exception):
    """The API server is away, too slow or has trouble of its own: the same request may succeed later."""


class NotLeadingError(Exception):
    """Another process may be leading by now: nothing may be written."""


class RefusedByServerError(Exception):
    """The API server answered with an error that stays. `reason` and `causes` are Kubernetes's own words."""

    def __init__(self, status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes

    @property
    def is_another(self) -> bool:
        """Whether the object is gone, or another one of its name is there."""
        return self.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `more` leads to the next one, if there is one."""

    items: tuple[Json, ...]
    resource_version: int
    more: str


class Cluster:
    """One connection pool to one API server."""

    def __init__(self, client: ApiClient, may_write: Callable[[], bool]) -> None:
        self._client = client
        self._may_write = may_write
        # The server's own fairness queues the rest; here it is memory.
        self._at_once = asyncio.Semaphore(32)

    @classmethod
    async def connect(cls, kubeconfig: str | None, may_write: Callable[[], bool]) -> Self:
        """By a kubeconfig's current context or, with None, by the pod's own service account.

        Raises:
            kubernetes.aio.config.ConfigException: there is no such configuration.
        """
        configuration = Configuration()
        if kubeconfig is None:
            load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        else:
            load = load_kube_config(config_file=kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
            await load
        client = ApiClient(configuration)
        client.user_agent = OPERATOR_FIELD_MANAGER
        return cls(client, may_write)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: Kind, key: Key, *, brief: bool = False) -> Json | None:
        """An object; None if there is none. `brief`: its metadata alone.

        Raises:
            UnavailableError: the server is away.
            RefusedByServerError: it refused.
        """
        try:
            accept = f"{_METADATA_OF_ONE},{_JSON}" if brief else _JSON
            return await self._request("GET", _path(kind, *key), accept=accept)
        except RefusedByServerError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def page(self, kind: Kind, more: str = "", *, metadata_only: bool = False) -> Page:
        """A part of the list of all objects of a kind, in all namespaces; of pods, the instances alone.

        Raises:
            UnavailableError: the server is away.
            RefusedByServerError: it refused.
        """
        query = {"limit": str(_PAGE)}
        if kind == "pods":
            query["labelSelector"] = INSTANCE_SELECTOR
        if more:
            query["continue"] = more
        accept = f"{_METADATA},{_JSON}" if metadata_only else _JSON
        answer = await self._request("GET", f"/{_GROUPS[kind]}/{kind}", query, accept=accept)
        metadata = answer["metadata"]
        return Page(
            tuple(answer.get("items") or ()), int(metadata["resourceVersion"]), metadata.get("continue") or ""
        )

    async def apply(self, kind: Kind, manifest: Json, subresource: str = "") -> Json:
        """Apply a manifest, or its status; returns the object as it is then.

        Raises:
            UnavailableError: the server is away; the write may have been done.
            RefusedByServerError: it refused.
            NotLeadingError: nothing was sent.
        """
        self._check()
        metadata = manifest["metadata"]
        query = {"fieldManager": OPERATOR_FIELD_MANAGER, "force": "true"}
        path = _path(kind, metadata["namespace"], metadata["name"], subresource)
        return await self._request("PATCH", path, query, manifest, _APPLY)

    async def create(self, kind: Kind, manifest: Json, *, on_trial: bool = False) -> Json:
        """Create an object; returns it. `on_trial`: hear only whether it would be taken.

        Raises:
            UnavailableError: the server is away; the object may have been created.
            RefusedByServerError: it refused; reason `AlreadyExists` where there is one of that name.
            NotLeadingError: nothing was sent.
        """
        self._check()
        namespace = manifest["metadata"]["namespace"]
        query = {"fieldManager": OPERATOR_FIELD_MANAGER} | ({"dryRun": "All"} if on_trial else {})
        return await self._request("POST", _path(kind, namespace), query, manifest, _JSON)

    async def merge(self, kind: Kind, key: Key, patch: Json, subresource: str = "") -> Json:
        """Change some fields of an object, or of its status; returns it.

        Raises:
            UnavailableError: the server is away; the write may have been done.
            RefusedByServerError: it refused.
            NotLeadingError: nothing was sent.
        """
        self._check()
        return await self._request("PATCH", _path(kind, *key, subresource), {}, patch, _MERGE)

    async def delete(self, kind: Kind, item: Identity, *, unchanged: bool = False) -> None:
        """Delete exactly this object; that it is gone, or another one of its name, is fine.

        `unchanged`: only if nothing of it has changed since it was in the state given; else that is fine too.

        Raises:
            UnavailableError: the server is away; it may have been deleted.
            RefusedByServerError: it refused.
            NotLeadingError: nothing was sent.
        """
        self._check()
        preconditions = {"uid": item.uid} | (
            {"resourceVersion": str(item.resource_version)} if unchanged else {}
        )
        options = {"preconditions": preconditions, "propagationPolicy": "Background"}
        try:
            await self._request("DELETE", _path(kind, *item.key), {}, options, _JSON)
        except RefusedByServerError as error:
            if not error.is_another:
                raise

    async def replace_lease(self, key: Key, lease: Json, *, new: bool) -> Json:
        """Write a Lease, in the state that it was read in; for who wants to lead, and so asks nobody.

        Raises:
            UnavailableError: the server is away; it may have been written.
            RefusedByServerError: somebody else was faster, or it refused.
        """
        if new:
            return await self._request("POST", _path("leases", key[0]), {}, lease, _JSON)
        return await self._request("PUT", _path("leases", *key), {}, lease, _JSON)

    def _check(self) -> None:
        if not self._may_write():
            raise NotLeadingError("the lease ran out")

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> dict[str, Any]:
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        timeout = aiohttp.ClientTimeout(total=_REQUEST_TIME, sock_connect=_CONNECT_TIME)
        try:
            async with self._at_once:
                answer = await self._client.call_api(*request, _request_timeout=timeout)
                async with answer.response as response:
                    content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(str(error) or "no answer in time") from error
        return _answer(response.status, content)


def _path(kind: Kind, namespace: str, name: str = "", subresource: str = "") -> str:
    return "/".join(
        part for part in (f"/{_GROUPS[kind]}/namespaces/{namespace}/{kind}", name, subresource) if part
    )


def _answer(status: int, content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise UnavailableError(f"{status}: no JSON object: {content[:200].decode(errors='replace')}")
    if status < HTTPStatus.BAD_REQUEST:
        return answer
    message = str(answer.get("message", ""))
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UnavailableError(f"{status}: {message}")
    causes = (answer.get("details") or {}).get("causes") or ()
    reasons = tuple(str(cause.get("reason", "")) for cause in causes)
    raise RefusedByServerError(status, str(answer.get("reason", "")), message, reasons)
