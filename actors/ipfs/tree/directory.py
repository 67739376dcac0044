"""A directory changed: entries set and removed make another directory, of which only the blocks on the way to
them are read and stored.

It is sharded, or becomes one block again, by the profile's rule, so that it is the very directory that would
be built of the same entries. Whether a sharded one has become small enough is only asked when it shrinks,
and what is found out about its size is remembered, so that it is asked seldom.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from cachetools import LRUCache

from ....schemas.cid import CID
from ....schemas.errors import BadRequest, TooLarge
from ..blocks import BlockSink
from ..codecs import dagpb
from ..codecs.dagpb import Edit, Link, Links, encode_link
from ..unixfs import unixfs
from ..unixfs.directory import (
    DIRECTORY_DATA,
    estimated_bytes,
    estimated_data_bytes,
    is_sharded,
    store_shards,
)
from ..unixfs.importer import Node
from ..unixfs.profiles import Profile
from ..unixfs.unixfs import UnixFS
from .attributes import NO_ATTRIBUTES, Attributes, dag_size, likely_dag_size, with_attributes
from .nodes import Nodes
from .shards import edit_shards, entries_of_shards

__all__ = ["Changes", "DirectoryEditor", "empty_directory"]

# What an entry is to be, as a link under its name; None removes it.
Changes = Mapping[str, Link | None]

REMEMBERED = 4096
# A link tells the bytes below it in 64 bits; copies of copies would soon be more.
MAX_DAG_BYTES = (1 << 63) - 1
# A sharded directory is measured up to so many times the size at which it would be one block, so that it can
# shrink for a while before it has to be measured again.
MEASURED = 1.25
# Of a block of many links a few are changed in place; with more than one in so many it is written anew.
FEW = 8


class DirectoryEditor:
    """Edits the directories of a tree. `nodes` must have what a `sink` was given.

    Used from one event loop. It remembers, for some thousand directories, what would take long to find out.
    """

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self._at_least: LRUCache[CID, int] = LRUCache(REMEMBERED)

    async def edit(
        self,
        sink: BlockSink,
        cid: CID,
        changes: Changes,
        profile: Profile,
        *,
        dag_size_bytes: int | None = None,
    ) -> Node:
        """Store the directory with these changes; mode and time stay. Names are checked by the caller.

        `dag_size_bytes` is what the link to the directory claims, if there is one. Raises BadRequest("cid")
        for what is no directory, BadRequest("path") where two names cannot stand in one sharded directory,
        TooLarge past 2^63 bytes, and InvalidContent for a broken one.
        """
        node, links, block = await self.nodes.open(cid)
        if not node.is_directory:
            raise BadRequest("cid", f"{cid} is not a directory")
        if dag_size_bytes is None:
            dag_size_bytes = await self.nodes.dag_size(cid)
        if node.type == unixfs.DIRECTORY:
            below_bytes = dag_size_bytes - len(block)
            made = await self._edit_plain(sink, node, links, changes, profile, below_bytes)
        else:
            made = await self._edit_sharded(sink, cid, changes, profile, dag_size_bytes)
        if made.dag_size_bytes > MAX_DAG_BYTES:
            raise TooLarge("path", limit=MAX_DAG_BYTES)
        self.nodes.remember_dag_size(made.cid, made.dag_size_bytes)
        return made

    # ---- one block --------------------------------------------------------------------------------------

    async def _edit_plain(
        self,
        sink: BlockSink,
        node: UnixFS,
        links: Links,
        changes: Changes,
        profile: Profile,
        below_bytes: int,
    ) -> Node:
        data = _plain_data(node)
        edits = _edits(links, changes)
        if edits is not None:
            block = dagpb.splice(links, [edit for edit, _ in edits], data)
            below_bytes += sum(grown for _, grown in edits)
        # By no rule is the estimated size larger than the block.
        if edits is None or len(block) > profile.shard_above_bytes:
            entries = _merged(links, changes)
            if is_sharded(entries, profile, data):
                return await self._shard(sink, entries, Attributes.of(node), profile)
            block = dagpb.encode(entries, data)
            below_bytes = sum(link.size for link in entries)
        cid = profile.node_cid(block)
        await sink.put(cid, block)
        return Node(cid, 0, likely_dag_size(block, len(block) + below_bytes))

    async def _shard(
        self, sink: BlockSink, entries: list[Link], attributes: Attributes, profile: Profile
    ) -> Node:
        made = await store_shards(entries, sink, profile)
        if attributes == NO_ATTRIBUTES:
            return made
        return await with_attributes(self.nodes, sink, made.cid, attributes, profile)

    # ---- shards -----------------------------------------------------------------------------------------

    async def _edit_sharded(
        self, sink: BlockSink, cid: CID, changes: Changes, profile: Profile, dag_size_bytes: int
    ) -> Node:
        edited = await edit_shards(self.nodes, sink, cid, changes, profile, dag_size_bytes)
        made = edited.node
        known = self._at_least.get(cid)
        if edited.grown_bytes >= 0:
            if known is not None:
                self._at_least[made.cid] = known + edited.grown_bytes
            return made
        at_least = 0 if known is None else known + edited.grown_bytes
        if at_least <= profile.shard_above_bytes:
            entries, at_least = await self._measure(made.cid, profile)
            if at_least <= profile.shard_above_bytes:
                return await self._unshard(sink, made.cid, entries, profile)
        self._at_least[made.cid] = at_least
        return made

    async def _measure(self, cid: CID, profile: Profile) -> tuple[list[Link], int]:
        """Entries of a sharded directory, and how large it is by them: all, or enough to be too large for one
        block."""
        node = (await self.nodes.open(cid)).node
        size = estimated_data_bytes(_plain_data(node), profile)
        entries: list[Link] = []
        async with aclosing(entries_of_shards(self.nodes, cid)) as shards:
            async for found in shards:
                entries += found
                size += sum(estimated_bytes(link, profile) for link in found)
                if size > MEASURED * profile.shard_above_bytes:
                    break
        return entries, size

    async def _unshard(self, sink: BlockSink, cid: CID, entries: list[Link], profile: Profile) -> Node:
        node = (await self.nodes.open(cid)).node
        entries.sort(key=_name)
        block = dagpb.encode(entries, _plain_data(node))
        made = profile.node_cid(block)
        await sink.put(made, block)
        return Node(made, 0, dag_size(block, entries))


async def empty_directory(sink: BlockSink, profile: Profile) -> Node:
    """Store a directory with nothing in it."""
    block = dagpb.encode((), DIRECTORY_DATA)
    cid = profile.node_cid(block)
    await sink.put(cid, block)
    return Node(cid, 0, len(block))


def _plain_data(node: UnixFS) -> bytes:
    return unixfs.encode(UnixFS(unixfs.DIRECTORY, mode=node.mode, mtime=node.mtime))


def _name(link: Link) -> str:
    return link.name


def _edits(links: Links, changes: Changes) -> list[tuple[Edit, int]] | None:
    """Each change as an edit of the block and how much larger it makes what lies below; None for a block
    that is better written anew: much of it changes, or its names are not each once and in order."""
    if len(changes) * FEW > len(links):
        return None
    edits = []
    for name in sorted(changes):
        new = changes[name]
        at = bisect_left(links, name, key=_name)
        old = links[at] if at < len(links) and links[at].name == name else None
        if links.find(name) != old or (at + 1 < len(links) and links[at + 1].name == name):
            return None
        added = b"" if new is None else encode_link(new)
        grown = (new.size if new else 0) - (old.size if old else 0)
        edits.append(((at, int(old is not None), added), grown))
    return edits


def _merged(links: Sequence[Link], changes: Changes) -> list[Link]:
    """All entries after the changes, in order; of two with the same name the first, which is what a lookup
    finds."""
    entries: dict[str, Link] = {}
    for link in links:
        entries.setdefault(link.name, link)
    for name, new in changes.items():
        if new is None:
            entries.pop(name, None)
        else:
            entries[name] = new
    return sorted(entries.values(), key=_name)
