"""A whole system as `cidbus up` runs it, and how tests speak to it over HTTP."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio
from kubo_daemon import kubo  # noqa: F401

from cidbus.bus.testing import server_is_missing
from cidbus.data_dir import Info
from cidbus.supervisor import System, UpOptions


@dataclass
class Running:
    """A running system and a session to it."""

    system: System
    info: Info
    http: aiohttp.ClientSession
    start_s: float

    @property
    def api(self) -> str:
        return f"{self.info.http}/api/v0/mcp"

    def pids(self, name: str) -> list[int]:
        return [process.pid for process in self.system.info.actors if process.name == name]

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(process.pid) for process in self.system.info.actors]

    async def add(self, content: bytes, **query: str) -> dict[str, Any]:
        """Store bytes; raises aiohttp.ClientError unless they were acknowledged."""
        url, body = f"{self.api}/ipfs/add", io.BytesIO(content)
        async with self.http.post(url, data=body, params=query, headers=OCTETS) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def cat(self, cid: str, **headers: str) -> bytes:
        async with self.http.get(f"{self.api}/ipfs/cat/{cid}", headers=headers) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        async with self.http.post(f"{self.api}{path}", json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def get(self, path: str) -> dict[str, Any]:
        async with self.http.get(f"{self.api}{path}") as answer:
            answer.raise_for_status()
            return await answer.json()

    def kill(self, name: str, number: int = 0, how: int = signal.SIGKILL) -> int:
        pid = self.pids(name)[number]
        os.kill(pid, how)
        return pid


OCTETS = {"Content-Type": "application/octet-stream"}


@asynccontextmanager
async def running_system(**options: Any) -> AsyncIterator[Running]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    system = System(UpOptions(isolation=True, **options))
    began = time.monotonic()
    info = await system.start()
    start_s = time.monotonic() - began
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield Running(system, info, session, start_s)
    finally:
        await system.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    """One system for all tests of a file, whose tests then run on the loop of the file too:
    `pytestmark = pytest.mark.asyncio(loop_scope="module")`."""
    async with running_system() as system:
        yield system


def pattern(start: int, size: int) -> bytes:
    """Bytes whose value tells their position; with a period that no block size is a multiple of."""
    shift = start % len(PERIOD)
    return (PERIOD * (size // len(PERIOD) + 2))[shift : shift + size]


PERIOD = b"".join(number.to_bytes(3, "big") for number in range(65521))


def pattern_pieces(size: int, piece: int = 1 << 20) -> Iterator[bytes]:
    for start in range(0, size, piece):
        yield pattern(start, min(piece, size - start))
