"""What a block is the root of: which blocks it takes to read a file or a range of it, or to list a directory.

Follows `dag-scope=entity` and `entity-bytes` of https://specs.ipfs.tech/http-gateways/trustless-gateway/.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from ....schemas.cid import CID, DAG_PB
from ....schemas.errors import BadRequest, InvalidContent
from ..blocks import BlockSource
from ..codecs.dagpb import Links
from ..unixfs import unixfs
from ..unixfs.listing import links_below
from ..unixfs.reader import File, load
from ..unixfs.unixfs import UnixFS, decode_node
from .trail import Trail

__all__ = ["EntityBytes", "entity_blocks"]

MAX_DIGITS = 19


class EntityBytes(NamedTuple):
    """A range of bytes, both ends in it; negative ends count from the end of the content, a `last` of None is
    that end."""

    first: int
    last: int | None = None

    @staticmethod
    def parse(text: str) -> EntityBytes:
        """The range that `from:to` writes, `to` being a number or `*`; raises BadRequest("entity-bytes")."""
        first, colon, last = text.partition(":")
        if not colon or not _is_number(first) or not (last == "*" or _is_number(last)):
            raise BadRequest("entity-bytes", f"{text[:50]!r} is not `from:to`")
        return EntityBytes(int(first), None if last == "*" else int(last))

    def within(self, size_bytes: int) -> tuple[int, int]:
        """Where the range starts in content of that size and how many bytes of it there are, 0 if none."""
        last = -1 if self.last is None else self.last
        start = max(0, self.first if self.first >= 0 else size_bytes + self.first)
        end = min(size_bytes, 1 + (last if last >= 0 else size_bytes + last))
        return start, max(0, end - start)


async def entity_blocks(
    source: BlockSource, cid: CID, block: bytes, wanted: EntityBytes | None = None
) -> AsyncGenerator[tuple[CID, bytes], None]:
    """The blocks below one that belong to the same entity, depth first: of a file those that hold the wanted
    bytes, of a sharded directory its shards. Anything else is an entity of its one block.

    A range that has none of the content's bytes takes no more blocks, so that a client can see why; one of
    anything but a file is ignored. Raises InvalidContent for a broken file or directory, and what `source`
    raises.
    """
    node, links = _node(cid, block)
    if node is None:
        return
    if node.is_file:
        file = File(source, cid, node, links)
        start, count = (wanted or EntityBytes(0)).within(file.size_bytes)
        if not count:
            return
        async with aclosing(file.blocks(start, count)) as blocks:
            async for pair in blocks:
                yield pair
    elif node.type == unixfs.HAMT_SHARD:
        async with aclosing(_shards(source, cid, node, links)) as blocks:
            async for pair in blocks:
                yield pair


async def _shards(
    source: BlockSource, cid: CID, node: UnixFS, links: Links
) -> AsyncGenerator[tuple[CID, bytes], None]:
    trail = Trail(source)
    async for _ in links_below(trail, cid, node, links):
        while trail.cids:
            shard = trail.cids.pop(0)
            yield shard, await load(source, shard)


def _node(cid: CID, block: bytes) -> tuple[UnixFS | None, Links]:
    """The UnixFS node of a block; None if it is none, as a raw leaf or the node of another format."""
    if cid.codec != DAG_PB:
        return None, Links()
    try:
        return decode_node(block, cid)
    except InvalidContent:
        return None, Links()


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
