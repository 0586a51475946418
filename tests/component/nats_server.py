"""A real NATS with JetStream, on a port of its own, that a test can kill and start again."""

import asyncio
import shutil
import signal
import socket
import sys
from pathlib import Path

SERVER = Path(sys.executable).with_name("nats-server")


class NatsServer:
    """`url` stays the same over restarts, and so does what is stored."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self.store = directory / "jetstream"
        self.configuration = directory / "nats.conf"
        self.configuration.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{directory}", sync_interval: always }}\n'
        )
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            str(SERVER), "--config", str(self.configuration), stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(20):
            while not await self._listens():
                await asyncio.sleep(0.02)

    def forget(self) -> None:
        """Lose what is stored, as a volume that is lost does."""
        shutil.rmtree(self.store)

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True
