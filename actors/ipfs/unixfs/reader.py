"""Files out: the bytes of a file, or a range of them, from only the blocks that hold them.

A walk goes through the DAG with a stack of its own. Every block it opens must hold as many bytes of content
as its parent claimed, so a range begins where the sizes say or the read ends in InvalidContent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from itertools import islice
from typing import NamedTuple

from ....schemas.cid import CID, DAG_PB, RAW
from ....schemas.errors import InvalidContent, NotAFile
from ....schemas.spans import span_of
from ..blocks import BlockSource
from ..codecs.dagpb import Links
from . import unixfs
from .unixfs import UnixFS, decode_node

__all__ = ["Ahead", "File", "open_file", "read_file", "small_file", "load", "node_of"]

MAX_DEPTH = 64
_TYPES = {unixfs.SYMLINK: "symbolic link", unixfs.METADATA: "metadata node"}
# How many blocks are asked for beyond the one that is waited for.
BLOCKS_AHEAD = 3
# Blocks at hand are walked without waiting for anything; others get their turn after so many.
BLOCKS_PER_TURN = 32


def small_file(source: BlockSource, cid: CID) -> bytes | None:
    """The whole content of a file of one block that can be had without waiting, else None.

    None says nothing more: the caller goes on with `open_file`, which finds out what it is.
    """
    block = source.get_now(cid)
    if block is None or cid.codec == RAW:
        return block
    if cid.codec != DAG_PB:
        return None
    node, links = decode_node(block, cid)
    return node.data if node.is_file and not links else None


async def load(source: BlockSource, cid: CID) -> bytes:
    """A block, without a trip through the event loop where the source has it at hand."""
    block = source.get_now(cid)
    return await source.get(cid) if block is None else block


def node_of(block: bytes, cid: CID) -> tuple[UnixFS, Links]:
    """The checked node of a raw or DAG-PB block; raises InvalidContent for a broken one."""
    if cid.codec == RAW:
        return UnixFS(unixfs.RAW, block, len(block)), Links()
    return decode_node(block, cid)


async def open_file(source: BlockSource, cid: CID) -> File:
    """The file at a CID, its root block read and checked.

    Raises NotAFile for a directory, a symbolic link or a codec that holds no files, InvalidContent for a
    broken node, and what `BlockSource.get` raises.
    """
    if cid.codec not in (RAW, DAG_PB):
        raise NotAFile(str(cid), f"{cid.codec_name} block")
    node, links = node_of(await load(source, cid), cid)
    if not node.is_file:
        raise NotAFile(str(cid), _TYPES.get(node.type, "directory"))
    return File(source, cid, node, links)


async def read_file(
    source: BlockSource, cid: CID, offset: int = 0, length: int | None = None
) -> AsyncIterator[bytes]:
    """The bytes of a file or of a range of it; raises as `open_file`, `File.span` and `File.read` do."""
    file = await open_file(source, cid)
    start, count = file.span(offset, length)
    async for piece in file.read(start, count):
        yield piece


class File:
    """An open file: its size is known and its root block at hand."""

    def __init__(self, source: BlockSource, cid: CID, node: UnixFS, links: Links) -> None:
        self.cid = cid
        self.size_bytes = node.size_bytes
        self.mode, self.mtime = node.mode, node.mtime
        self._source, self.node, self.links = source, node, links

    @property
    def is_one_block(self) -> bool:
        """Whether the root block, which has been read, is all there is of the file."""
        return not self.links

    def span(self, offset: int = 0, length: int | None = None) -> tuple[int, int]:
        """Where a range starts and how many bytes it has; raises UnsatisfiableRange, as `span_of` does."""
        return span_of(self.size_bytes, offset, length)

    async def read(self, start: int = 0, count: int | None = None) -> AsyncGenerator[bytes, None]:
        """The `count` bytes from `start`, as given by `span`, in pieces of at most one block, none empty.

        Raises InvalidContent, naming the block, when a block is not what its parent says it is, or the
        file is over 64 levels deep; and what `BlockSource.get` raises.
        """
        async with aclosing(self._walk(start, count)) as walk:
            async for _, _, piece in walk:
                if piece:
                    yield piece

    async def blocks(
        self, start: int = 0, count: int | None = None
    ) -> AsyncGenerator[tuple[CID, bytes], None]:
        """The blocks below the root that hold those bytes, depth first; raises as `read` does."""
        async with aclosing(self._walk(start, count)) as walk:
            async for cid, block, _ in walk:
                if block is not None:
                    yield cid, block

    async def _walk(self, start: int, count: int | None) -> AsyncGenerator[Step, None]:
        """Each block of the range, the root (without its block, which is not kept) first."""
        end = self.size_bytes if count is None else start + count
        todo: list[_Part] = []
        ahead = Ahead(self._source)
        piece = _enter(_Part(self.cid, 0, self.size_bytes, 0), self.node, self.links, start, end, todo)
        yield self.cid, None, piece
        try:
            while todo:
                part = todo.pop()
                block = await ahead.load(part.cid, (later.cid for later in reversed(todo)))
                node, links = _checked(part, block)
                yield part.cid, block, _enter(part, node, links, start, end, todo)
        finally:
            ahead.close()


# A block, and what it holds itself of the range that is read.
Step = tuple[CID, bytes | None, bytes]


class _Part(NamedTuple):
    """A block that is still to be read: its content begins at `at` and is claimed to have `size` bytes."""

    cid: CID
    at: int
    size: int
    depth: int


def _checked(part: _Part, block: bytes) -> tuple[UnixFS, Links]:
    """The node of a block below a file's root, if it is what the link to it claimed."""
    cid = part.cid
    if cid.codec not in (RAW, DAG_PB):
        raise InvalidContent("unixfs", f"a file links to a {cid.codec_name} block", cid=str(cid))
    node, links = node_of(block, cid)
    if not node.is_file:
        raise InvalidContent("unixfs", "a file links to what is not a file", cid=str(cid))
    if node.size_bytes != part.size:
        problem = f"holds {node.size_bytes} bytes of content where its parent claims {part.size}"
        raise InvalidContent("unixfs", problem, cid=str(cid))
    return node, links


