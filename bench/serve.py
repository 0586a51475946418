"""The gateway with the local backend and two functions, without a terminal; and bare instances of one of them.

    python bench/serve.py gateway                 prints the URL of each function
    python bench/serve.py agents FUNCTION COUNT   prints one `unix:path#token` a line, each instance initialised

`echo` answers at once, `wait` after 20 ms that it sleeps. Ends when its standard input does.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from mayfly_gateway.backends.local.deployer import Deployer
from mayfly_gateway.backends.local.instances import LocalBackend
from mayfly_gateway.catalogue import Catalogue
from mayfly_gateway.greeting import connect, specialise
from mayfly_gateway.logs import Logs
from mayfly_gateway.server import Gateway
from mayfly_gateway.settings import Settings
from mayfly_gateway.upstream import AgentConnection, AgentEvents

FUNCTIONS = {"echo": "return event", "wait": "time.sleep(0.02); return event"}
MANIFEST = """---
apiVersion: mayfly.dev/v1beta1
kind: Function
metadata: {{name: {name}}}
spec:
  runtime: python3.11
  handler: app.handler
  keepAlive: 3600
  code:
    inline:
      app.py: |
        import time
        def handler(event, context):
            {body}
"""


async def deploy(home: Path, catalogue: Catalogue, backend: LocalBackend) -> None:
    """Put the functions into the catalogue."""
    manifest = home / "functions.yaml"
    manifest.write_text("".join(MANIFEST.format(name=name, body=body) for name, body in FUNCTIONS.items()))
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
    for name in FUNCTIONS:
        print(f"{server.url}/2015-03-31/functions/{name}/invocations", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()


async def agents(home: Path, name: str, count: int) -> None:
    """Hold `count` instances of a function until standard input ends."""
    catalogue = Catalogue()
    backend = LocalBackend(home / "i", logs=Logs())
    backend.start()
    await deploy(home, catalogue, backend)
    target = catalogue.resolve("default", name)
    assert target is not None
    nothing = AgentEvents(
        payload=lambda *_: None, free=lambda *_: None, refused=lambda *_: None, lost=lambda *_: None
    )
    for _ in range(count):
        instance = await backend.launch(target)
        connection = AgentConnection(nothing)
        await connect(instance, connection)
        await specialise(connection, instance)
        print(f"unix:{instance.address}#{instance.token}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await backend.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-") as home:
        match sys.argv[1:]:
            case ["gateway"]:
                uvloop.run(gateway(Path(home)))
            case ["agents", name, count]:
                uvloop.run(agents(Path(home), name, int(count)))
