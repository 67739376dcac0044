"""A node with an ipfs actor and a media actor on a real bus, and a bridge in front of them."""

from __future__ import annotations

import os
import shutil
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

from .samples import sample

API = "/api/v0/mcp"


@pytest.fixture(scope="session")
def movie() -> bytes:
    """Ten seconds of H.264 and AAC in an MP4 whose index comes last."""
    return sample(10)


@pytest.fixture
async def ipfs_host(server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[Host]:
    async with hosted(server, make_actor("ipfs", tmp_path / "ipfs")) as host:
        yield host


@pytest.fixture
async def media_host(server: EmbeddedServer, ipfs_host: Host, tmp_path: Path) -> AsyncIterator[Host]:
    async with hosted(server, make_actor("media", tmp_path / "media")) as host:
        yield host


@pytest.fixture
async def bus(server: EmbeddedServer, ipfs_host: Host) -> AsyncIterator[Bus]:
    async with await connect(server) as connected:
        yield connected


class Web:
    """An HTTP client of the bridge at `origin`; paths are below the prefix."""

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        self._session = session
        self.origin = origin
        self.base = origin + API

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        return await self._answer("GET", path, options)

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        return await self._answer("POST", path, {"json": body})

    async def _answer(self, method: str, path: str, options: Any) -> tuple[int, Any]:
        async with self._session.request(method, self.base + path, **options) as response:
            is_json = "json" in response.content_type
            return response.status, await (response.json() if is_json else response.read())


@pytest.fixture
async def web(server: EmbeddedServer, ipfs_host: Host) -> AsyncIterator[Web]:
    async with (
        await connect(server, "bridge") as bridge_bus,
        await serve(bridge_bus, settings=BridgeSettings(discovery_wait_s=0.1)) as bridge,
        aiohttp.ClientSession() as session,
    ):
        yield Web(session, f"http://127.0.0.1:{bridge.port}")


async def add(bus: Bus, content: bytes, **fields: Any) -> str:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return (await bus.upload(subjects.ADD, ipfs.AddRequest(**fields), pieces())).cid


async def add_tree(bus: Bus, files: dict[str, bytes]) -> str:
    """The CID of a directory with these files."""

    async def form() -> AsyncIterator[bytes]:
        for name, content in files.items():
            disposition = f'form-data; name="file"; filename="site%2F{name}"'
            yield f"--cut\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
            yield content + b"\r\n"
        yield b"--cut--\r\n"

    ask = ipfs.AddRequest(content_type="multipart/form-data; boundary=cut")
    return (await bus.upload(subjects.ADD, ask, form())).cid


def chromium() -> str:
    """Where Chromium is; without it the test is skipped, or fails in CI."""
    found = shutil.which("chromium")
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("chromium is not installed")
    return found
