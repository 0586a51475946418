"""One invocation on its way through the instance."""

from __future__ import annotations

WAITING, DELIVERED, ANSWERED = "waiting", "delivered", "answered"


class Invocation:
    """One invocation. `headers` go to the runtime as they are; `caller` is whoever waits for the answer."""

    __slots__ = ("caller", "error_type", "headers", "payload", "request_id", "started", "state", "status")

    def __init__(
        self, request_id: str, *, payload: bytes, headers: tuple[tuple[bytes, bytes], ...], caller: object
    ) -> None:
        self.request_id = request_id
        self.payload = payload
        self.headers = headers
        self.caller = caller
        self.state = WAITING
        self.started = False
        self.status = "success"
        self.error_type: str | None = None
