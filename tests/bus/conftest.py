"""A bus of one's own for each test, and an actor that answers on it in every way there is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from cidbus.bus import Actor, Bus, Host, handles
from cidbus.bus.server import EmbeddedServer
from cidbus.bus.testing import connect, hosted
from cidbus.schemas import ipfs, subjects
from cidbus.schemas.errors import BadRequest, NotFound


class SampleActor(Actor):
    """Answers as the ipfs actor, with made-up content that depends only on what is asked."""

    name = "ipfs"
    max_running = 2
    max_waiting = 2

    def __init__(self) -> None:
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.may_finish = asyncio.Event()
        self.finished: list[str] = []
        self.heard: asyncio.Queue[ipfs.ContentAdded] = asyncio.Queue()

    @handles(subjects.PIN)
    async def pin(self, ask: ipfs.PinRequest) -> ipfs.Pinned:
        if ask.cid == "bug":
            raise RuntimeError("the password is hunter2")
        if ask.cid == "none":
            raise NotFound("block", ask.cid)
        if ask.cid.startswith("slow"):
            self.started.put_nowait(ask.cid)
            await self.may_finish.wait()
            self.finished.append(ask.cid)
        return ipfs.Pinned(cid=ask.cid, pinned=True)

    @handles(subjects.UNPIN)
    async def unpin(self, ask: ipfs.PinRemove) -> ipfs.Pinned:
        return (await self.pin(ipfs.PinRequest(cid=ask.cid))).model_copy(update={"pinned": False})

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        """`length` bytes; `offset` is where it breaks, if it is not 0."""
        length = ask.length or 0
        if ask.path:
            yield ipfs.FileHead(cid=ask.cid, size_bytes=length, length=length)
        sent = 0
        try:
            while sent < length:
                if ask.offset and sent >= ask.offset:
                    raise NotFound("block", "missing")
                piece = pattern(sent, min(700_000, length - sent))
                sent += len(piece)
                yield piece
        finally:
            self.finished.append(ask.cid)

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        for number in range(int(ask.path)):
            yield ipfs.DirEntry(name=str(number), cid=ask.cid, type="file", size_bytes=number)

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        size, digest = 0, hashlib.sha256()
        try:
            async for chunk in content:
                size += len(chunk)
                digest.update(chunk)
                if ask.filename == "refused":
                    raise BadRequest("filename", "refused")
                if ask.filename == "early":
                    break
        finally:
            self.finished.append(ask.filename or "")
        return ipfs.Added(
            cid=digest.hexdigest(),
            content_size_bytes=size,
            dag_size_bytes=size,
            profile=ask.profile,
            pinned=ask.pin,
        )

    @handles(subjects.ADDED)
    async def added(self, event: ipfs.ContentAdded) -> None:
        self.heard.put_nowait(event)


def pattern(start: int, size: int) -> bytes:
    """Bytes whose value tells their position, so that a lost or doubled chunk shows."""
    period = bytes((i * 31 + 7) % 251 for i in range(251))
    shift = start % 251
    return (period * (size // 251 + 2))[shift : shift + size]


@pytest.fixture
def actor() -> SampleActor:
    return SampleActor()


@pytest.fixture
async def host(server: EmbeddedServer, actor: SampleActor) -> AsyncIterator[Host]:
    async with hosted(server, actor) as running:
        yield running


@pytest.fixture
async def bus(server: EmbeddedServer, host: Host) -> AsyncIterator[Bus]:
    async with await connect(server) as connected:
        yield connected
