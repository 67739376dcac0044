"""What stands below a CID: as the system says, or as the blocks themselves say.

Both ways answer alike. `Told` asks the system to find paths and read files. `Verified` does so here, from
blocks that are hashed when they arrive, so that whoever answers can refuse but not deceive.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from cidbus.actors.ipfs.codecs.traversal import locate
from cidbus.actors.ipfs.unixfs import listing
from cidbus.actors.ipfs.unixfs.reader import open_file
from cidbus.client import Client
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import BadRequest, Unavailable
from cidbus.schemas.ipfs import DirEntry, Stat

from .blocks import VerifiedBlocks

__all__ = ["Contents", "Told", "Verified"]


class Contents(Protocol):
    """How content is looked at; everything raises the BusErrors of `ipfs.stat`, `ipfs.ls` and `ipfs.cat`."""

    async def stat(self, cid: str, path: str) -> Stat:
        """What a path below a CID is."""

    def entries(self, cid: str, path: str) -> AsyncIterator[DirEntry]:
        """The entries of a directory."""

    def read(self, cid: str, start: int, count: int) -> AsyncGenerator[bytes, None]:
        """So many bytes of a file, none of which lie past its end, in pieces of any size; to be closed."""


class Told:
    """Content as the system tells it."""

    def __init__(self, client: Client, timeout_s: float | None) -> None:
        self._ipfs = client.ipfs
        self._timeout_s = timeout_s

    async def stat(self, cid: str, path: str) -> Stat:
        return await self._ipfs.stat(cid, path=path, timeout_s=self._timeout_s)

    def entries(self, cid: str, path: str) -> AsyncIterator[DirEntry]:
        return self._ipfs.ls(cid, path=path, timeout_s=self._timeout_s)

    async def read(self, cid: str, start: int, count: int) -> AsyncGenerator[bytes, None]:
        content = self._ipfs.cat(cid, offset=start, length=count, timeout_s=self._timeout_s)
        async with content:
            async for piece in content:
                count -= len(piece)
                yield piece
        if count:
            raise Unavailable(f"{cid}: the answer has not as many bytes as were asked for")


class Verified:
    """Content as its blocks say."""

    def __init__(self, client: Client, timeout_s: float | None) -> None:
        self._blocks = VerifiedBlocks(client, timeout_s)

    async def stat(self, cid: str, path: str) -> Stat:
        return await listing.stat(self._blocks, await self._at(cid, path))

    async def entries(self, cid: str, path: str) -> AsyncIterator[DirEntry]:
        async for entry in listing.ls(self._blocks, await self._at(cid, path)):
            yield DirEntry(
                name=entry.name,
                cid=str(entry.cid),
                type=entry.type,
                size_bytes=entry.size_bytes,
                dag_size_bytes=entry.dag_size_bytes,
            )

    async def read(self, cid: str, start: int, count: int) -> AsyncGenerator[bytes, None]:
        file = await open_file(self._blocks, CID.parse(cid))
        async for piece in file.read(*file.span(start, count)):
            yield piece

    async def _at(self, cid: str, path: str) -> CID:
        place = await locate(self._blocks, CID.parse(cid), path)
        if place.remainder:
            raise BadRequest("path", f"ends inside the block {place.cid}, at {place.remainder}")
        return place.cid
