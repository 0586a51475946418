"""The routes of the Lambda API on aiohttp. Nothing is decided here."""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from aiohttp import web

from mayfly_gateway.bodies import Bodies
from mayfly_gateway.lambda_api import requests
from mayfly_gateway.lambda_api.aliases import Aliases
from mayfly_gateway.lambda_api.concurrency import Concurrency
from mayfly_gateway.lambda_api.limits import Limits
from mayfly_gateway.lambda_api.lookup import Lookup
from mayfly_gateway.lambda_api.members import Json, parse_body
from mayfly_gateway.lambda_api.paging import PAGE
from mayfly_gateway.lambda_api.provisioned import Provisioned
from mayfly_gateway.lambda_api.registry import Registry
from mayfly_gateway.lambda_api.requests import Subject
from mayfly_gateway.lambda_api.versions import Versions
from mayfly_gateway.request import HEADERS, new_request_id
from mayfly_gateway.settings import Bounds
from mayfly_gateway.slow_clients import received, sent
from mayfly_model.errors import RequestTooLargeException

BODY_BYTES = 64 * 1024
"""Most bytes of a request: a description of 256 characters and a few names are far below."""

_FUNCTION = "/2015-03-31/functions/{name}"
_PROVISIONED = "/2019-09-30/functions/{name}/provisioned-concurrency"

Operation = Callable[[web.Request, Subject], Awaitable[Json | None]]