def _enter(part: _Part, node: UnixFS, links: Links, start: int, end: int, todo: list[_Part]) -> bytes:
    """What a node itself holds of the range; its children that hold some of it go on the stack."""
    if links:
        if part.depth >= MAX_DEPTH:
            raise InvalidContent("unixfs", "the file is nested too deep", cid=str(part.cid), limit=MAX_DEPTH)
        todo += reversed(list(_overlapping(part, node, links, start, end)))
    low, high = max(0, start - part.at), end - part.at
    if low == 0 and high >= len(node.data):
        return node.data
    return node.data[low:high] if high > 0 else b""


def _overlapping(part: _Part, node: UnixFS, links: Links, start: int, end: int) -> Iterator[_Part]:
    # A child of no bytes never overlaps: hostile files of empty nodes cost nothing.
    at = part.at + len(node.data)
    for index, size in enumerate(node.block_sizes):
        if at >= end:
            return
        if size and at + size > start:
            yield _Part(links[index].cid, at, size, part.depth + 1)
        at += size


class Ahead:
    """Asks for the next blocks of a walk while the present one is on its way from a disk or a peer."""

    def __init__(self, source: BlockSource) -> None:
        self._source = source
        self._tasks: dict[CID, asyncio.Task[bytes]] = {}
        self._at_hand = 0

    async def load(self, cid: CID, upcoming: Iterable[CID]) -> bytes:
        """The block, at once where the source has it at hand: but however many it has so, now and then it is
        the turn of others who wait for the event loop."""
        block = self._source.get_now(cid)
        if block is None:
            return await self.get(cid, upcoming)
        if (fetch := self._tasks.pop(cid, None)) is not None:
            fetch.add_done_callback(_look_at)  # it has the block, and may still be storing it
        self._at_hand += 1
        if self._at_hand % BLOCKS_PER_TURN == 0:
            await asyncio.sleep(0)
        return block

    async def get(self, cid: CID, upcoming: Iterable[CID]) -> bytes:
        """The block, which is not at hand; the next of the `upcoming` ones are asked for as well."""
        task = self._tasks.pop(cid, None)
        wanted = list(islice(upcoming, BLOCKS_AHEAD))
        self._forget_all_but(wanted)
        for later in wanted:
            if later not in self._tasks and later != cid and self._source.get_now(later) is None:
                self._tasks[later] = asyncio.create_task(_get(self._source, later))
        return await (task or self._source.get(cid))

    def close(self) -> None:
        self._forget_all_but([])

    def _forget_all_but(self, wanted: list[CID]) -> None:
        for cid in [cid for cid in self._tasks if cid not in wanted]:
            task = self._tasks.pop(cid)
            task.add_done_callback(_look_at)
            task.cancel()


def _look_at(task: asyncio.Task[bytes]) -> None:
    """An error of a block that nobody waits for is nobody's."""
    if not task.cancelled():
        task.exception()


async def _get(source: BlockSource, cid: CID) -> bytes:
    return await source.get(cid)
