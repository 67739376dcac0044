"""What a DAG is made of: how many blocks and bytes lie below roots, and which links lead from where to where.

Memory is bounded: blocks come one at a time, what has been seen goes to disk as it grows (`DiskSet`), and
of the links that wait to be followed there may be 200,000.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

from ....schemas.cid import CID, DAG_PB, RAW
from ....schemas.errors import TooLarge
from ..blocks import BlockSource
from ..store.diskset import DiskSet
from ..unixfs.reader import BLOCKS_PER_TURN, Ahead, load
from . import dagpb
from .registry import links

__all__ = ["DagStat", "Edge", "RootStat", "dag_stat", "refs"]

T = TypeVar("T")

# How many links a walk may have still before it: some 60 MB of them.
MAX_WAITING = 200_000
# What has been seen goes to disk this many keys at a time, a few milliseconds of work.
MEMORY_KEYS = 16_384


@dataclass(slots=True)
class RootStat:
    """The blocks at and below one root, each counted once, and their bytes."""

    cid: CID
    blocks: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class DagStat:
    """What lies below each root, and below all of them, where a block that several reach counts once."""

    roots: list[RootStat] = field(default_factory=list)
    unique_blocks: int = 0
    unique_size_bytes: int = 0

    @property
    def total_size_bytes(self) -> int:
        """The sizes of all roots added up: with blocks that several reach as often."""
        return sum(root.size_bytes for root in self.roots)


class Edge(NamedTuple):
    """One link: the block it stands in, the one it leads to, and its name, which only DAG-PB links have."""

    source: CID
    cid: CID
    name: str


async def dag_stat(source: BlockSource, roots: Sequence[CID], *, temp_folder: Path | None = None) -> DagStat:
    """The blocks and bytes at and below each root, and below all of them.

    What has been seen grows into files in `temp_folder` (None: the system's). Raises NotFound(what="block")
    for a missing block, CorruptBlock, InvalidContent and NotSupported for a block whose links cannot be read,
    and TooLarge where more than 200,000 links wait to be followed.
    """
    stat = DagStat()
    with _seen(temp_folder) as everywhere:
        for cid in roots:
            root = RootStat(cid)
            stat.roots.append(root)
            async with aclosing(_blocks(source, cid, temp_folder)) as blocks:
                async for found, size in blocks:
                    root.blocks += 1
                    root.size_bytes += size
                    if everywhere.add(found.multihash):
                        stat.unique_blocks += 1
                        stat.unique_size_bytes += size
    return stat


async def _blocks(
    source: BlockSource, root: CID, folder: Path | None
) -> AsyncGenerator[tuple[CID, int], None]:
    """Each block at and below a root once, with its size."""
    waiting = [root]
    ahead = Ahead(source)
    with _seen(folder) as counted, _seen(folder) as followed:
        try:
            while waiting:
                cid = waiting.pop()
                # The same bytes under two codecs are one block with two sets of links.
                if not followed.add(bytes(cid.to_v1())):
                    continue
                block = await ahead.load(cid, reversed(waiting))
                if counted.add(cid.multihash):
                    yield cid, len(block)
                if cid.codec != RAW:
                    _extend(waiting, reversed(links(cid, block)))
        finally:
            ahead.close()


async def refs(
    source: BlockSource,
    cid: CID,
    *,
    recursive: bool = False,
    unique: bool = False,
    max_depth: int = -1,
    temp_folder: Path | None = None,
) -> AsyncIterator[Edge]:
    """The links of a block and, with `recursive`, of what they lead to, depth first, as Kubo lists them.

    `max_depth` 1 is the block's own links; -1 has no end. With `unique` each block is led to once; without
    it a block is gone through each time that a link leads there, which may be very often. Raises as
    `dag_stat` does.
    """
    depth_limit = (max_depth if max_depth >= 0 else None) if recursive else 1
    if depth_limit == 0:
        return
    with _seen(temp_folder) as seen:
        visits = _Visits(seen, depth_limit) if unique else None
        waiting: list[tuple[Edge, int]] = []
        _extend(waiting, ((edge, 1) for edge in _reversed_edges(cid, await load(source, cid))))
        for turn in count(1):
            if not waiting:
                return
            if turn % BLOCKS_PER_TURN == 0:
                await asyncio.sleep(0)
            edge, depth = waiting.pop()
            is_new, goes_on = (True, True) if visits is None else visits.visit(edge.cid, depth)
            if is_new:
                yield edge
            if goes_on and edge.cid.codec != RAW and depth != depth_limit:
                below = _reversed_edges(edge.cid, await load(source, edge.cid))
                _extend(waiting, ((edge, depth + 1) for edge in below))


class _Visits:
    """Which blocks a walk has been at, and how far down: from higher up it gets further below them.

    Whether a block was seen at any depth up to d is asked of ranges of depths that double in size, so that
    the set needs no values: a visit takes a key for each bit of the depth limit.
    """

    def __init__(self, seen: DiskSet, depth_limit: int | None) -> None:
        self._seen = seen
        self._levels = 0 if depth_limit is None else depth_limit.bit_length()

    def visit(self, cid: CID, depth: int) -> tuple[bool, bool]:
        """Note a visit; whether it is the block's first, and whether it may find something new below."""
        key = bytes(cid)
        is_new = self._seen.add(key)
        if not self._levels:
            return is_new, is_new
        if not is_new and self._was_seen_above(key, depth):
            return False, False
        for level in range(self._levels + 1):
            self._seen.add(_range_key(key, level, depth >> level))
        return is_new, True

    def _was_seen_above(self, key: bytes, depth: int) -> bool:
        """Whether any visit was at this depth or a lesser one: 0…depth in ranges of falling size."""
        end = depth + 1
        return any(
            end >> level & 1 and _range_key(key, level, (end >> level) - 1) in self._seen
            for level in range(self._levels + 1)
        )


def _range_key(key: bytes, level: int, index: int) -> bytes:
    return key + b"%x.%x" % (level, index)


def _reversed_edges(cid: CID, block: bytes) -> list[Edge]:
    if cid.codec == DAG_PB:
        found = [Edge(cid, link.cid, link.name) for link in dagpb.decode(block, cid).links]
    else:
        found = [Edge(cid, link, "") for link in links(cid, block)]
    found.reverse()
    return found


def _extend(waiting: list[T], more: Iterable[T]) -> None:
    waiting.extend(more)
    if len(waiting) > MAX_WAITING:
        raise TooLarge("dag", limit=MAX_WAITING, unit="links that wait to be followed")


def _seen(folder: Path | None) -> DiskSet:
    return DiskSet(folder or Path(tempfile.gettempdir()), memory_keys=MEMORY_KEYS)
