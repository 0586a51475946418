"""kopf: the watches of Functions, Versions, Aliases and pods.

Rule: `on.event` alone, which writes nothing to the objects; every handler hands on what it was told and is done. No
watch can be silent for longer than a minute without being opened anew.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import kopf

from mayfly_model.labels import GROUP, INSTANCE_SELECTOR, VERSION
from mayfly_operator.intake import Intake
from mayfly_operator.views import Json

_SILENCE: Final = 60
_END: Final = 2.0
"""Seconds that kopf has to end: after a failure it may wait for connections that it has closed itself."""
_RETRIES: Final = (0.2, 0.5, 1.0, 1.0, *(2.0 for _ in range(300)))
"""Pauses in seconds between attempts, ten minutes in all: an API server that is away for longer ends the process."""


def registry(intake: Intake, ending: asyncio.Event) -> kopf.OperatorRegistry:
    """The handlers; `ending` is set when kopf begins to end."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.cleanup(registry=handlers)
    async def cleanup(**_: Any) -> None:
        ending.set()

    @kopf.on.login(registry=handlers)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    takers = {"functions": intake.function, "versions": intake.version, "aliases": intake.alias}
    for kind, take in takers.items():
        kopf.on.event(GROUP, VERSION, kind, registry=handlers)(_taking(intake, kind, take))
    kopf.on.event("", "v1", "pods", registry=handlers)(_taking(intake, "pods", intake.pod))
    return handlers


def _taking(
    intake: Intake, kind: str, take: Callable[[Json], None]
) -> Callable[..., Coroutine[Any, Any, None]]:
    async def handler(event: kopf.RawEvent, **_: Any) -> None:
        if event["type"] == "DELETED":
            intake.gone(kind, event["object"])
        else:
            take(event["object"])

    # kopf tells handlers apart by their names.
    handler.__name__ = handler.__qualname__ = kind
    return handler


def operator_settings() -> kopf.OperatorSettings:
    """The settings of kopf itself."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    # Namespaces and CRDs are nothing that it may, or need, watch.
    settings.scanning.disabled = True
    settings.watching.label_selectors["pods"] = INSTANCE_SELECTOR
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = _SILENCE - 10
    settings.watching.client_timeout = _SILENCE
    settings.watching.inactivity_timeout = _SILENCE
    settings.watching.connect_timeout = 3
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 3
    settings.networking.error_backoffs = _RETRIES
    # A worker keeps its object's last event: with thousands of objects at the start that is memory.
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.5
    return settings


async def watch(intake: Intake) -> None:
    """Watch until the process is told to stop, by SIGTERM or SIGINT.

    Raises:
        Exception: a watch failed for good; the one that it failed with.
    """
    ending = asyncio.Event()
    operator = asyncio.create_task(
        kopf.operator(
            registry=registry(intake, ending),
            settings=operator_settings(),
            clusterwide=True,
            standalone=True,
        )
    )
    bound = asyncio.create_task(_after(ending, _END))
    try:
        await asyncio.wait([operator, bound], return_when=asyncio.FIRST_COMPLETED)
        if not operator.done():
            raise RuntimeError("kopf does not end")
        operator.result()
    finally:
        bound.cancel()
        operator.cancel()
        await asyncio.wait([operator], timeout=_END)


async def _after(event: asyncio.Event, pause: float) -> None:
    await event.wait()
    await asyncio.sleep(pause)
