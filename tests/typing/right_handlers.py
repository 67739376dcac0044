"""Handlers of every kind that a type checker must accept."""

from collections.abc import AsyncIterator

from cidbus.bus import Actor, Bus, handles
from cidbus.schemas import ipfs, subjects


class Right(Actor):
    name = "ipfs"

    @handles(subjects.PIN)
    async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
        raise NotImplementedError

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        yield ipfs.FileHead(cid="", size_bytes=0, length=0)
        yield b""

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        yield ipfs.DirEntry(name="", cid="", type="file", size_bytes=0)

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        raise NotImplementedError

    @handles(subjects.ADDED)
    async def added(self, event: ipfs.ContentAdded) -> None:
        raise NotImplementedError


async def asks(bus: Bus) -> None:
    pinned: ipfs.Pinned = await bus.request(subjects.PIN, ipfs.PinRequest(cid=""))
    stream = await bus.open(subjects.CAT, ipfs.CatRequest(cid=pinned.cid))
    head: ipfs.FileHead | None = stream.head
    entries: list[ipfs.DirEntry] = [e async for e in bus.items(subjects.LS, ipfs.PathRequest(cid=""))]
    assert head or entries
