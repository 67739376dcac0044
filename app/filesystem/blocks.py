"""Blocks from a system that need not be trusted: each is hashed here before anything is read from it."""

from __future__ import annotations

import asyncio

from cachetools import LRUCache

from cidbus.client import Client
from cidbus.schemas.cid import CID, DAG_PB
from cidbus.schemas.errors import InvalidContent, NotFound
from cidbus.schemas.ipfs import MAX_BLOCK_BYTES

__all__ = ["VerifiedBlocks"]

# Directories and inner nodes of files, which every range of a file goes through again.
NODES_BYTES = 16 << 20
# Under this size a hop to a thread and back costs more than the hash.
INLINE_BYTES = 64 * 1024


class VerifiedBlocks:
    """A BlockSource over one client: `ipfs.block.get`, and the hash of what it answers."""

    def __init__(self, client: Client, timeout_s: float | None = None) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._nodes: LRUCache[CID, bytes] = LRUCache(NODES_BYTES, len)

    def get_now(self, cid: CID) -> bytes | None:
        """A node that was read lately, or what an identity CID carries."""
        return cid.digest if cid.is_identity else self._nodes.get(cid)

    async def get(self, cid: CID) -> bytes:
        """The block; raises InvalidContent if what is answered has another hash, and as `ipfs.block.get`."""
        held = self.get_now(cid)
        if held is not None:
            return held
        block = await self._client.ipfs.block_get(str(cid), timeout_s=self._timeout_s).read(MAX_BLOCK_BYTES)
        if not await _matches(cid, block):
            raise InvalidContent("content", "what was answered does not match its CID", cid=str(cid))
        if cid.codec == DAG_PB:
            self._nodes[cid] = block
        return block

    async def has(self, cid: CID) -> bool:
        try:
            await self.get(cid)
        except NotFound:
            return False
        return True


async def _matches(cid: CID, block: bytes) -> bool:
    return cid.matches(block) if len(block) < INLINE_BYTES else await asyncio.to_thread(cid.matches, block)
