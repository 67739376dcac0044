"""Nodes of trees, read and taken apart; directories that were opened a moment ago are at hand.

Taking a large directory apart takes longer than reading it, and a tree's upper directories are needed again
and again. What a CID names never changes, so what is remembered is never wrong.
"""

from __future__ import annotations

from typing import NamedTuple

from cachetools import LRUCache

from ....schemas.cid import CID, DAG_PB, RAW
from ....schemas.errors import NotSupported
from ..blocks import BlockSource
from ..codecs.dagpb import Link, Links
from ..unixfs import unixfs
from ..unixfs.hamt import Shard
from ..unixfs.reader import load, node_of
from ..unixfs.unixfs import UnixFS
from .attributes import dag_size

__all__ = ["Nodes", "Opened"]

LIMIT_BYTES = 32 << 20
# What a link weighs in memory while its place in the block is known.
LINK_BYTES = 128
# For how many blocks the sum over their links is remembered.
DAG_SIZES = 4096


class Opened(NamedTuple):
    """A block of a tree, and what it says."""

    node: UnixFS
    links: Links
    block: bytes

    @property
    def weight(self) -> int:
        return len(self.block) + LINK_BYTES * len(self.links)


class Nodes:
    """A BlockSource that also opens nodes; remembers up to 32 MiB of directories."""

    def __init__(self, source: BlockSource, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._source = source
        self._recent: LRUCache[CID, Opened] = LRUCache(limit_bytes, getsizeof=lambda opened: opened.weight)
        self._dag_sizes: LRUCache[CID, int] = LRUCache(DAG_SIZES)
        self.get_now = source.get_now
        self.get = source.get
        self.has = source.has

    async def open(self, cid: CID) -> Opened:
        """The node of a file, directory, shard or link.

        Raises NotSupported for what has no place in a tree, InvalidContent for a broken block, and what the
        source raises.
        """
        found = self._recent.get(cid)
        if found is not None:
            return found
        if cid.codec not in (RAW, DAG_PB):
            raise NotSupported(f"a tree holds UnixFS, and {cid} is a {cid.codec_name} block", field="cid")
        block = await load(self._source, cid)
        opened = Opened(*node_of(block, cid), block)
        if opened.node.type == unixfs.METADATA:
            raise NotSupported(f"a tree holds UnixFS, and {cid} is a metadata node", field="cid")
        if opened.node.is_directory and opened.weight < self._recent.maxsize // 4:
            self._recent[cid] = opened
        return opened

    async def dag_size(self, cid: CID) -> int:
        """The bytes at and below a block, as its links claim; raises as `open` does."""
        known = self._dag_sizes.get(cid)
        if known is None:
            _, links, block = await self.open(cid)
            known = self._dag_sizes[cid] = dag_size(block, links)
        return known

    def remember_dag_size(self, cid: CID, dag_size_bytes: int) -> None:
        """Spare the next to ask the adding up of all links."""
        self._dag_sizes[cid] = dag_size_bytes

    async def find_link(self, cid: CID, name: str) -> Link | None:
        """The link to the entry of that name in a directory, or None; of two of that name the first."""
        node, links, _ = await self.open(cid)
        if node.type == unixfs.DIRECTORY:
            return links.find(name)
        shard = Shard(node, links, cid)
        while (place := shard.lookup(name)) is not None:
            if place.name is not None:
                return Link(place.link.cid, name, place.link.size)
            node, links, _ = await self.open(place.link.cid)
            shard = shard.below(place.slot, node, links, place.link.cid)
        return None
