"""Where the contract is tried: an ipfs actor over each back end, on a bus of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cidbus.actors.ipfs.actor import IpfsActor
from cidbus.actors.ipfs.backends.choice import make_backends
from cidbus.actors.ipfs.remote.upload import FilePart, FormBody
from cidbus.actors.ipfs.settings import IpfsSettings
from cidbus.bus import Bus
from cidbus.bus.testing import connect, hosted, nats_server
from cidbus.http_bridge import serve
from cidbus.schemas import dag, ipfs, subjects
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.rows import Request, Stream, Upload

__all__ = ["Place", "absent", "actor_over", "cidbus_over_http", "place_of"]


@dataclass(frozen=True)
class Place:
    """A back end under test, asked over `bus`. Content is put by way of `home`: the same bus, except where the
    back end can only read."""

    name: str
    bus: Bus
    home: Bus

    async def add(self, content: str | bytes, **fields: Any) -> ipfs.Added:
        """Text goes inside the request, bytes as a stream."""
        if isinstance(content, str):
            return await self.home.upload(subjects.ADD, ipfs.AddRequest(content=content, **fields))
        return await self.home.upload(subjects.ADD, ipfs.AddRequest(**fields), cut(content))

    async def add_tree(self, *parts: FilePart, **fields: Any) -> ipfs.Added:
        form = FormBody(parts)
        ask = ipfs.AddRequest(content_type=form.content_type, **fields)
        return await self.home.upload(subjects.ADD, ask, form)

    async def put_block(self, data: bytes, **fields: Any) -> str:
        return (await self.home.upload(subjects.BLOCK_PUT, ipfs.BlockPut(data=data, **fields))).cid

    async def put_node(self, node: Any, **fields: Any) -> str:
        return (await self.home.upload(subjects.DAG_PUT, dag.DagPut(object=node, **fields))).cid

    async def ask(self, row: Request[Any, Any] | Upload[Any, Any], ask: Any) -> Any:
        if isinstance(row, Upload):
            return await self.bus.upload(row, ask)
        return await self.bus.request(row, ask)

    async def read(self, row: Stream[Any, Any, bytes], ask: Any) -> tuple[Any, bytes]:
        """The head of a stream of bytes, and the bytes."""
        async with await self.bus.open(row, ask) as stream:
            return stream.head, b"".join([bytes(piece) async for piece in stream])

    async def items(self, row: Stream[Any, Any, Any], ask: Any) -> list[Any]:
        return [item async for item in self.bus.items(row, ask)]

    async def cat(self, cid: str, path: str = "", **span: Any) -> bytes:
        return (await self.read(subjects.CAT, ipfs.CatRequest(cid=cid, path=path, **span)))[1]

    async def export(self, cid: str, path: str = "", **fields: Any) -> bytes:
        return (await self.read(subjects.DAG_EXPORT, dag.DagExport(cid=cid, path=path, **fields)))[1]

    async def has(self, cid: str) -> bool:
        """Whether a block is stored: told by the list of all of them, so that nobody else is asked for it."""
        wanted = CID.parse(cid).multihash
        refs = await self.items(subjects.REFS_LOCAL, dag.LocalRefs())
        return wanted in {CID.parse(ref.cid).multihash for ref in refs}

    async def pins(self, **which: Any) -> list[ipfs.Pin]:
        return await self.items(subjects.PINS, ipfs.PinList(**which))


async def cut(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def absent(about: bytes, codec: int = RAW) -> str:
    """The CID of a block that nobody has."""
    return str(CID.of(codec, b"nobody has this: " + about))


def actor_over(folder: Path, **settings: str) -> IpfsActor:
    """An ipfs actor with these settings, as text, over the defaults."""
    return IpfsActor(make_backends(IpfsSettings.of(settings), folder))


@asynccontextmanager
async def place_of(name: str, folder: Path, **settings: str) -> AsyncIterator[Place]:
    """A place whose actor has these settings."""
    async with (
        nats_server() as server,
        hosted(server, actor_over(folder, **settings)),
        await connect(server) as bus,
    ):
        yield Place(name, bus, bus)


@asynccontextmanager
async def cidbus_over_http(folder: Path) -> AsyncIterator[tuple[Bus, str]]:
    """Another cidbus, over its embedded node: its bus, and the address of its bridge."""
    async with (
        nats_server() as server,
        hosted(server, actor_over(folder)),
        await connect(server) as bus,
        await connect(server, "bridge") as bridge_bus,
        await serve(bridge_bus) as bridge,
    ):
        yield bus, f"http://127.0.0.1:{bridge.port}"
