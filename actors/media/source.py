"""The file that something is made of: content by its CID, read in ranges over the bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...schemas.errors import NotAFile, Unavailable
from ...schemas.ipfs import CatRequest, PathRequest
from ...schemas.media import MediaFile
from ...schemas.subjects import CAT, STAT

if TYPE_CHECKING:
    from ...bus import Bus

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """`cid` is the file's own, also where it was asked for by a path."""

    bus: Bus
    cid: str
    size_bytes: int

    @classmethod
    async def find(cls, bus: Bus, asked: MediaFile) -> Source:
        """Raises NotFound, and NotAFile for a directory or a link."""
        found = await bus.request(STAT, PathRequest(cid=asked.cid, path=asked.path))
        if found.type not in ("file", "block"):
            raise NotAFile(found.cid, found.type)
        return cls(bus, found.cid, found.size_bytes)

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, which lie in the file."""
        ask = CatRequest(cid=self.cid, offset=offset, length=length)
        async with await self.bus.open(CAT, ask) as stream:
            got = b"".join([piece async for piece in stream])
        if stream.head is None:  # the whole file, as a small one comes
            got = got[offset : offset + length]
        if len(got) != length:
            raise Unavailable(f"{len(got)} of {length} bytes of {self.cid} came")
        return got
