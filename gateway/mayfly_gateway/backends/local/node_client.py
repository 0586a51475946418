"""The Node.js runtime client: the stock one where it builds, ours elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from mayfly_gateway.backends.local.image_files import image_file
from mayfly_gateway.backends.local.installs import Progress
from mayfly_gateway.backends.local.interpreters import Interpreter


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClient:
    """A runtime client: node's arguments before the handler, and the directory that stands for /var/runtime."""

    arguments: tuple[str, ...]
    directory: Path


async def node_client(interpreter: Interpreter, progress: Progress) -> NodeClient:
    """The client for this interpreter."""
    bootstrap = image_file("nodejs/bootstrap.mjs")
    return NodeClient(arguments=(str(bootstrap),), directory=bootstrap.parent)
