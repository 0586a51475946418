"""The gateway with the local backend and one function, without a terminal; and bare instances of the same function.

    python bench/serve.py gateway        prints the function's URL
    python bench/serve.py agents COUNT   prints one `unix:path#token` a line, each instance initialised

Ends when its standard input does.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from mayfly_gateway.backends.local.deployer import Deployer
from mayfly_gateway.backends.local.instances import LocalBackend
from mayfly_gateway.catalogue import Catalogue
from mayfly_gateway.fleet import _connect, _specialise
from mayfly_gateway.logs import Logs
from mayfly_gateway.server import Gateway
from mayfly_gateway.settings import Settings
from mayfly_gateway.upstream import AgentEvents

MANIFEST = """
apiVersion: mayfly.dev/v1beta1
kind: Function
metadata: {name: echo}
spec:
  runtime: python3.11
  handler: app.handler
  keepAlive: 3600
  code:
    inline:
      app.py: |
        def handler(event, context):
            return event
"""


async def deploy(home: Path, catalogue: Catalogue, backend: LocalBackend) -> None:
    """Put the function into the catalogue."""
    manifest = home / "function.yaml"
    manifest.write_text(MANIFEST)
    deployer = Deployer(
        [manifest],
        namespace="default",
        cluster="local",
        store=home / "code",
        catalogue=catalogue,
        backend=backend,
        progress=lambda text: print(text, file=sys.stderr),
    )
    outcome = await deployer.refresh()
    if not outcome.served:
        raise SystemExit("\n".join(outcome.problems))


async def gateway(home: Path) -> None:
    """Serve until standard input ends."""
    server = Gateway(Settings(port=0))
    backend = LocalBackend(home / "i", logs=server.logs)
    await server.start(backend)
    backend.start()
    await deploy(home, server.catalogue, backend)
    print(f"{server.url}/2015-03-31/functions/echo/invocations", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()


async def agents(home: Path, count: int) -> None:
    """Hold `count` instances until standard input ends."""
    catalogue = Catalogue()
    backend = LocalBackend(home / "i", logs=Logs())
    backend.start()
    await deploy(home, catalogue, backend)
    target = catalogue.get("default", "echo")
    assert target is not None
    nothing = AgentEvents(
        payload=lambda *_: None, free=lambda *_: None, refused=lambda *_: None, lost=lambda *_: None
    )
    for _ in range(count):
        instance = await backend.launch(target)
        connection = await _connect(instance, nothing)
        await _specialise(connection, instance.specialise)
        print(f"unix:{instance.address}#{instance.token}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await backend.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-") as home:
        work = gateway(Path(home)) if sys.argv[1] == "gateway" else agents(Path(home), int(sys.argv[2]))
        uvloop.run(work)
