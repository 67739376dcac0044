"""A file written into: bytes at an offset or at the end make another file, of which only those are stored.

    |--- kept by its nodes ---|-- part of a leaf --|--- written ---|-- part of a leaf --|--- kept ---|

Of the old file those blocks are read through which an edit cuts: one for each level at either end. Whole
leaves and nodes between are taken over by their CIDs, so that a file in the profile's own layout is edited
into the very file that adding the edited bytes would give. One in another layout (other chunks, a trickle
DAG) is read and laid out anew by its first edit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from concurrent.futures import Executor
from contextlib import aclosing
from typing import NamedTuple

from ....schemas.cid import CID, DAG_PB, RAW
from ....schemas.errors import TooLarge
from ....schemas.tree import MAX_FILE_BYTES
from ..blocks import BlockSink, BlockSource
from ..codecs.dagpb import Links
from ..unixfs.importer import FileBuilder, Node
from ..unixfs.profiles import Profile
from ..unixfs.reader import File, load, node_of, open_file
from ..unixfs.unixfs import UnixFS
from .attributes import NO_ATTRIBUTES, Attributes, dag_size, with_attributes

__all__ = ["Written", "write_file"]


class Written(NamedTuple):
    """The file as it is now, and how many bytes came for it."""

    cid: CID
    size_bytes: int
    dag_size_bytes: int
    written_bytes: int

    @property
    def node(self) -> Node:
        return Node(self.cid, self.size_bytes, self.dag_size_bytes)


async def write_file(
    source: BlockSource,
    sink: BlockSink,
    base: CID | None,
    chunks: AsyncIterable[bytes | memoryview],
    *,
    profile: Profile,
    offset: int | None = None,
    truncate: bool = False,
    size_bytes: int | None = None,
    executor: Executor | None = None,
) -> Written:
    """Write chunks into a file (None: an empty one) from `offset` on (None: its end).

    What lies between its end and an offset further on becomes zeros. With `truncate` the file ends where the
    written bytes end; with `size_bytes` it is cut or filled to that size at last. Mode and time stay.
    `source` must have what `sink` is given. Memory is bounded, whatever the sizes.
    Raises NotAFile, TooLarge past 2^53 bytes, InvalidContent, and what the chunks, source and sink raise.
    """
    old = _Old(source, None if base is None else await open_file(source, base), profile)
    with FileBuilder(sink, profile, executor) as new:
        edit = _Edit(old, new, old.size_bytes if offset is None else offset, size_bytes)
        async for chunk in chunks:
            if chunk:
                await edit.write(chunk)
        if base is not None and edit.changes_nothing(truncate):
            return Written(base, old.size_bytes, await _dag_size(source, base), 0)
        await edit.finish(truncate)
        node = await new.finish()
    if old.attributes != NO_ATTRIBUTES:
        node = await with_attributes(source, sink, node.cid, old.attributes, profile)
    return Written(*node, edit.written_bytes)


async def _dag_size(source: BlockSource, cid: CID) -> int:
    block = await load(source, cid)
    return dag_size(block, node_of(block, cid)[1])


class _Edit:
    """What becomes of the old file, byte for byte: `limit` is where the new one ends at the latest."""

    def __init__(self, old: _Old, new: FileBuilder, offset: int, size_bytes: int | None) -> None:
        self.written_bytes = 0
        self._old, self._new = old, new
        self._offset = offset
        self._wanted_bytes = size_bytes
        self._limit = MAX_FILE_BYTES if size_bytes is None else size_bytes

    async def write(self, chunk: bytes | memoryview) -> None:
        """Take bytes in; the first ones come behind what is kept before the offset."""
        if not self.written_bytes:
            await self._old.keep(self._new, min(self._offset, self._limit, self._old.size_bytes))
            await self._new.fill(min(self._offset, self._limit) - self._new.position)
        self.written_bytes += len(chunk)
        if self._wanted_bytes is None and self._offset + self.written_bytes > self._limit:
            raise TooLarge("content", limit=MAX_FILE_BYTES)
        await self._new.feed(chunk[: self._limit - self._new.position])

    def changes_nothing(self, truncate: bool) -> bool:
        if self.written_bytes:
            return False
        return self._kept_to(truncate) == self._end(truncate) == self._old.size_bytes

    async def finish(self, truncate: bool) -> None:
        """Keep what comes behind the written bytes, and give the file its size."""
        kept_to = min(self._kept_to(truncate), self._limit)
        end = self._end(truncate)
        await self._old.keep(self._new, kept_to, is_last=end <= kept_to)
        await self._new.fill(end - self._new.position)

    def _kept_to(self, truncate: bool) -> int:
        """Where what is kept of the old file ends, if nothing was written behind that."""
        if not truncate:
            return self._old.size_bytes
        return 0 if self.written_bytes else min(self._offset, self._old.size_bytes)

    def _end(self, truncate: bool) -> int:
        if self._wanted_bytes is not None:
            return self._wanted_bytes
        return max(self._new.position, self._kept_to(truncate))


class _Old:
    """The file that was, as far as it is like the profile would lay it out."""

    def __init__(self, source: BlockSource, file: File | None, profile: Profile) -> None:
        self.size_bytes = 0 if file is None else file.size_bytes
        self.attributes = NO_ATTRIBUTES if file is None else Attributes(file.mode, file.mtime)
        self._source = source
        self._file = file
        self._profile = profile

    async def keep(self, new: FileBuilder, end: int, *, is_last: bool = False) -> None:
        """Give the new file what the old one has from where the new one ends so far up to `end`.

        `is_last` says that nothing comes behind it: then parts that are not full may be kept as they are.
        """
        await self._copy(new, min(end, new.position + new.to_boundary))
        if new.position < end:
            async with aclosing(self._parts(new.position, end, is_last)) as parts:
                async for part, height in parts:
                    await new.add(part, height)
        await self._copy(new, end)

    async def _copy(self, new: FileBuilder, end: int) -> None:
        if self._file is not None and new.position < end:
            async with aclosing(self._file.read(new.position, end - new.position)) as pieces:
                async for piece in pieces:
                    await new.feed(piece)

    async def _parts(self, start: int, end: int, is_last: bool) -> AsyncGenerator[tuple[Node, int], None]:
        """The largest parts that make up the bytes from `start` (where a leaf begins) towards `end`.

        They end before it where a leaf is cut through, or where the layout is another one.
        """
        if self._file is None:
            return
        waiting = self._children(self._root(), self._file.node, self._file.links, start, end)
        while waiting:
            part = waiting.pop()
            is_whole = start <= part.at and part.end <= end
            if is_whole and (is_last or part.node.size_bytes == self._full_bytes(part.height)):
                yield part.node, part.height
                continue
            cid = part.node.cid
            below = self._children(part, *node_of(await load(self._source, cid), cid), start, end)
            if not below:
                return
            waiting += below

    def _root(self) -> _Part:
        assert self._file is not None
        height = 0
        while self._full_bytes(height) < self.size_bytes:
            height += 1
        return _Part(Node(self._file.cid, self.size_bytes, 0), 0, height)

    def _children(self, part: _Part, node: UnixFS, links: Links, start: int, end: int) -> list[_Part]:
        """The children that hold some of those bytes, the first one last; none if the part is a leaf, or if
        the profile would make others."""
        if part.height == 0 or not self._is_laid_out(node, part):
            return []
        height = part.height - 1
        full = self._full_bytes(height)
        children = []
        for index in range(max(0, start - part.at) // full, min(len(links), -((part.at - end) // full))):
            cid, _, dag_size_bytes = links[index]
            if not self._is_named(cid, height):
                return []
            child = Node(cid, node.block_sizes[index], dag_size_bytes)
            children.append(_Part(child, part.at + index * full, height))
        children.reverse()
        return children

    def _is_laid_out(self, node: UnixFS, part: _Part) -> bool:
        full, sizes = self._full_bytes(part.height - 1), node.block_sizes
        return (
            node.is_file
            and not node.data
            and node.size_bytes == part.node.size_bytes
            and 0 < len(sizes) <= self._profile.max_links
            and all(size == full for size in sizes[:-1])
            and 0 < sizes[-1] <= full
        )

    def _is_named(self, cid: CID, height: int) -> bool:
        """Whether the profile would name a part of that height by such a CID."""
        profile = self._profile
        named = (RAW, 1) if height == 0 and profile.raw_leaves else (DAG_PB, profile.cid_version)
        return (cid.codec, cid.version) == named and cid.hash_code == profile.hash_code

    def _full_bytes(self, height: int) -> int:
        return self._profile.chunk_bytes * int(self._profile.max_links**height)


class _Part(NamedTuple):
    """A node of the old file: where its content begins, and how many levels it is above the leaves."""

    node: Node
    at: int
    height: int

    @property
    def end(self) -> int:
        return self.at + self.node.size_bytes
