"""A node with an ipfs actor and a cache actor on a real bus, and a bridge that asks the cache."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cidbus.actors import make_actor
from cidbus.bus import Bus, Host
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import connect, hosted
from cidbus.http_bridge import BridgeSettings, serve
from cidbus.schemas import ipfs, subjects

API = "/api/v0/mcp"
MIB = 1 << 20


@pytest.fixture
async def ipfs_host(server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Host]:
    async with hosted(server, make_actor("ipfs", tmp_path / "ipfs")) as host:
        yield host


@pytest.fixture
async def cache_host(
    server: EmbeddedServer, ipfs_host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Host]:
    """Small tiers, so that tests reach their limits."""
    monkeypatch.setenv("CIDBUS_CACHE_MEMORY_LIMIT", str(16 * MIB))
    monkeypatch.setenv("CIDBUS_CACHE_DISK_LIMIT", str(64 * MIB))
    async with hosted(server, make_actor("cache", tmp_path / "cache")) as host:
        yield host


@pytest.fixture
async def bus(server: EmbeddedServer, cache_host: Host) -> AsyncIterator[Bus]:
    async with await connect(server) as connected:
        yield connected


class Web:
    """An HTTP client of the bridge; paths are below the prefix."""

    def __init__(self, session: aiohttp.ClientSession, base: str, bridge_bus: Bus) -> None:
        self._session = session
        self.base = base
        self.bus = bridge_bus

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Any]:
        return await self._answer("GET", path, options)

    async def post(self, path: str, **body: Any) -> tuple[int, Any, Any]:
        return await self._answer("POST", path, {"json": body})

    async def _answer(self, method: str, path: str, options: Any) -> tuple[int, Any, Any]:
        async with self._session.request(method, self.base + path, **options) as response:
            is_json = "json" in response.content_type and "x-ndjson" not in response.content_type
            return response.status, await (response.json() if is_json else response.read()), response.headers


@pytest.fixture
async def web(server: EmbeddedServer, cache_host: Host) -> AsyncIterator[Web]:
    settings = BridgeSettings(discovery_wait_s=0.1, near_bytes=8 * MIB)
    async with (
        await connect(server, "bridge") as bridge_bus,
        await serve(bridge_bus, settings=settings) as bridge,
        aiohttp.ClientSession() as session,
    ):
        yield Web(session, f"http://127.0.0.1:{bridge.port}{API}", bridge_bus)


async def add(bus: Bus, content: bytes, **fields: Any) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return (await bus.upload(subjects.ADD, ipfs.AddRequest(**fields), pieces())).cid


def requests_of(host: Host, name: str) -> int:
    """How often an actor has been asked for a row."""
    return next(e.requests for e in host._service.endpoints if e.row.name == name)
