"""`mayfly dev`: the gateway, the local backend and the manifests, put together until Ctrl-C."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterable
from pathlib import Path
from typing import Any

import uvloop
import watchfiles

from mayfly_cli import present, screen
from mayfly_gateway.backends.local.deployer import Deployer, Outcome
from mayfly_gateway.backends.local.instances import LocalBackend
from mayfly_gateway.backends.local.project import ProjectError
from mayfly_gateway.backends.local.registry import LocalRegistry
from mayfly_gateway.catalogue import Target
from mayfly_gateway.logs import Logs
from mayfly_gateway.server import Gateway
from mayfly_gateway.settings import Settings

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WATCH_ROUND = 1000
"""Milliseconds after which a watch says that it watches."""
STOP_TIME = 2.0
"""Seconds that running invocations have to finish after Ctrl-C."""
ACCOUNT_LIMIT = 1000
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
INSTANCE_SIZE = 32 * 1024 * 1024
"""Bytes that an idle instance of a small function takes, with room."""


def run(paths: list[Path], *, host: str, port: int, namespace: str, account_limit: int | None) -> int:
    """Serve the functions until a signal comes. Returns the exit status: 1 if it could not go on."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[present.Trouble()])
    home = Path(tempfile.mkdtemp(prefix="mayfly-"))
    limit = account_limit or affordable_instances()
    settings = Settings(
        host=host,
        port=port,
        namespace=namespace,
        account_limit=limit,
        unreserved_minimum=limit // 10,
        stop_time=STOP_TIME,
    )
    try:
        return uvloop.run(serve(paths, home, settings))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def affordable_instances() -> int:
    """As many running invocations as AWS allows an account, but no more than this machine's memory holds."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(ACCOUNT_LIMIT, memory // INSTANCE_SIZE))


async def serve(paths: list[Path], home: Path, settings: Settings) -> int:
    """Run the local mode below `home`, a directory of its own."""
    stop = stop_on_signals(home)
    view = screen.Screen()
    gateway = Gateway(settings, on_report=view.invocation)
    backend = LocalBackend(home / "instances", logs=gateway.logs)
    deployer = Deployer(
        paths,
        namespace=settings.namespace,
        cluster=settings.cluster,
        store=home / "code",
        catalogue=gateway.catalogue,
        backend=backend,
        progress=view.progress,
    )
    try:
        await gateway.start(
            backend,
            is_stale=deployer.freshness.is_stale,
            registry=LocalRegistry(
                deployer.releases,
                deployer.freshness,
                provisioned=lambda target: gateway.provisioning.state(target),
                scaled=lambda alias: gateway.scaling.decided(alias),
            ),
            on_rollout=view.rollout,
            on_scaled=view.scaled,
        )
    except OSError as error:
        present.problem(f"{settings.host}:{settings.port} cannot be listened on: {listening_problem(error)}")
        return 1
    try:
        backend.start(endpoint=gateway.url)
        return await deploy(deployer, view, gateway, stop)
    except ProjectError as error:
        present.problem(str(error))
        return 1
    finally:
        await gateway.stop()


async def deploy(deployer: Deployer, view: screen.Screen, gateway: Gateway, stop: asyncio.Event) -> int:
    """Serve what the manifests declare until `stop`. Returns the exit status."""
    outcome = await unless(stop, deployer.refresh())
    if outcome is None:
        view.goodbye()
        return 0
    view.problems(outcome.problems)
    if not outcome.served:
        present.problem("No function to serve: see examples/hello.yaml for a manifest to begin with.")
        return 1
    view.welcome(gateway.url, outcome.served)
    view.published(outcome.published)
    await follow(deployer, view, gateway.logs, outcome, stop)
    return 0


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, Outcome]) -> Outcome | None:
    """What the work brings about; None if `stop` came first: the first round may install and build for minutes."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait((working,))
    return None


async def follow(
    deployer: Deployer, view: screen.Screen, logs: Logs, first: Outcome, stop: asyncio.Event
) -> None:
    """Show what the functions write and keep them up to date with their files, until `stop`."""
    async with asyncio.TaskGroup() as tasks:
        followers = {
            function_key(target): tasks.create_task(view.follow(logs, target)) for target in first.served
        }

        last = first

        def show(outcome: Outcome) -> None:
            nonlocal last
            view.changed(outcome, last)
            last = outcome
            for target in outcome.served:
                if function_key(target) not in followers:
                    followers[function_key(target)] = tasks.create_task(view.follow(logs, target))

        deployer.on_outcome = show
        watching = tasks.create_task(watch(deployer))
        await stop.wait()
        view.goodbye()
        for task in (watching, *followers.values()):
            task.cancel()


def function_key(target: Target) -> tuple[str, str]:
    """What a function is told apart by."""
    return target.namespace, target.name


async def watch(deployer: Deployer) -> None:
    """Deploy again whenever a file changes, for ever.

    What changes while nothing watches yet is no event: the first round of each watch looks at everything.
    """
    while True:
        watched, first = deployer.watched(), True
        async for changes in changed_sets(watched):
            if first or changes:
                changed = frozenset(watched) if first else await asyncio.to_thread(resolved, changes)
                first = False
                try:
                    await deployer.refresh(changed)
                except ProjectError as error:
                    present.problem(str(error))
            if deployer.watched() != watched:
                break


def changed_sets(watched: Iterable[Path]) -> AsyncIterator[set[tuple[watchfiles.Change, str]]]:
    """The changes of these paths, as they come; an empty set, at times, says that it watches."""
    return watchfiles.awatch(
        *existing(watched), step=20, debounce=100, rust_timeout=WATCH_ROUND, yield_on_timeout=True
    )


def resolved(changes: Iterable[tuple[watchfiles.Change, str]]) -> frozenset[Path]:
    """The files that changed."""
    return frozenset(Path(path).resolve() for _, path in changes)


def existing(paths: Iterable[Path]) -> list[Path]:
    """The paths that can be watched: one that is gone is watched by its nearest folder."""
    return sorted({next(place for place in (path, *path.parents) if place.exists()) for path in paths})


def stop_on_signals(home: Path) -> asyncio.Event:
    """An event that Ctrl-C, SIGTERM and the end of the terminal set; the second of them ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for number in STOPPING:
            loop.remove_signal_handler(number)
            signal.signal(number, end_at_once)

    def end_at_once(number: int, _frame: object) -> None:
        # An exception could be raised where nobody passes it on; agents end when this process does.
        shutil.rmtree(home, ignore_errors=True)
        os._exit(128 + number)

    for number in STOPPING:
        loop.add_signal_handler(number, on_signal)
    return stop


def listening_problem(error: OSError) -> str:
    """The cause in words, with the way out."""
    with contextlib.suppress(TypeError):
        text = os.strerror(error.errno or 0)
        return f"{text.lower()}. Choose another port with --port, or 0 for any free one."
    return str(error)