class LambdaApi:
    """The handlers; `registry` is where the objects are, `cluster` what ARNs call it."""

    def __init__(self, registry: Registry, limits: Limits, *, cluster: str, namespace: str) -> None:
        """`namespace` is that of a request which names none."""
        self._cluster = cluster
        self._namespace = namespace
        lookup = Lookup(registry, cluster=cluster)
        self._versions = Versions(registry, lookup)
        self._aliases = Aliases(registry, lookup)
        self._concurrency = Concurrency(registry, lookup, limits)
        self._provisioned = Provisioned(registry, lookup, limits)

    def add_to(
        self, app: web.Application, *, knows: Callable[[str], bool], bodies: Bodies, bounds: Bounds
    ) -> None:
        """Add the routes; for `knows` see `parse_call` of Invoke."""
        self._knows = knows
        self._bodies = bodies
        self._bounds = bounds
        for method, path, status, operation in self._operations():
            app.router.add_route(method, path, self._handler(status, operation))

    def _operations(self) -> tuple[tuple[str, str, int, Operation], ...]:
        alias = f"{_FUNCTION}/aliases/{{alias}}"
        return (
            ("GET", _FUNCTION, 200, self._get_function),
            ("DELETE", _FUNCTION, 204, self._delete_function),
            ("GET", f"{_FUNCTION}/configuration", 200, self._get_configuration),
            ("GET", f"{_FUNCTION}/versions", 200, self._list_versions),
            ("POST", f"{_FUNCTION}/versions", 201, self._publish_version),
            ("GET", f"{_FUNCTION}/aliases", 200, self._list_aliases),
            ("POST", f"{_FUNCTION}/aliases", 201, self._create_alias),
            ("GET", alias, 200, self._get_alias),
            ("PUT", alias, 200, self._update_alias),
            ("DELETE", alias, 204, self._delete_alias),
            ("PUT", "/2017-10-31/functions/{name}/concurrency", 200, self._put_concurrency),
            ("DELETE", "/2017-10-31/functions/{name}/concurrency", 204, self._delete_concurrency),
            ("GET", "/2019-09-30/functions/{name}/concurrency", 200, self._get_concurrency),
            ("PUT", _PROVISIONED, 202, self._put_provisioned),
            ("GET", _PROVISIONED, 200, self._get_provisioned),
            ("DELETE", _PROVISIONED, 204, self._delete_provisioned),
        )

    def _handler(
        self, status: int, operation: Operation
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            answer = await operation(request, self._subject(request))
            headers = {"x-amzn-RequestId": new_request_id()}
            body = b""
            if answer is not None:
                headers["Content-Type"] = "application/json"
                body = json.dumps(answer, separators=(",", ":")).encode()
            response = web.Response(status=status, headers=headers, body=body)
            return await sent(request, response, within=self._bounds.write_time)

        return handle

    def _subject(self, request: web.Request) -> Subject:
        headers = {
            name: value.encode("utf-8", "surrogateescape")
            for name in HEADERS
            if (value := request.headers.get(name.decode())) is not None
        }
        return requests.parse_subject(
            unquote(request.rel_url.raw_path.split("/")[3]),
            request.query.get("Qualifier"),
            headers,
            cluster=self._cluster,
            default_namespace=self._namespace,
            knows=self._knows,
        )

    async def _body(self, request: web.Request) -> Json:
        body = await received(
            request,
            self._bodies,
            most=BODY_BYTES,
            within=self._bounds.body_time,
            too_large=RequestTooLargeException(f"Request must be smaller than {BODY_BYTES} bytes"),
        )
        try:
            return parse_body(body)
        finally:
            self._bodies.give_back(len(body))

    async def _get_function(self, _request: web.Request, subject: Subject) -> Json:
        return await self._versions.get(subject)

    async def _delete_function(self, _request: web.Request, subject: Subject) -> None:
        await self._versions.delete(subject)

    async def _get_configuration(self, _request: web.Request, subject: Subject) -> Json:
        return await self._versions.configuration(subject)

    async def _list_versions(self, request: web.Request, subject: Subject) -> Json:
        return await self._versions.list(subject, requests.parse_listing(request.query))

    async def _publish_version(self, request: web.Request, subject: Subject) -> Json:
        return await self._versions.publish(subject, requests.parse_publish(await self._body(request)))

    async def _list_aliases(self, request: web.Request, subject: Subject) -> Json:
        return await self._aliases.list(subject, requests.parse_listing(request.query))

    async def _create_alias(self, request: web.Request, subject: Subject) -> Json:
        return await self._aliases.create(subject, requests.parse_alias(await self._body(request)))

    async def _get_alias(self, request: web.Request, subject: Subject) -> Json:
        return await self._aliases.get(subject, requests.parse_alias_name(_alias(request)))

    async def _update_alias(self, request: web.Request, subject: Subject) -> Json:
        wanted = requests.parse_alias(await self._body(request), _alias(request))
        return await self._aliases.update(subject, wanted)

    async def _delete_alias(self, request: web.Request, subject: Subject) -> None:
        await self._aliases.delete(subject, requests.parse_alias_name(_alias(request)))

    async def _put_concurrency(self, request: web.Request, subject: Subject) -> Json:
        wanted = requests.parse_reservation(await self._body(request))
        return await self._concurrency.put(subject, wanted)

    async def _get_concurrency(self, _request: web.Request, subject: Subject) -> Json:
        return await self._concurrency.get(subject)

    async def _delete_concurrency(self, _request: web.Request, subject: Subject) -> None:
        await self._concurrency.delete(subject)

    async def _put_provisioned(self, request: web.Request, subject: Subject) -> Json:
        wanted = requests.parse_provision(await self._body(request), subject.qualifier)
        return await self._provisioned.put(subject, wanted)

    async def _get_provisioned(self, request: web.Request, subject: Subject) -> Json:
        """AWS tells the list of them by a parameter."""
        if request.query.get("List") == "ALL":
            wanted = requests.parse_listing(request.query, most=PAGE)
            return await self._provisioned.list(subject, wanted)
        requests.need_qualifier(subject.qualifier)
        return await self._provisioned.get(subject)

    async def _delete_provisioned(self, _request: web.Request, subject: Subject) -> None:
        requests.need_qualifier(subject.qualifier)
        await self._provisioned.delete(subject)


def _alias(request: web.Request) -> str:
    return unquote(request.rel_url.raw_path.split("/")[5])
