"""A stand-in for the Kubernetes API server: what the operator writes, and a connection that breaks after any write.

It is at the edge of the protocol: real HTTP, names that are unique, uids as preconditions, statuses apart.
"""

import copy
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

Json = dict[str, Any]


class ApiServer:
    """Objects by their path. After `dies_after` more writes the connection breaks, with the write done."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.writes: list[tuple[str, str]] = []
        self.dies_after: int | None = None
        self.port = 0
        self._states = itertools.count(1)

    def put(self, kind: str, item: Json) -> Json:
        """What a person applies."""
        path = self._path(kind, item["metadata"]["name"])
        before = self.objects.get(path)
        made = copy.deepcopy(item)
        made["metadata"] |= {"namespace": "shop", "creationTimestamp": "2026-11-25T09:00:00Z"}
        made["metadata"]["uid"] = before["metadata"]["uid"] if before else f"uid-{next(self._states)}"
        made["status"] = before.get("status", {}) if before else {}
        self._store(path, made, before)
        return made

    def delete(self, kind: str, name: str) -> None:
        del self.objects[self._path(kind, name)]

    def get(self, kind: str, name: str) -> Json:
        return self.objects[self._path(kind, name)]

    def all(self, kind: str) -> list[Json]:
        return [item for path, item in self.objects.items() if f"/{kind}/" in path]

    def _path(self, kind: str, name: str) -> str:
        return f"/apis/mayfly.dev/v1beta1/namespaces/shop/{kind}/{name}"

    def _store(self, path: str, item: Json, before: Json | None) -> None:
        same = before is not None and before["spec"] == item["spec"]
        generation = before["metadata"]["generation"] if before else 0
        item["metadata"]["generation"] = generation + (not same)
        item["metadata"]["resourceVersion"] = str(next(self._states))
        self.objects[path] = item

    async def serve(self, request: web.Request) -> web.Response:
        path, body = request.path, await request.json() if request.can_read_body else {}
        if request.method == "GET":
            found = self.objects.get(path)
            return web.json_response(found) if found else _refusal(404, "NotFound")
        if "/mayfly.dev/" not in path:
            return web.json_response(body)
        if request.method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                return _refusal(409, "AlreadyExists")
        path = path.removesuffix("/status")
        answer = self._write(path, body, is_status=request.path.endswith("/status"))
        if isinstance(answer, dict):
            self.writes.append((request.method, request.path))
            self._die(request)
            return web.json_response(answer)
        return answer

    def _write(self, path: str, body: Json, *, is_status: bool) -> Json | web.Response:
        before = self.objects.get(path)
        metadata = body.get("metadata", {})
        if metadata.get("uid") and (before is None or before["metadata"]["uid"] != metadata["uid"]):
            return _refusal(409, "Conflict")
        made = copy.deepcopy(before) if before else {**body, "metadata": {"uid": f"uid-{next(self._states)}"}}
        if is_status:
            if body["status"].get("lastPublishedVersion", 10**9) < made["status"].get(
                "lastPublishedVersion", 0
            ):
                return _refusal(422, "Invalid")
            made["status"] = {**made.get("status", {}), **body["status"]}
        else:
            made["spec"] = {**made["spec"], **body.get("spec", {})}
            made["metadata"] |= {key: value for key, value in metadata.items() if key != "resourceVersion"}
            made.setdefault("status", {})
        self._store(path, made, before)
        return made

    def _die(self, request: web.Request) -> None:
        if self.dies_after is None:
            return
        self.dies_after -= 1
        if self.dies_after == 0:
            self.dies_after = None
            assert request.transport is not None
            request.transport.abort()


def _refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"kind": "Status", "reason": reason, "message": reason}, status=status)


@asynccontextmanager
async def api_server(folder: Path) -> AsyncIterator[tuple[ApiServer, str]]:
    """The server, and the path of a kubeconfig for it."""
    server = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    kubeconfig = folder / "kubeconfig"
    cluster = {"name": "a", "cluster": {"server": address}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    content = {"clusters": [cluster], "contexts": [context], "users": [{"name": "a", "user": {}}]}
    kubeconfig.write_text(
        json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "a", **content})
    )
    try:
        yield server, str(kubeconfig)
    finally:
        await runner.cleanup()
