"""A bridge of one's own for each test: a real nats-server, an actor with its content in memory, a client."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from yarl import URL

from cidbus.bus import Actor, Bus, Host, handles
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import connect, hosted
from cidbus.http_bridge import BridgeServer, BridgeSettings, serve
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.errors import BadRequest, Conflict, NotFound, UnsatisfiableRange

API = "/api/v0/mcp"
PIECE_BYTES = 256 * 1024
WHOLE_BYTES = 512 * 1024


class Shelf(Actor):
    """Answers as the ipfs actor does, from a dict of `cid` and `cid/path` to content.

    A CID that begins with `breaks` ends in an error after a MiB, one that begins with `hangs` waits after
    its first MiB until the test says `go`.
    """

    name = "ipfs"

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.asks: list[Any] = []
        self.read_bytes = 0  # of files, as they were pulled
        self.go = asyncio.Event()
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.ended: asyncio.Queue[str] = asyncio.Queue()

    def put(self, content: bytes, key: str = "") -> str:
        key = key or "bafy" + hashlib.sha256(content).hexdigest()
        self.content[key] = content
        return key

    def find(self, cid: str, path: str) -> bytes:
        key = f"{cid}/{path}" if path else cid
        if key not in self.content:
            raise NotFound("block", key)
        return self.content[key]

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        self.asks.append(ask)
        if ask.cid.startswith(("breaks", "hangs")):
            async for piece in self._troubled(ask):
                yield piece
            return
        content = self.find(ask.cid, ask.path)
        size = len(content)
        if not ask.path and not ask.offset and ask.length is None and size <= WHOLE_BYTES:
            yield content
            return
        start = max(0, size + ask.offset) if ask.offset < 0 else ask.offset
        if start >= size and start > 0:
            raise UnsatisfiableRange(size)
        length = size - start if ask.length is None else min(ask.length, size - start)
        yield ipfs.FileHead(cid=ask.cid, size_bytes=size, offset=start, length=length)
        for at in range(start, start + length, PIECE_BYTES):
            piece = content[at : min(at + PIECE_BYTES, start + length)]
            self.read_bytes += len(piece)
            yield piece

    async def _troubled(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        self.started.put_nowait(ask.cid)
        try:
            yield ipfs.FileHead(cid=ask.cid, size_bytes=1 << 30, offset=0, length=1 << 30)
            for _ in range(16):
                yield bytes(WHOLE_BYTES)
            if ask.cid.startswith("breaks"):
                raise NotFound("block", "missing")
            await self.go.wait()
            while True:
                yield bytes(WHOLE_BYTES)
        finally:
            self.ended.put_nowait(ask.cid)

    @handles(subjects.GET)
    async def get(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.TarHead | bytes]:
        content = self.find(ask.cid, ask.path)
        yield ipfs.TarHead(cid=ask.cid, name=ask.path.rpartition("/")[2] or ask.cid)
        yield content

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        """As many entries as the CID's number says; `broken` ends in an error after the thousandth."""
        count = ask.cid.removeprefix("dir").removesuffix("broken")
        if not count.isdecimal():
            raise NotFound("block", ask.cid)
        for number in range(int(count)):
            if ask.cid.endswith("broken") and number == 5000:
                raise NotFound("block", "missing")
            yield ipfs.DirEntry(name=f"file {number}", cid=ask.cid, type="file", size_bytes=number)

    @handles(subjects.STAT)
    async def stat(self, ask: ipfs.PathRequest) -> ipfs.Stat:
        size = len(self.find(ask.cid, ask.path))
        return ipfs.Stat(cid=ask.cid, type="file", size_bytes=size, dag_size_bytes=size, links=0, codec="raw")

    @handles(subjects.BLOCK_GET)
    async def block_get(self, ask: ipfs.BlockRequest) -> AsyncIterator[ipfs.BlockHead | bytes]:
        block = self.find(ask.cid, "")
        yield ipfs.BlockHead(cid=ask.cid, size_bytes=len(block))
        yield block

    @handles(subjects.BLOCK_PUT)
    async def block_put(self, ask: ipfs.BlockPut, content: AsyncIterator[bytes]) -> ipfs.BlockStat:
        self.asks.append(ask)
        block = b"".join([piece async for piece in content])
        return ipfs.BlockStat(cid=self.put(block), size_bytes=len(block), format=ask.format)

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        self.asks.append(ask)
        self.started.put_nowait(ask.filename or "")
        try:
            pieces = []
            async for piece in content:
                pieces.append(piece)
                if ask.filename == "refused":
                    raise BadRequest("content", "refused")
        finally:
            self.ended.put_nowait(ask.filename or "")
        whole = b"".join(pieces)
        cid = self.put(whole)
        size = len(whole)
        await self.bus.publish(
            subjects.ADDED, ipfs.ContentAdded(cid=cid, size_bytes=size, pinned=ask.pin, at=1.5)
        )
        return ipfs.Added(
            cid=cid,
            content_size_bytes=size,
            dag_size_bytes=size,
            profile=ask.profile,
            pinned=ask.pin,
            filename=ask.filename,
        )

    @handles(subjects.PIN)
    async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
        self.asks.append(ask)
        if ask.cid == "bug":
            raise RuntimeError("the password is hunter2")
        if ask.cid == "slow":
            self.started.put_nowait(ask.cid)
            await self.go.wait()
        if ask.cid == "conflict":
            raise Conflict("already pinned otherwise")
        return ipfs.Pinned(cid=ask.cid, pinned=True, mode="recursive", name=ask.name)

    @handles(subjects.PINS)
    async def pins(self, ask: ipfs.PinList) -> AsyncIterator[ipfs.Pin]:
        self.asks.append(ask)
        for cid in self.content:
            yield ipfs.Pin(cid=cid, mode="recursive", created_at=1.0)

    @handles(subjects.VERSION)
    async def version(self, ask: ipfs.VersionRequest) -> ipfs.Version:
        return ipfs.Version(version="1", backend="shelf", python="3", system="test")

    @handles(subjects.ID)
    async def id(self, ask: ipfs.IdRequest) -> ipfs.Id:
        return ipfs.Id(id="12D3", public_key="", agent_version="shelf", addresses=[], instance=self.instance)


