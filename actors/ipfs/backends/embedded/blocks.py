"""Single blocks: put, got, looked at, removed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID
from ...store.pins import PinRecord
from ...unixfs.reader import load
from ..given import given_block
from ..reading import BlockReads
from .node import Node

__all__ = ["BlockRows"]


class BlockRows(BlockReads, Node):
    """`block.*`."""

    @handles(subjects.BLOCK_WANT)
    async def block_want(self, ask: ipfs.BlockRequest) -> AsyncIterator[ipfs.BlockHead | bytes]:
        """From the store alone: nodes that asked each other in turn would never end."""
        cid = CID.parse(ask.cid)
        block = await load(self._store, cid)
        yield ipfs.BlockHead(cid=str(cid), size_bytes=len(block))
        yield block

    @handles(subjects.BLOCK_PUT)
    async def block_put(self, ask: ipfs.BlockPut, content: AsyncIterator[bytes]) -> ipfs.BlockStat:
        """Raises as `given_block` does, and with `pin` NotFound for the first block below that is missing."""
        cid, block = await given_block(ask, content)
        async with self._store.session() as session:
            await session.put(cid, block)
            if ask.pin:
                await session.flush()
                await self._store.pins.add(PinRecord(cid))
            await session.commit()
        await self.tell_added(cid, len(block), pinned=ask.pin)
        return ipfs.BlockStat(cid=str(cid), size_bytes=len(block), format=cid.codec_name)

    @handles(subjects.BLOCK_STAT)
    async def block_stat(self, ask: ipfs.BlockRequest) -> ipfs.BlockStat:
        cid = CID.parse(ask.cid)
        size_bytes = await self._store.size_of(cid)
        return ipfs.BlockStat(cid=str(cid), size_bytes=size_bytes, format=cid.codec_name)

    @handles(subjects.BLOCK_RM)
    async def block_rm(self, ask: ipfs.BlockRemove) -> ipfs.BlockRemoved:
        cid = CID.parse(ask.cid)
        removed = await self._store.remove(cid, missing_ok=ask.force)
        if removed:
            await self.tell(subjects.REMOVED, ipfs.BlockGone(cid=str(cid), at=self.now()))
        return ipfs.BlockRemoved(cid=str(cid), removed=removed)
