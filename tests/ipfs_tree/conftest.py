"""Blocks in memory that count what is read and stored, and profiles small enough to show every shape."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.unixfs.profiles import Profile
from cidbus.schemas.cid import CID
from cidbus.schemas.errors import NotFound

# Trees of every shape from a few hundred bytes, and shards from a few names.
TINY = Profile("tiny", 1, True, 4, 3, "block-bytes", shard_above_bytes=300, shard_fanout=8)
TINY_V0 = Profile("tiny-v0", 0, False, 4, 3, "links-bytes", shard_above_bytes=200, shard_fanout=8)


class MemoryBlocks:
    """A BlockSource and BlockSink over a dict."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self.read: list[CID] = []
        self.stored: list[CID] = []

    def get_now(self, cid: CID) -> bytes | None:
        self.read.append(cid)
        return cid.digest if cid.is_identity else self.blocks.get(cid.multihash)

    async def get(self, cid: CID) -> bytes:
        if cid.multihash not in self.blocks:
            raise NotFound("block", str(cid))
        return self.blocks[cid.multihash]

    async def has(self, cid: CID) -> bool:
        return cid.is_identity or cid.multihash in self.blocks

    async def put(self, cid: CID, data: bytes) -> None:
        assert isinstance(data, bytes)
        self.stored.append(cid)
        self.blocks[cid.multihash] = data

    def forget_counts(self) -> None:
        self.read.clear()
        self.stored.clear()

    def reachable(self, root: CID) -> set[bytes]:
        """The multihashes at and below a root; KeyError if one is missing."""
        seen: set[bytes] = set()
        waiting = [root]
        while waiting:
            cid = waiting.pop()
            if cid.multihash not in seen:
                seen.add(cid.multihash)
                waiting += children(cid, self.blocks[cid.multihash])
        return seen


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
