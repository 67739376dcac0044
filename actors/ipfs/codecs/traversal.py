"""Paths through nodes of any codec: inside a block by its keys and places, and on across links.

    bafy…dir / a / b.json / authors / 0 / name
    └ UnixFS names ┘      └ keys and places ┘

With pathing `auto` a name below a UnixFS directory, sharded or not, is the name of an entry. Everywhere else,
and with pathing `dag`, it is a key of a map or a place in a list, as the data model has them; in DAG-PB that
is `Data` or `Links/0/Hash`, and what is neither is the name of a link, as in Kubo.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, NamedTuple, NoReturn

from ....schemas.cid import CID, DAG_PB
from ....schemas.errors import BadRequest, InvalidContent, NotFound
from ..blocks import BlockSource
from ..unixfs import unixfs
from ..unixfs.listing import lookup
from ..unixfs.names import MAX_LOOKUP_DEPTH, split_path
from ..unixfs.reader import load
from ..unixfs.unixfs import decode_node
from . import dagpb
from .model import Value
from .registry import decode

__all__ = ["Located", "Pathing", "Resolved", "locate", "resolve"]

Pathing = Literal["auto", "dag"]

# Blocks that are nothing but a link to the next: a path goes through so many blocks and no more.
MAX_BLOCKS = MAX_LOOKUP_DEPTH
# A block of 2 MiB made to be slow takes a second to decode: from here on, others may go on meanwhile.
INLINE_BYTES = 128 * 1024


class Located(NamedTuple):
    """Where a path ends: in the block `cid`, and at the path `remainder` inside it ("": the block itself).

    `roots` has the CID of each block on the way, the path's own root first and `cid` last; a directory is one
    step, however many blocks its shards take.
    """

    cid: CID
    remainder: str
    roots: list[CID]


class Resolved(NamedTuple):
    """Where a path ends, as in `Located`, that block's codec and size, and the value that stands there."""

    cid: CID
    codec: int
    remainder: str
    value: Value
    roots: list[CID]
    block_bytes: int


async def locate(source: BlockSource, cid: CID, path: str = "", *, pathing: Pathing = "auto") -> Located:
    """Where a path below a CID ends. A link at its end is followed, but the block behind it is not read.

    Every block is read once, so a `source` that takes notes has the blocks of the path afterwards, those of
    shards too, and the last one only if the path goes into it. Raises NotFound(what="path") where nothing
    stands, NotFound(what="block") for a block that is not here, BadRequest(field="path") for `.`, `..` and
    more than 256 names or blocks, NotSupported below a symbolic link and inside a codec that cannot be read,
    InvalidContent for a broken block.
    """
    return (await _follow(source, cid, path, pathing)).place()


async def resolve(source: BlockSource, cid: CID, path: str = "", *, pathing: Pathing = "auto") -> Resolved:
    """What stands at a path below a CID; raises as `locate` does, for the last block too."""
    walk = await _follow(source, cid, path, pathing)
    value = await walk.value()
    return Resolved(walk.cid, walk.cid.codec, "/".join(walk.inside), value, walk.roots, walk.block_bytes)


async def _follow(source: BlockSource, cid: CID, path: str, pathing: Pathing) -> _Walk:
    walk = _Walk(source, cid, path, pathing)
    for name in split_path(path):
        await walk.step(name)
    walk.cross_link()
    return walk


class _Walk:
    """A path on its way: the block it is in, the names taken inside that block, and what stands there."""

    def __init__(self, source: BlockSource, cid: CID, path: str, pathing: Pathing) -> None:
        self.cid, self.roots, self.inside = cid, [cid], list[str]()
        self._source, self._path, self._pathing = source, path, pathing
        self._value: Value = None
        self._is_read = False
        self.block_bytes = 0

    def place(self) -> Located:
        return Located(self.cid, "/".join(self.inside), self.roots)

    async def value(self) -> Value:
        if not self._is_read:
            await self._read(await load(self._source, self.cid))
        return self._value

    async def step(self, name: str) -> None:
        """Go on to what stands under a name."""
        self.cross_link()
        while not self._is_read:
            block = await load(self._source, self.cid)
            if self.cid.codec == DAG_PB and (link := await self._linked(block, name)) is not None:
                self._cross(link)
                return
            await self._read(block)
            if type(self._value) is CID:
                self._cross(self._value)  # a block that is nothing but a link
        self._value = self._below(self._value, name)
        self.inside.append(name)

    def cross_link(self) -> None:
        """Go on to the block behind a link that a name has led to."""
        if self.inside and type(self._value) is CID:
            self._cross(self._value)

    def _cross(self, cid: CID) -> None:
        self.cid, self.inside, self._value, self._is_read = cid, [], None, False
        self.roots.append(cid)
        if len(self.roots) > MAX_BLOCKS + 1:
            raise BadRequest("path", f"leads through more than {MAX_BLOCKS} blocks", limit=MAX_BLOCKS)

    async def _read(self, block: bytes) -> None:
        if len(block) < INLINE_BYTES:
            self._value = decode(self.cid.codec, block, self.cid)
        else:
            self._value = await asyncio.to_thread(decode, self.cid.codec, block, self.cid)
        self._is_read, self.block_bytes = True, len(block)

    async def _linked(self, block: bytes, name: str) -> CID | None:
        """What a DAG-PB block links to under a name, or None where the data model is to be asked."""
        if self._pathing == "auto" and (entry := await self._entry(block, name)) is not None:
            return entry
        if name in ("Data", "Links"):
            return None
        link = dagpb.read(block, self.cid)[0].find(name)
        return None if link is None else link.cid

    async def _entry(self, block: bytes, name: str) -> CID | None:
        """A UnixFS directory's entry, or None for a block that is no directory."""
        try:
            node, links = decode_node(block, self.cid)
        except InvalidContent:
            return None  # a bare node, or broken altogether, which the data model will tell
        if not node.is_directory and node.type != unixfs.SYMLINK:
            return None
        entry = await lookup(self._source, self.cid, node, links, name, self._path)
        return self._missing(name) if entry is None else entry

    def _below(self, value: Value, name: str) -> Value:
        if type(value) is dict and name in value:
            return value[name]
        if type(value) is list and (index := _index(name, value)) is not None:
            return value[index]
        return self._missing(name)

    def _missing(self, name: str) -> NoReturn:
        raise NotFound("path", self._path, missing=name, cid=str(self.cid))


def _index(name: str, items: Sequence[Value]) -> int | None:
    """The place that a name is the plain decimal number of, if there is one."""
    if len(name) > 9 or not (name.isascii() and name.isdecimal()) or (name[0] == "0" and name != "0"):
        return None
    return int(name) if int(name) < len(items) else None
