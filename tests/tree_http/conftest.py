"""A node with ipfs, cache and journal actors on a real bus, and a bridge."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from cidbus.actors import make_actor
from cidbus.bus import Bus
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import connect, hosted
from cidbus.http_bridge import BridgeSettings, serve

API = "/api/v0/mcp"
MIB = 1 << 20


class Web:
    """An HTTP client of the bridge; paths are below the prefix."""

    def __init__(self, session: aiohttp.ClientSession, base: str, bus: Bus) -> None:
        self._session = session
        self.base = base
        self.bus = bus

    async def ask(self, method: str, path: str | URL, **options: Any) -> tuple[int, Any, Any]:
        """Status, body (JSON as such, else bytes) and headers."""
        url = self.base + path if isinstance(path, str) else path
        async with self._session.request(method, url, **options) as response:
            is_json = (
                response.content_type.endswith("json") and response.content_type != "application/x-ndjson"
            )
            return response.status, await (response.json() if is_json else response.read()), response.headers

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Any]:
        return await self.ask("GET", path, **options)

    async def put(self, path: str | URL, body: bytes = b"", **options: Any) -> tuple[int, Any, Any]:
        return await self.ask("PUT", path, data=io.BytesIO(body) if body else b"", **options)

    async def post(self, path: str, /, **body: Any) -> tuple[int, Any, Any]:
        return await self.ask("POST", path, json=body)

    async def names(self, path: str) -> list[str]:
        """What a directory of the tree holds."""
        status, listing, _ = await self.get(f"/fs{path}")
        assert status == 200, listing
        return [entry["name"] for entry in listing["entries"]]


@pytest.fixture
async def web(server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Web]:
    settings = BridgeSettings(discovery_wait_s=0.1, near_bytes=8 * MIB)
    async with (
        hosted(server, make_actor("ipfs", tmp_path / "ipfs")),
        hosted(server, make_actor("cache", tmp_path / "cache")),
        hosted(server, make_actor("journal", tmp_path / "journal")),
        await connect(server, "bridge") as bus,
        await serve(bus, settings=settings) as bridge,
        aiohttp.ClientSession() as session,
    ):
        yield Web(session, f"http://127.0.0.1:{bridge.port}{API}", bus)
