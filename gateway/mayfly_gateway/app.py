"""Every route but the fast Invoke lane, on aiohttp: health, what a person asks of a function, and the unknown.

Invoke is here once more, for connections that came over with another request first; it decides nothing itself.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from mayfly_gateway.answers import Reply, error_reply
from mayfly_gateway.bodies import Bodies
from mayfly_gateway.catalogue import Catalogue, Target
from mayfly_gateway.dispatch import Dispatcher
from mayfly_gateway.http_errors import MethodNotAllowedException
from mayfly_gateway.invoke import Invoke
from mayfly_gateway.lambda_api.absent import absent, unknown
from mayfly_gateway.logs import Logs
from mayfly_gateway.origins import check_host, check_origin, over_loopback
from mayfly_gateway.request import HEADERS, new_request_id, too_large
from mayfly_gateway.settings import Bounds
from mayfly_gateway.slow_clients import received, sent
from mayfly_model.errors import (
    LambdaError,
    NotImplementedException,
    ResourceNotFoundException,
    ServiceException,
    ValidationException,
)
from mayfly_model.limits import SYNC_PAYLOAD_BYTES

_MOST_RECORDS = 10_000

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


def application(
    *,
    invoke: Invoke,
    catalogue: Catalogue,
    dispatcher: Dispatcher,
    logs: Logs,
    bodies: Bodies,
    bounds: Bounds,
    leaving: Callable[[], bool],
    ready: Callable[[], bool],
    log_elsewhere: Callable[[Target], str] | None = None,
) -> web.Application:
    """The aiohttp application. `leaving()`: the gateway will stop; `ready()`: it knows what it needs to serve calls."""

    async def readiness(_request: web.Request) -> web.Response:
        fit = ready() and not leaving()
        return web.json_response({"ready": fit}, status=200 if fit else 503)

    async def finish_head(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers.pop("Server", None)
        if leaving():
            # The headers are made already, without the word for what is asked for here.
            response.force_close()
            response.headers["Connection"] = "close"

    routes = Routes(
        invoke=invoke,
        catalogue=catalogue,
        dispatcher=dispatcher,
        logs=logs,
        bodies=bodies,
        bounds=bounds,
        log_elsewhere=log_elsewhere,
    )
    app = web.Application(middlewares=[_errors, _callers])
    app.on_response_prepare.append(finish_head)
    app.router.add_get("/healthz", routes.health)
    app.router.add_get("/readyz", readiness)
    namespace = "/mayfly/v1beta1/namespaces/{namespace}"
    app.router.add_get(f"{namespace}/functions", routes.functions)
    app.router.add_get(f"{namespace}/functions/{{name}}/logs", routes.log)
    app.router.add_post("/2015-03-31/functions/{name}/invocations", routes.invoke)
    return app


class Routes:
    """The handlers and what they need."""

    def __init__(
        self,
        *,
        invoke: Invoke,
        catalogue: Catalogue,
        dispatcher: Dispatcher,
        logs: Logs,
        bodies: Bodies,
        bounds: Bounds,
        log_elsewhere: Callable[[Target], str] | None,
    ) -> None:
        self._invoke = invoke
        self._catalogue = catalogue
        self._dispatcher = dispatcher
        self._logs = logs
        self._bodies = bodies
        self._bounds = bounds
        self._log_elsewhere = log_elsewhere

    async def health(self, _request: web.Request) -> web.Response:
        """Answered by the event loop itself: a process that hangs does not pass."""
        return web.json_response({"status": "ok"})

    async def functions(self, request: web.Request) -> web.Response:
        """The namespace's functions and their instances."""
        targets = self._catalogue.functions(request.match_info["namespace"])
        return web.json_response([self._described(target) for target in targets])

    def _described(self, target: Target) -> dict[str, Any]:
        versions = self._catalogue.versions(*target.function).values()
        return {
            "name": target.name,
            "runtime": target.spec.runtime,
            "memorySize": target.memory_size,
            "timeout": target.timeout,
            "instances": sum(self._dispatcher.instances(version) for version in versions),
            "running": self._dispatcher.running(target.function),
            "state": "Active",
        }

    async def log(self, request: web.Request) -> web.StreamResponse:
        """The function's last `tail` records as lines of JSON, and with `follow=true` those to come."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        target = self._catalogue.resolve(namespace, name)
        if target is None:
            raise ResourceNotFoundException(f"Function not found: {namespace}/{name}")
        if self._log_elsewhere is not None:
            raise NotImplementedException(f"Logs are with the pods here: {self._log_elsewhere(target)}")
        tail = _tail(request.query.get("tail", "100"))
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        past = [_line(record) for record in self._logs.tail(namespace, name, tail)]
        following = self._logs.follow(namespace, name) if request.query.get("follow") == "true" else None
        await response.prepare(request)
        await response.write(b"".join(past))
        if following is not None:
            async for record in following:
                await response.write(_line(record))
        return response

    async def invoke(self, request: web.Request) -> web.Response:
        """An Invoke request on a connection that aiohttp has; nothing is decided here."""
        headers = {
            name: value.encode("utf-8", "surrogateescape")
            for name in HEADERS
            if (value := request.headers.get(name.decode())) is not None
        }
        # Within the same bounds as on the fast lane.
        body = await received(
            request,
            self._bodies,
            most=SYNC_PAYLOAD_BYTES,
            within=self._bounds.body_time,
            too_large=too_large(),
        )
        replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def on_reply(reply: Reply) -> None:
            # Not when this handler ends: the client may be gone, and the invocation holds its payload still.
            self._bodies.give_back(len(body))
            if not replied.done():
                replied.set_result(reply)

        name = request.rel_url.raw_path.split("/")[3]
        self._invoke.serve(name, request.rel_url.raw_query_string, headers, body, on_reply)
        return await sent(request, _response(await replied), within=self._bounds.write_time)


@web.middleware
async def _errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Give every error Lambda's form."""
    try:
        return await handler(request)
    except LambdaError as error:
        return _failure(error)
    except web.HTTPNotFound:
        return _failure(unknown(request.method, request.rel_url.raw_path))
    except web.HTTPMethodNotAllowed as error:
        if (known := absent(request.method, request.rel_url.raw_path)) is not None:
            return _failure(known)
        response = _failure(MethodNotAllowedException(f"{request.path} does not know {request.method}."))
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return response
    except ConnectionError:
        raise
    except Exception:
        _log.exception("%s %s", request.method, request.rel_url.raw_path)
        return _failure(ServiceException("The gateway failed to serve the request; its log says why."))


@web.middleware
async def _callers(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse what a web page from elsewhere sends. A POST is known by its Origin, so its Host may be a tunnel's."""
    if over_loopback(request.transport):
        if (origin := request.headers.get("Origin")) is not None:
            check_origin(origin)
        if request.method != "POST":
            check_host(request.headers.get("Host", ""))
    return await handler(request)


def _failure(error: LambdaError) -> web.Response:
    return _response(error_reply(error, request_id=new_request_id()))


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=reply.headers, body=reply.body)


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _tail(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or int(text) > _MOST_RECORDS:
        raise ValidationException(f"tail must be a number from 0 to {_MOST_RECORDS}, and is {text[:40]!r}.")
    return int(text)
