"""Blocks noted on their way: which ones another part of the engine has needed to find something out."""

from __future__ import annotations

from ....schemas.cid import CID
from ..blocks import BlockSource

__all__ = ["Trail"]


class Trail:
    """A BlockSource that notes in `cids`, in order, what is read through it.

    For readers that need every block they read, and read each once: resolving a path, listing a directory.
    """

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self.cids: list[CID] = []

    def get_now(self, cid: CID) -> bytes | None:
        block = self._source.get_now(cid)
        if block is not None:
            self.cids.append(cid)
        return block

    async def get(self, cid: CID) -> bytes:
        block = await self._source.get(cid)
        self.cids.append(cid)
        return block

    async def has(self, cid: CID) -> bool:
        return await self._source.has(cid)