class Web:
    """An HTTP client of one bridge: paths are below the prefix unless they begin with `//`."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session = session
        self.port = port

    def url(self, path: str) -> URL:
        below = path[1:] if path.startswith("//") else API + path
        return URL(f"http://127.0.0.1:{self.port}{below}", encoded=True)

    def get(self, path: str, **options: Any) -> Any:
        return self.session.get(self.url(path), **options)

    def head(self, path: str, **options: Any) -> Any:
        return self.session.head(self.url(path), **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.session.post(self.url(path), **options)

    def request(self, method: str, path: str, **options: Any) -> Any:
        return self.session.request(method, self.url(path), **options)

    async def raw(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which these bytes have been sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        await writer.drain()
        return reader, writer


@pytest.fixture
async def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def host(server: EmbeddedServer, shelf: Shelf) -> AsyncIterator[Host]:
    async with hosted(server, shelf) as running:
        yield running


@pytest.fixture
async def bus(server: EmbeddedServer) -> AsyncIterator[Bus]:
    async with await connect(server, "bridge") as connected:
        yield connected


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> BridgeSettings:
    """The settings of the test's bridge: `@pytest.mark.parametrize("settings", [{…}], indirect=True)`."""
    return BridgeSettings(**{"discovery_wait_s": 0.1} | getattr(request, "param", {}))


@pytest.fixture
async def bridge(bus: Bus, host: Host, settings: BridgeSettings) -> AsyncIterator[BridgeServer]:
    async with await serve(bus, "127.0.0.1", 0, settings) as running:
        yield running


@pytest.fixture
async def web(bridge: BridgeServer) -> AsyncIterator[Web]:
    async with aiohttp.ClientSession() as session:
        yield Web(session, bridge.port)
