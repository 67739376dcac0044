"""Trustless gateways as a back end: what they have can be read, block by block, each checked; nothing is kept
but the blocks read last."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from ....bus import handles
from ....schemas import ipfs, subjects
from ....schemas.cid import CID
from ....schemas.errors import NotFound
from ..remote.gateways import GatewayFetcher
from ..remote.sources import Chain
from .inspecting import Inspecting
from .reading import BlockReads, ContentReads, DagReads

__all__ = ["GatewayBackend"]

CACHE_BYTES = 64 * 1024 * 1024


class GatewayBackend(ContentReads, BlockReads, DagReads, Inspecting):
    """Answers what can be answered by reading."""

    name = "gateway"

    def __init__(self, fetcher: GatewayFetcher, temp_folder: Path, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._fetcher = fetcher
        self._temp = temp_folder
        recent = RecentBlocks(cache_bytes)
        self._source = Chain(recent, [fetcher], recent.keep)

    async def open(self) -> None:
        self._temp.mkdir(parents=True, exist_ok=True)

    async def close(self) -> None:
        await self._fetcher.close()

    @handles(subjects.BLOCK_STAT)
    async def block_stat(self, ask: ipfs.BlockRequest) -> ipfs.BlockStat:
        """Reads the block: a gateway has no other way to tell."""
        cid = CID.parse(ask.cid)
        block = await self._source.get(cid)
        return ipfs.BlockStat(cid=str(cid), size_bytes=len(block), format=cid.codec_name)

    @handles(subjects.VERSION)
    async def version(self, ask: ipfs.VersionRequest) -> ipfs.Version:
        return self.here()


class RecentBlocks:
    """A BlockSource of the blocks that were read last, at most `limit_bytes` of them."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._blocks: OrderedDict[bytes, bytes] = OrderedDict()

    def get_now(self, cid: CID) -> bytes | None:
        if cid.is_identity:
            return cid.digest
        block = self._blocks.get(cid.multihash)
        if block is not None:
            self._blocks.move_to_end(cid.multihash)
        return block

    async def get(self, cid: CID) -> bytes:
        block = self.get_now(cid)
        if block is None:
            raise NotFound("block", str(cid))
        return block

    async def has(self, cid: CID) -> bool:
        return self.get_now(cid) is not None

    async def keep(self, cid: CID, block: bytes) -> None:
        """Remember a block, and forget the oldest where there is no room."""
        self._size_bytes += len(block) - len(self._blocks.get(cid.multihash, b""))
        self._blocks[cid.multihash] = block
        while self._size_bytes > self._limit_bytes:
            self._size_bytes -= len(self._blocks.popitem(last=False)[1])
