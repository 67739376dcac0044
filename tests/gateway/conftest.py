"""A gateway for each file of tests: a real nats-server, the ipfs actor over a folder, the bridge.

Content is addressed by its hash, so tests that share a store do not meet. Such tests run in one event loop:
`pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from cidbus.actors import make_actor
from cidbus.bus import Bus
from cidbus.bus.testing import connect, hosted, nats_server, server_is_missing
from cidbus.http_bridge import BridgeSettings, serve
from cidbus.schemas import ipfs, subjects

shared = pytest_asyncio.fixture(loop_scope="module", scope="module")


class Answered:
    """One answer, read to its end."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self) -> str:
        return f"Answered({self.status}, {self.body[:300]!r})"


class Web:
    """An HTTP client of one gateway, which it reaches by address; `host` says another Host."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self.port = port

    async def get(
        self, path: str, headers: dict[str, str] | None = None, *, host: str = "", method: str = "GET"
    ) -> Answered:
        sent = dict(headers or {}) | ({"Host": host} if host else {})
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self._session.request(method, url, headers=sent, allow_redirects=False) as reply:
            return Answered(reply.status, reply.headers, await reply.read())

    async def head(self, path: str, headers: dict[str, str] | None = None, *, host: str = "") -> Answered:
        return await self.get(path, headers, host=host, method="HEAD")


class Node:
    """The actor behind the gateway, as a client of the bus fills it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def add(self, content: bytes, **fields: object) -> str:
        return (await self.bus.upload(subjects.ADD, ipfs.AddRequest(data=content, **fields))).cid

    async def tree(self, files: dict[str, bytes], links: dict[str, str] | None = None) -> str:
        """A directory of these files and symbolic links, its CID."""
        targets = {path: target.encode() for path, target in (links or {}).items()}

        async def form() -> AsyncIterator[bytes]:
            for path, content in {**files, **targets}.items():
                head = f'Content-Disposition: form-data; name="file"; filename="d/{quote(path)}"\r\n'
                if path in targets:
                    head += "Content-Type: application/symlink\r\n"
                yield f"--b\r\n{head}\r\n".encode() + content + b"\r\n"
            yield b"--b--\r\n"

        ask = ipfs.AddRequest(content_type="multipart/form-data; boundary=b")
        return (await self.bus.upload(subjects.ADD, ask, form())).cid

    async def stream(self, content: bytes) -> str:
        """A file larger than what a request holds."""

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 256 * 1024):
                yield content[start : start + 256 * 1024]

        return (await self.bus.upload(subjects.ADD, ipfs.AddRequest(), pieces())).cid

    async def block(self, data: bytes, codec: str = "raw") -> str:
        return (await self.bus.upload(subjects.BLOCK_PUT, ipfs.BlockPut(data=data, format=codec))).cid

    async def forget(self, cid: str) -> None:
        """Let go of one block, and of whatever pins kept it."""
        async for pin in self.bus.items(subjects.PINS, ipfs.PinList()):
            await self.bus.request(subjects.UNPIN, ipfs.PinRemove(cid=pin.cid))
        await self.bus.request(subjects.BLOCK_RM, ipfs.BlockRemove(cid=cid))


@shared
async def bus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bus]:
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with (
        nats_server() as server,
        hosted(server, make_actor("ipfs", tmp_path_factory.mktemp("node") / "ipfs")),
        await connect(server, "bridge") as connected,
    ):
        yield connected


@shared
async def node(bus: Bus) -> Node:
    return Node(bus)


GatewayWith = Callable[..., Awaitable[Web]]


@asynccontextmanager
async def _client(port: int) -> AsyncIterator[Web]:
    headers = ("Accept", "Accept-Encoding", "User-Agent")  # a client that asks for nothing in particular
    async with aiohttp.ClientSession(skip_auto_headers=headers) as session:
        yield Web(session, port)


@shared
async def web(gateway_with: GatewayWith) -> Web:
    """The client of a gateway with the usual settings."""
    return await gateway_with()


@shared
async def gateway_with(bus: Bus) -> AsyncIterator[GatewayWith]:
    """`await gateway_with(gateway_trustless_only=True)`: a further gateway over the same node."""
    async with AsyncExitStack() as stack:

        async def start(**fields: Any) -> Web:
            settings = BridgeSettings(discovery_wait_s=0.1, **fields)
            running = await stack.enter_async_context(await serve(bus, "127.0.0.1", 0, settings))
            return await stack.enter_async_context(_client(running.port))

        yield start
