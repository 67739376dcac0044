"""Single blocks: put, got, looked at, removed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID, CODECS
from .....schemas.errors import BadRequest, InvalidContent, TooLarge
from ...store.pins import PinRecord
from ...unixfs.reader import load
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
        """Raises InvalidContent if the block is not the one that `ask.cid` names."""
        data = bytearray()
        async for chunk in content:
            data += chunk
            if len(data) > ipfs.MAX_BLOCK_BYTES:
                raise TooLarge("data", limit=ipfs.MAX_BLOCK_BYTES)
        block = bytes(data)
        cid = _cid_of(ask, block)
        async with self._store.session() as session:
            await session.put(cid, block)
            if ask.pin:
                await session.flush()
                await self._store.pins.add(PinRecord(cid))
            await session.commit()
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


def _cid_of(ask: ipfs.BlockPut, block: bytes) -> CID:
    if ask.cid is not None:
        cid = CID.parse(ask.cid)
        if not cid.matches(block):
            raise InvalidContent("data", "is not the block that the CID names", cid=str(cid))
        return cid
    if ask.format not in CODECS:
        raise BadRequest("format", f"{ask.format!r} is not one of {', '.join(CODECS)}")
    return CID.of(CODECS[ask.format], block, hash_name=ask.hash)
