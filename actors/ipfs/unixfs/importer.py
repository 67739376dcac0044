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
from typing import NamedTuple

from ....schemas.cid import CID
from ....schemas.varint import encode_varint
from ..blocks import BlockSink
from ..codecs import dagpb
from ..codecs.dagpb import Link
from . import unixfs
from .profiles import Profile
from .unixfs import UnixFS

__all__ = ["Node", "import_file", "import_bytes"]

# Under this size a hop to a thread and back costs more than the hash itself.
INLINE_BYTES = 32 * 1024
BATCH_BYTES = 1024 * 1024
BATCHES_IN_FLIGHT = 4
# Pieces under this size are gathered by copying: a stream of single bytes must not become a list of them.
SMALL_PIECE_BYTES = 4096


class Node(NamedTuple):
    """A stored root: `size_bytes` of content, and `dag_size_bytes` of blocks at and below it (Tsize)."""

    cid: CID
    size_bytes: int
    dag_size_bytes: int


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
    cutter, tree = _Cutter(profile), _Tree(profile)
    in_flight: deque[asyncio.Future[list[Hashed]]] = deque()
    loop = asyncio.get_running_loop()

    async def store(leaves: list[Hashed]) -> None:
        for leaf in leaves:
            for cid, data in tree.add_leaf(*leaf):
                await sink.put(cid, data)

    try:
        async for chunk in chunks:
            for batch in cutter.feed(chunk):
                in_flight.append(loop.run_in_executor(executor, _hash_all, profile, batch))
                if len(in_flight) == BATCHES_IN_FLIGHT:
                    await store(await in_flight.popleft())
        while in_flight:
            await store(await in_flight.popleft())
    finally:
        for future in in_flight:
            future.cancel()
    last = cutter.finish()
    is_small = sum(leaf.size_bytes for leaf in last) <= INLINE_BYTES
    await store(
        _hash_all(profile, last)
        if is_small
        else await loop.run_in_executor(executor, _hash_all, profile, last)
    )
    for cid, data in tree.finish():
        await sink.put(cid, data)
    return tree.root


def import_bytes(data: bytes | memoryview, profile: Profile) -> tuple[Node, list[tuple[CID, bytes]]]:
    """The root and the blocks, children first, of content that is at hand; hashes on the caller's thread.

    Meant for content of one block; more is cut and linked just as `import_file` does.
    """
    tree = _Tree(profile)
    blocks: list[tuple[CID, bytes]] = []
    for start in range(0, len(data) or 1, profile.chunk_bytes):
        leaf = _leaf(profile, [data[start : start + profile.chunk_bytes]])
        blocks += tree.add_leaf(leaf, profile.leaf_cid(leaf.block))
    blocks += tree.finish()
    return tree.root, blocks


class Leaf(NamedTuple):
    """A leaf block that holds `size_bytes` of content."""

    block: bytes
    size_bytes: int


Hashed = tuple[Leaf, CID]


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
        self._is_empty = True

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

    def finish(self) -> list[Leaf]:
        """The last batch; an empty file has one empty block."""
        if self._pieces or self._small or self._is_empty:
            self._cut()
        return self._batch

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
        self._is_empty = False


class _Tree:
    """The balanced DAG over leaves that come in order: all leaves end up equally deep.

    `_levels[n]` has the children of the open node n levels above the leaves; a level that is full becomes
    one child of the level above it.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._levels: list[list[Node]] = [[]]

    @property
    def root(self) -> Node:
        return self._levels[-1][0]

    def add_leaf(self, leaf: Leaf, cid: CID) -> Iterator[tuple[CID, bytes]]:
        """The blocks to store now: the leaf, and each node that it completes."""
        self._levels[0].append(Node(cid, leaf.size_bytes, len(leaf.block)))
        yield cid, leaf.block
        level = 0
        while len(self._levels[level]) == self._profile.max_links:
            yield self._close(level)
            level += 1

    def finish(self) -> Iterator[tuple[CID, bytes]]:
        """The nodes that were still open, up to the root."""
        level = 0
        while level < len(self._levels) - 1 or len(self._levels[level]) > 1:
            if self._levels[level]:
                yield self._close(level)
            level += 1

    def _close(self, level: int) -> tuple[CID, bytes]:
        node, block = self._link(self._levels[level])
        self._levels[level] = []
        if level + 1 == len(self._levels):
            self._levels.append([])
        self._levels[level + 1].append(node)
        return node.cid, block

    def _link(self, children: list[Node]) -> tuple[Node, bytes]:
        size = sum(child.size_bytes for child in children)
        data = unixfs.encode(UnixFS(unixfs.FILE, b"", size, [child.size_bytes for child in children]))
        block = dagpb.encode((Link(child.cid, "", child.dag_size_bytes) for child in children), data)
        cid = self._profile.node_cid(block)
        dag_size = len(block) + sum(child.dag_size_bytes for child in children)
        return Node(cid, size, dag_size), block
