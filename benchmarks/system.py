"""A throw-away system to measure, with the admin's key for the bare peers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from cidbus.bus.keyring import Keyring
from cidbus.bus.server import free_port
from cidbus.data_dir import Info
from cidbus.supervisor import System, UpOptions

from .ratio import start_python

__all__ = ["Measured", "measured_system"]


class Measured:
    """A running system and how to start peers on its bus."""

    def __init__(self, info: Info, stack: AsyncExitStack) -> None:
        self.info = info
        self.admin_seed = Keyring(Path(info.data_dir) / "secrets").seed_path("admin")
        self._stack = stack

    async def peer(self, kind: str, *arguments: str) -> None:
        process = await start_python(
            "benchmarks.peers", kind, self.info.nats, str(self.admin_seed), *arguments
        )
        self._stack.push_async_callback(_end, process)

    async def http_peer(self) -> str:
        """A bare aiohttp handler that does one bare request; returns its URL."""
        port = free_port()
        await self.peer("responder")
        await self.peer("http", str(port))
        return f"http://127.0.0.1:{port}/cat/key"


@asynccontextmanager
async def measured_system(**options: Any) -> AsyncIterator[Measured]:
    async with AsyncExitStack() as stack:
        system = System(UpOptions(isolation=True, **options))
        info = await system.start()
        stack.push_async_callback(system.stop)
        yield Measured(info, stack)


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()
