"""What a tree takes: its entries and bytes as listed, and its blocks as stored, each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ....schemas.cid import CID, RAW
from ....schemas.errors import TooLarge
from ..car.trail import Trail
from ..codecs.dagpb import Link
from ..store.diskset import DiskSet
from ..unixfs import unixfs
from ..unixfs.listing import links_below
from ..unixfs.reader import load, node_of
from .listing import MAX_DEPTH
from .nodes import Nodes

__all__ = ["Counts", "Usage", "usage_of"]

MEMORY_KEYS = 16_384
BLOCKS_PER_TURN = 32
# Directories that stand in a tree more than once are gone through once, as long as they are remembered.
MAX_REMEMBERED = 100_000


class Counts(NamedTuple):
    """What is at and below an entry, counted as often as it stands there."""

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    size_bytes: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*map(sum, zip(self, other, strict=True)))


class Usage(NamedTuple):
    """`unique_blocks` and `unique_bytes` count what several entries share once."""

    counts: Counts
    unique_blocks: int
    unique_bytes: int


async def usage_of(nodes: Nodes, cid: CID, *, temp_folder: Path) -> Usage:
    """What lies at and below a file, directory or link. Leaves of raw bytes are not read: their links say how
    large they are. Raises what the source raises, and TooLarge past 512 levels."""
    with DiskSet(temp_folder, memory_keys=MEMORY_KEYS) as seen:
        walk = _Walk(nodes, seen)
        size_bytes = len(await load(nodes, cid)) if cid.codec == RAW else 0
        counts = await walk.total(Link(cid, "", size_bytes))
        return Usage(counts, walk.blocks, walk.size_bytes)


@dataclass(slots=True)
class _Open:
    """A directory whose entries are being counted; `trail` has the shards that have been read for them."""

    cid: CID
    links: AsyncGenerator[Link, None]
    trail: Trail
    counts: Counts


class _Walk:
    def __init__(self, nodes: Nodes, seen: DiskSet) -> None:
        self.blocks = 0
        self.size_bytes = 0
        self._nodes = nodes
        self._seen = seen
        self._known: dict[CID, Counts] = {}
        self._turn = 0

    async def total(self, top: Link) -> Counts:
        """Count an entry and all below it."""
        stack: list[_Open] = []
        try:
            counts = await self._entry(top, stack)
            while stack:
                here = stack[-1]
                link = await anext(here.links, None)
                await self._count_shards(here.trail)
                if link is None:
                    counts = here.counts
                    self._remember(stack.pop())
                else:
                    counts = await self._entry(link, stack)
                if counts is not None and stack:
                    stack[-1].counts = stack[-1].counts.plus(counts)
        finally:
            for opened in stack:
                await opened.links.aclose()
        assert counts is not None
        return counts

    async def _entry(self, link: Link, stack: list[_Open]) -> Counts | None:
        """Count one entry; None if it is a directory, which is then open on the stack."""
        cid = link.cid
        if cid.codec == RAW:
            self._count(cid, link.size)
            return Counts(files=1, size_bytes=link.size)
        if (known := self._known.get(cid)) is not None:
            return known
        await self._take_turns()
        node, links, block = await self._nodes.open(cid)
        is_new = self._count(cid, len(block))
        if node.type == unixfs.SYMLINK:
            return Counts(symlinks=1, size_bytes=node.size_bytes)
        if not node.is_directory:
            if is_new:
                await self._file_below(links)
            return Counts(files=1, size_bytes=node.size_bytes)
        if len(stack) == MAX_DEPTH:
            raise TooLarge("path", limit=MAX_DEPTH, unit="directories deep")
        trail = Trail(self._nodes)
        stack.append(_Open(cid, links_below(trail, cid, node, links), trail, Counts(directories=1)))
        return None

    def _remember(self, done: _Open) -> None:
        if len(self._known) < MAX_REMEMBERED:
            self._known[done.cid] = done.counts

    async def _count_shards(self, trail: Trail) -> None:
        while trail.cids:
            shard = trail.cids.pop()
            self._count(shard, len(await load(self._nodes, shard)))

    async def _file_below(self, links: Sequence[Link]) -> None:
        waiting = list(links)
        while waiting:
            cid, _, size = waiting.pop()
            if cid.codec == RAW:
                self._count(cid, size)
                continue
            await self._take_turns()
            block = await load(self._nodes, cid)
            if self._count(cid, len(block)):
                waiting += node_of(block, cid)[1]

    def _count(self, cid: CID, size_bytes: int) -> bool:
        """Count a block, unless it was counted."""
        if cid.is_identity or not self._seen.add(cid.multihash):
            return False
        self.blocks += 1
        self.size_bytes += size_bytes
        return True

    async def _take_turns(self) -> None:
        self._turn += 1
        if self._turn % BLOCKS_PER_TURN == 0:
            await asyncio.sleep(0)
