"""Waiting for what happens by itself."""

import asyncio


async def until(condition, *, within=10.0) -> None:
    """Wait for something that happens by itself."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
