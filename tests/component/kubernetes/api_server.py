"""A stand-in for the Kubernetes API server: what the gateway asks of it, and the ways in which a real one fails.

It is at the edge of the protocol: real HTTP, lists in pages, watches that resume, bookmarks, 410. What the cluster's
other parts do, the tests do through it.
"""

import asyncio
import copy
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web

FUNCTIONS = "/apis/mayfly.dev/v1beta1/functions"
VERSIONS = "/apis/mayfly.dev/v1beta1/versions"
ALIASES = "/apis/mayfly.dev/v1beta1/aliases"
PODS = "/api/v1/pods"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/mayfly-system/endpointslices"
CREATED = "2026-11-25T00:00:00Z"


class ApiServer:
    """The objects of each kind, and what clients were told of them."""

    def __init__(self) -> None:
        self.version = 100
        self.oldest = 0
        self.objects: dict[str, dict[tuple[str, str], dict]] = {
            path: {} for path in (FUNCTIONS, VERSIONS, ALIASES, PODS, SLICES)
        }
        self.events: dict[str, list[tuple[int, str, dict]]] = {path: [] for path in self.objects}
        self.news = asyncio.Event()
        self.requests: list[tuple[str, str]] = []
        self.scaled: list[tuple[str, int]] = []
        self.resized: dict[str, dict] = {}
        self.no_resize: tuple[int, str] | None = None
        self.admission: tuple[int, str, str] | None = None
        self.deleted: list[tuple[str, dict]] = []
        self.broken_pages = 0
        self.refusing: tuple[int, str] | None = None
        self.statuses_to_refuse = 0
        self.withheld: set[str] = set()
        self.refusals: list[tuple[str, int, str]] = []
        self.watches: set[web.StreamResponse] = set()
        self.runner: web.AppRunner | None = None
        self.port = 0
        self.on_change = lambda path, key: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.serve)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be away, as far as clients can see; `start` brings it back, with all that it knows."""
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    # What others of the cluster do.

    def put(self, path: str, item: dict) -> dict:
        """Create an object or change it."""
        self.version += 1
        item = copy.deepcopy(item)
        metadata = item["metadata"]
        key = (metadata["namespace"], metadata["name"])
        before = self.objects[path].get(key)
        metadata.setdefault("uid", before["metadata"]["uid"] if before else str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", now() if path == PODS else CREATED)
        if path == PODS:
            item.setdefault("status", {"phase": "Pending"})
        if before is None or before.get("spec") != item.get("spec"):
            metadata["generation"] = metadata.get("generation", 0) + 1
        metadata["resourceVersion"] = str(self.version)
        self.objects[path][key] = item
        self._tell(path, "MODIFIED" if before else "ADDED", item)
        self.on_change(path, key)
        return item

    def change(self, path: str, key: tuple[str, str], **parts) -> None:
        """Merge into an object."""
        self.put(path, merged(self.objects[path][key], parts))

    def delete(self, path: str, key: tuple[str, str]) -> None:
        item = self.objects[path].pop(key)
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self._tell(path, "DELETED", item)
        self.on_change(path, key)

    def delete_unseen(self, path: str, key: tuple[str, str]) -> None:
        """Delete while nobody is told: only a list can show it."""
        del self.objects[path][key]
        self.version += 1

    def put_unseen(self, path: str, item: dict) -> dict:
        """Create while nobody is told."""
        told, self.events[path] = self.events[path], []
        try:
            return self.put(path, item)
        finally:
            self.events[path] = told

    def compact(self) -> None:
        """Forget what was before now: older watches are answered 410."""
        self.oldest = self.version
        for events in self.events.values():
            events.clear()

    def drop_watches(self) -> None:
        """End every watch in the middle."""
        for watch in tuple(self.watches):
            if watch._req is not None and watch._req.transport is not None:
                watch._req.transport.abort()

    def _tell(self, path: str, kind: str, item: dict) -> None:
        self.events[path].append((self.version, kind, copy.deepcopy(item)))
        self.news.set()
        self.news = asyncio.Event()

    # What clients ask.

    async def serve(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        self.requests.append((request.method, path))
        if self.refusing is not None:
            return failure(*self.refusing)
        if self.refusals and self.refusals[0][0] == request.method:
            _, code, reason = self.refusals.pop(0)
            return failure(code, reason, reason)
        if any(path.endswith(each) for each in self.withheld):
            return failure(503, "the server is overloaded")
        if request.method == "GET" and path in self.objects:
            if request.query.get("watch") == "true":
                return await self._watch(request, path)
            return self._list(request, path)
        if request.method == "PATCH":
            return self._patch(path, await request.json(), request)
        body = await request.json() if request.can_read_body else {}
        if request.method == "POST" and path.endswith("/pods"):
            if self.admission is not None:
                return failure(*self.admission)
            if request.query.get("dryRun") == "All":
                return web.json_response(body, status=201)
        return self._one(path, request.method, body)

    def _one(self, path: str, method: str, body: dict) -> web.Response:
        """Read, create or delete an object."""
        start, _, rest = path.partition("/namespaces/")
        namespace, _, rest = rest.partition("/")
        kind, _, name = rest.partition("/")
        path = f"{start}/{kind}"
        key = namespace, name or body.get("metadata", {}).get("name", "")
        there = self.objects.get(path, {}).get(key)
        if method == "POST" and there is None:
            return web.json_response(self.put(path, body) if path in self.objects else body, status=201)
        if method == "POST":
            return failure(409, f'{kind} "{key[1]}" already exists', "AlreadyExists")
        if there is None:
            return failure(404, f"{path} {name} not found")
        if method == "DELETE":
            if any(there["metadata"][name] != value for name, value in body["preconditions"].items()):
                return failure(409, "a precondition does not hold", "Conflict")
            self.deleted.append((path, there))
            self.delete(path, key)
        return web.json_response(there)

    def _list(self, request: web.Request, path: str) -> web.Response:
        selector = dict(each.split("=") for each in request.query.get("labelSelector", "").split(",") if each)
        items = [
            each
            for each in self.objects[path].values()
            if selector.items() <= each["metadata"].get("labels", {}).items()
        ]
        limit, start = int(request.query["limit"]), int(request.query.get("continue", 0))
        if start and self.broken_pages:
            self.broken_pages -= 1
            return failure(500, "etcdserver: request timed out")
        more = str(start + limit) if start + limit < len(items) else ""
        metadata = {"resourceVersion": str(self.version), "continue": more}
        return web.json_response({"metadata": metadata, "items": items[start : start + limit]})

    async def _watch(self, request: web.Request, path: str) -> web.StreamResponse:
        seen = int(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        self.watches.add(response)
        try:
            if seen < self.oldest:
                status = {"kind": "Status", "code": 410, "message": "too old resource version"}
                await response.write(line("ERROR", status))
                return response
            async with asyncio.timeout(float(request.query["timeoutSeconds"])):
                while True:
                    news = self.news
                    for version, kind, item in self.events[path]:
                        if version > seen:
                            await response.write(line(kind, item))
                            seen = version
                    bookmark = {"metadata": {"resourceVersion": str(max(seen, self.version))}}
                    await response.write(line("BOOKMARK", bookmark))
                    await news.wait()
        except (TimeoutError, ConnectionError):
            return response
        finally:
            self.watches.discard(response)

    def _label(self, namespace: str, name: str, body: dict) -> web.Response:
        item = self.objects[PODS].get((namespace, name))
        if item is None:
            return failure(404, f"pods {name} not found")
        if item["metadata"]["uid"] != body["metadata"]["uid"]:
            return failure(409, "the UID in the precondition is another", "Conflict")
        return web.json_response(self.put(PODS, merged(item, body)))

    def _resize(self, path: str, body: dict, request: web.Request) -> web.Response:
        _, _, _, _, namespace, _, name, _ = path.split("/")
        item = self.objects[PODS].get((namespace, name))
        if item is None or item["metadata"]["uid"] != body["metadata"]["uid"]:
            return failure(404, f"pods {name} not found")
        if self.no_resize is not None:
            return failure(*self.no_resize)
        assert request.headers["Content-Type"] == "application/strategic-merge-patch+json"
        (container,) = body["spec"]["containers"]
        assert container["name"] == "function"
        self.resized[name] = container["resources"]
        return web.json_response(item)

    def _alias_status(self, namespace: str, name: str, body: dict, request: web.Request) -> web.Response:
        """The gateway's part of an Alias's status."""
        item = self.objects[ALIASES].get((namespace, name))
        if item is None:
            return failure(404, f"aliases.mayfly.dev {name} not found")
        if item["metadata"]["uid"] != body["metadata"]["uid"]:
            return failure(409, "StorageError: Precondition failed: UID in precondition: another", "Conflict")
        if self.statuses_to_refuse:
            self.statuses_to_refuse -= 1
            return failure(403, "forbidden")
        assert request.headers["Content-Type"] == "application/apply-patch+yaml"
        own = {"mayfly-gateway": "rollout", "mayfly-gateway-scaling": "provisionedConcurrencyScaling"}
        its = own[request.query["fieldManager"]]
        assert body["status"].keys() <= {its}
        status = {each: value for each, value in item.get("status", {}).items() if each != its}
        return web.json_response(self.put(ALIASES, {**item, "status": {**status, **body["status"]}}))

    def _patch(self, path: str, body: dict, request: web.Request) -> web.Response:
        if path.endswith("/resize"):
            return self._resize(path, body, request)
        parts = path.split("/")
        if "/pods/" in path:
            return self._label(parts[4], parts[6], body)
        namespace, name, subresource = parts[5], parts[7], parts[8]
        if parts[6] == "aliases":
            return self._alias_status(namespace, name, body, request)
        item = self.objects[VERSIONS].get((namespace, name))
        if item is None:
            return failure(404, f"versions.mayfly.dev {name} not found")
        if subresource == "scale":
            replicas = body["spec"]["replicas"]
            self.scaled.append((name, replicas))
            self.put(VERSIONS, merged(item, {"spec": {"instances": replicas}}))
            return web.json_response({"spec": {"replicas": replicas}})
        if self.statuses_to_refuse:
            self.statuses_to_refuse -= 1
            return failure(403, "forbidden")
        assert request.headers["Content-Type"] == "application/apply-patch+yaml"
        status = body["status"]
        assert (request.query["fieldManager"] == "mayfly-gateway") == ("retired" in status)
        own = {each["type"] for each in status["conditions"]}
        others = [each for each in item.get("status", {}).get("conditions", []) if each["type"] not in own]
        applied = {**status, "conditions": [*others, *status["conditions"]]}
        self.put(VERSIONS, {**item, "status": {**item.get("status", {}), **applied}})
        return web.json_response(self.objects[VERSIONS][(namespace, name)])


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def line(kind: str, item: dict) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def failure(code: int, message: str, reason: str = "") -> web.Response:
    status = {"kind": "Status", "code": code, "message": message, "reason": reason}
    return web.json_response(status, status=code)


def merged(before: dict, parts: dict) -> dict:
    """A JSON merge patch."""
    result = copy.deepcopy(before)
    for name, value in parts.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


@asynccontextmanager
async def api_server() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def conditions(item: dict) -> Iterator[tuple[str, str, str]]:
    """Type, status and reason of an object's conditions."""
    for each in item.get("status", {}).get("conditions", []):
        yield each["type"], each["status"], each["reason"]
