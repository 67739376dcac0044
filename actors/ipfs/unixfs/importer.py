"""Files in: a stream of bytes cut into blocks, hashed, stored, and tied together as a balanced DAG.

    chunks ──cut──> blocks ──hash (threads)──> leaves ──every `max_links`──> nodes ──> root

The blocks of a file are hashed by a small pool of threads, in batches of about a mebibyte, while the next
ones arrive; they are stored in their order. What is in memory at once is `BATCHES_IN_FLIGHT` batches and the
open nodes of the tree (one list of links for each level), whatever the size of the file.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterator
from concurrent.futures import Executor
from typing import NamedTuple, Self

from ....schemas.cid import CID
from ....schemas.varint import encode_varint
from ..blocks import BlockSink
from .balanced import BalancedDag, Node, link_parts
from .profiles import Profile

__all__ = ["FileBuilder", "Node", "import_bytes", "import_file"]

# Under this size a hop to a thread and back costs more than the hash itself.
INLINE_BYTES = 32 * 1024
BATCH_BYTES = 1024 * 1024
BATCHES_IN_FLIGHT = 4
# Pieces under this size are gathered by copying: a stream of single bytes must not become a list of them.
SMALL_PIECE_BYTES = 4096


async def import_file(
    chunks: AsyncIterable[bytes | memoryview],
    sink: BlockSink,
    profile: Profile,
    *,
    executor: Executor | None = None,
) -> Node:
    """Store a file whose bytes come as chunks of any size, which must not change afterwards.

    `executor` hashes (None: the event loop's own); two threads are enough to outrun a disk. Errors of
    `chunks` and of the sink go on to the caller; blocks stored by then stay until they are collected.
    """
    with FileBuilder(sink, profile, executor) as builder:
        async for chunk in chunks:
            await builder.feed(chunk)
        return await builder.finish()


def import_bytes(data: bytes | memoryview, profile: Profile) -> tuple[Node, list[tuple[CID, bytes]]]:
    """The root and the blocks, children first, of content that is at hand; hashes on the caller's thread.

    Meant for content of one block; more is cut and linked just as `import_file` does.
    """
    dag = BalancedDag(profile)
    blocks: list[tuple[CID, bytes]] = []
    for start in range(0, len(data) or 1, profile.chunk_bytes):
        leaf = _leaf(profile, [data[start : start + profile.chunk_bytes]])
        node = _node(leaf, profile.leaf_cid(leaf.block))
        blocks += ((node.cid, leaf.block), *dag.add(node))
    blocks += dag.finish()
    return dag.root, blocks


class FileBuilder:
    """One file on its way into a sink: made of bytes, of zeros, and of parts that are stored already.

    Used with `with`, which lets go of what is still being hashed. `position` is where the next byte goes.
    """

    def __init__(self, sink: BlockSink, profile: Profile, executor: Executor | None = None) -> None:
        self.position = 0
        self._sink = sink
        self._profile = profile
        self._executor = executor
        self._cutter = _Cutter(profile)
        self._dag = BalancedDag(profile)
        self._hashing: deque[asyncio.Future[list[Hashed]]] = deque()
        self._zeros: list[Node] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for future in self._hashing:
            future.cancel()

    @property
    def to_boundary(self) -> int:
        """How many bytes are missing to the end of the leaf that is open, 0 if none is."""
        return -self.position % self._profile.chunk_bytes

    async def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes; waits while four batches are being hashed."""
        self.position += len(chunk)
        loop = asyncio.get_running_loop()
        for batch in self._cutter.feed(chunk):
            self._hashing.append(loop.run_in_executor(self._executor, _hash_all, self._profile, batch))
            if len(self._hashing) == BATCHES_IN_FLIGHT:
                await self._store(await self._hashing.popleft())

    async def add(self, part: Node, height: int) -> None:
        """Take a part that is stored; no leaf may be open, and no node below that height.

        One that is not full must be the last that the file is made of.
        """
        await self._flush()
        self.position += part.size_bytes
        for cid, data in self._dag.add(part, height):
            await self._sink.put(cid, data)

    async def fill(self, count: int) -> None:
        """Take that many zeros: however many, they are one leaf and a few nodes, hashed and stored once."""
        end = self.position + count
        await self.feed(bytes(min(count, self.to_boundary)))
        while (leaves := (end - self.position) // self._profile.chunk_bytes) > 0:
            await self._flush()
            height = 0
            while leaves >= self._profile.max_links ** (height + 1) and self._dag.takes(height + 1):
                height += 1
            await self.add(await self._zero_part(height), height)
        await self.feed(bytes(end - self.position))

    async def finish(self) -> Node:
        """Store the rest; an empty file has one empty leaf."""
        await self._flush(is_end=True)
        for cid, data in self._dag.finish():
            await self._sink.put(cid, data)
        return self._dag.root

    async def _zero_part(self, height: int) -> Node:
        while len(self._zeros) <= height:
            if self._zeros:
                node, block = link_parts([self._zeros[-1]] * self._profile.max_links, self._profile)
            else:
                leaf = _leaf(self._profile, [bytes(self._profile.chunk_bytes)])
                node, block = _node(leaf, self._profile.leaf_cid(leaf.block)), leaf.block
            await self._sink.put(node.cid, block)
            self._zeros.append(node)
        return self._zeros[height]

    async def _flush(self, *, is_end: bool = False) -> None:
        """Store everything that came; at the end also the open leaf."""
        while self._hashing:
            await self._store(await self._hashing.popleft())
        leaves = self._cutter.finish(even_if_empty=is_end and self._dag.is_empty)
        if sum(leaf.size_bytes for leaf in leaves) <= INLINE_BYTES:
            await self._store(_hash_all(self._profile, leaves))
        else:
            loop = asyncio.get_running_loop()
            await self._store(await loop.run_in_executor(self._executor, _hash_all, self._profile, leaves))

    async def _store(self, leaves: list[Hashed]) -> None:
        for leaf, cid in leaves:
            await self._sink.put(cid, leaf.block)
            for node in self._dag.add(_node(leaf, cid)):
                await self._sink.put(*node)


class Leaf(NamedTuple):
    """A leaf block that holds `size_bytes` of content."""

    block: bytes
    size_bytes: int


Hashed = tuple[Leaf, CID]


def _node(leaf: Leaf, cid: CID) -> Node:
    return Node(cid, leaf.size_bytes, len(leaf.block))


def _hash_all(profile: Profile, leaves: list[Leaf]) -> list[Hashed]:
    return [(leaf, profile.leaf_cid(leaf.block)) for leaf in leaves]


def _leaf(profile: Profile, pieces: list[bytes | memoryview]) -> Leaf:
    """The leaf block of some content, joined in one copy; a whole raw leaf given as bytes is not copied."""
    size = sum(map(len, pieces))
    if not profile.raw_leaves:
        return Leaf(_wrapped_leaf(pieces, size), size)
    if len(pieces) == 1 and isinstance(pieces[0], bytes):
        return Leaf(pieces[0], size)
    return Leaf(b"".join(pieces), size)


def _wrapped_leaf(pieces: list[bytes | memoryview], size: int) -> bytes:
    """A DAG-PB file node without links, written around the pieces so that they are copied once."""
    raw_size = encode_varint(size)
    head = b"\x08\x02\x12" + raw_size if size else b"\x08\x02"
    tail = b"\x18" + raw_size
    return b"".join((b"\x0a", encode_varint(len(head) + size + len(tail)), head, *pieces, tail))


class _Cutter:
    """Cuts a stream into leaf blocks and groups them into batches for one trip to a thread."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._pieces: list[bytes | memoryview] = []
        self._small = bytearray()
        self._missing = profile.chunk_bytes
        self._batch: list[Leaf] = []
        self._batch_blocks = max(1, BATCH_BYTES // profile.chunk_bytes)

    def feed(self, chunk: bytes | memoryview) -> Iterator[list[Leaf]]:
        """The batches that are full now."""
        view: bytes | memoryview = chunk
        while len(view) >= self._missing:
            whole = len(view) == self._missing
            self._take(view if whole else memoryview(view)[: self._missing])
            view = b"" if whole else memoryview(view)[self._missing :]
            self._cut()
            if len(self._batch) >= self._batch_blocks:
                yield self._batch
                self._batch = []
        if view:
            self._take(view)
            self._missing -= len(view)

    def finish(self, *, even_if_empty: bool) -> list[Leaf]:
        """The last batch, with the leaf that is not full; if there is none, an empty one if that is asked."""
        if self._pieces or self._small or (even_if_empty and not self._batch):
            self._cut()
        last, self._batch = self._batch, []
        return last

    def _take(self, piece: bytes | memoryview) -> None:
        if len(piece) < SMALL_PIECE_BYTES:
            self._small += piece
            return
        self._flush_small()
        self._pieces.append(piece)

    def _flush_small(self) -> None:
        if self._small:
            self._pieces.append(bytes(self._small))
            self._small.clear()

    def _cut(self) -> None:
        self._flush_small()
        self._batch.append(_leaf(self._profile, self._pieces))
        self._pieces = []
        self._missing = self._profile.chunk_bytes
