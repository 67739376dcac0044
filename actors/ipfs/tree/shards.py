"""A sharded directory changed: the shards on the way to the changed names are written anew, and no others.

What comes out is what would be built of the same entries: names that meet at one place get a shard of their
own there, and a shard that is left with one entry gives it back to the one above.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from itertools import count, groupby
from typing import NamedTuple

from ....schemas.cid import CID
from ....schemas.errors import InvalidContent
from ..blocks import BlockSink
from ..codecs import dagpb
from ..codecs.dagpb import Edit, Link, Links, encode_link
from ..unixfs import unixfs
from ..unixfs.directory import estimated_bytes, store_shards
from ..unixfs.hamt import digits_of, name_hash, place, shard_data
from ..unixfs.importer import Node
from ..unixfs.profiles import Profile
from ..unixfs.unixfs import UnixFS
from .attributes import likely_dag_size
from .nodes import Nodes

__all__ = ["EditedShards", "edit_shards", "entries_of_shards"]

SHARDS_PER_TURN = 32


class EditedShards(NamedTuple):
    """The new root shard, and by how much the directory's estimated size has grown (or shrunk: below 0)."""

    node: Node
    grown_bytes: int


async def edit_shards(
    nodes: Nodes, sink: BlockSink, cid: CID, changes: Mapping[str, Link | None], profile: Profile,
    dag_size_bytes: int,
) -> EditedShards:  # fmt: skip
    """Store a sharded directory with these changes: a link sets an entry, None removes one.

    The shards keep their fanout, the root its mode and time. Raises as `build_shards` and `Shard` do.
    """
    shard = _Shard(Link(cid, "", dag_size_bytes), *await nodes.open(cid))
    editor = _ShardEditor(nodes, sink, replace(profile, shard_fanout=shard.node.fanout or 0))
    hashed = sorted((_Change(name_hash(name), name, link) for name, link in changes.items()), key=_hash)
    root = await editor.edit(shard, hashed, level=0)
    assert root is not None
    return EditedShards(Node(root.cid, 0, root.size), editor.grown_bytes)


class _Change(NamedTuple):
    hash: int
    name: str
    link: Link | None


def _hash(change: _Change) -> int:
    return change.hash


async def entries_of_shards(nodes: Nodes, root: CID) -> AsyncGenerator[list[Link], None]:
    """The entries of a sharded directory under their names, those of one shard after those of another."""
    waiting = [root]
    for turn in count(1):
        if not waiting:
            return
        node, links, _ = await nodes.open(waiting.pop())
        digits = digits_of(node.fanout or 0)
        found = list(links)
        waiting += [link.cid for link in found if len(link.name) == digits]
        yield [Link(cid, name[digits:], size) for cid, name, size in found if len(name) > digits]
        if turn % SHARDS_PER_TURN == 0:
            await asyncio.sleep(0)


class _Shard(NamedTuple):
    """A shard as read: `link` says where, and how many bytes lie at and below it."""

    link: Link
    node: UnixFS
    links: Links
    block: bytes

    @property
    def bitfield(self) -> int:
        return int.from_bytes(self.node.data, "big")


class _ShardEditor:
    """Edits the shards of one directory, all of the profile's fanout."""

    def __init__(self, nodes: Nodes, sink: BlockSink, profile: Profile) -> None:
        self.grown_bytes = 0
        self._nodes = nodes
        self._sink = sink
        self._profile = profile
        self._bits = profile.shard_fanout.bit_length() - 1
        self._digits = digits_of(profile.shard_fanout)

    async def edit(self, shard: _Shard, changes: list[_Change], level: int) -> Link | None:
        """Change the entries below a shard; changes are in the order of their hashes.

        Gives a nameless link to the new shard. Below the root, where one entry is left, the link to that
        under its name, and None where none is.
        """
        edits: list[Edit] = []
        bitfield, dag_size = shard.bitfield, shard.link.size
        for slot, group in groupby(changes, key=lambda change: place(change.hash, level, self._bits)):
            if slot is None:
                raise _bad(shard, "deeper than its hash has bits")
            index = (shard.bitfield & (1 << slot) - 1).bit_count()
            old = self._standing(shard, index, slot, level) if shard.bitfield >> slot & 1 else None
            new = await self._changed(old, list(group), level)
            edits.append((index, int(old is not None), b"" if new is None else self._placed(new, slot)))
            bitfield = bitfield & ~(1 << slot) | int(new is not None) << slot
            dag_size += (new.size if new else 0) - (old.size if old else 0)
        data = shard_data(bitfield, self._profile.shard_fanout, mode=shard.node.mode, mtime=shard.node.mtime)
        block = dagpb.splice(shard.links, edits, data)
        if level and bitfield.bit_count() <= 1:
            last = self._last(block)
            if last is None or last.name:
                return last
        cid = self._profile.node_cid(block)
        await self._sink.put(cid, block)
        return Link(cid, "", likely_dag_size(block, dag_size + len(block) - len(shard.block)))

    async def _changed(self, old: Link | None, changes: list[_Change], level: int) -> Link | None:
        """What stands at a place of a shard after the changes of names that belong there; a link without a
        name is a sub-shard."""
        if old is not None and not old.name:
            return await self.edit(await self._open_below(old), changes, level + 1)
        entries = {} if old is None else {old.name: old}
        for _, name, link in changes:
            self._count(name, entries.pop(name, None), link)
            if link is not None:
                entries[name] = Link(link.cid, name, link.size)
        if len(entries) <= 1:
            return next(iter(entries.values()), None)
        node = await store_shards(list(entries.values()), self._sink, self._profile, level=level + 1)
        return Link(node.cid, "", node.dag_size_bytes)

    def _count(self, name: str, old: Link | None, new: Link | None) -> None:
        for link, sign in ((old, -1), (new, +1)):
            if link is not None:
                self.grown_bytes += sign * estimated_bytes(Link(link.cid, name, link.size), self._profile)

    async def _open_below(self, link: Link) -> _Shard:
        shard = _Shard(link, *await self._nodes.open(link.cid))
        if shard.node.type != unixfs.HAMT_SHARD or shard.node.fanout != self._profile.shard_fanout:
            raise _bad(shard, "not a shard of the directory above it")
        return shard

    def _standing(self, shard: _Shard, index: int, slot: int, level: int) -> Link:
        """The link at a place, under the entry's own name."""
        cid, name, size = shard.links[index]
        digits, entry = name[: self._digits], name[self._digits :]
        if digits != self._prefix(slot) or (entry and place(name_hash(entry), level, self._bits) != slot):
            raise _bad(shard, f"link {name!r} is not where it belongs")
        return Link(cid, entry, size)

    def _placed(self, link: Link, slot: int) -> bytes:
        return encode_link(Link(link.cid, self._prefix(slot) + link.name, link.size))

    def _last(self, block: bytes) -> Link | None:
        """The only link of a block, if it has one, under the entry's own name."""
        links, _ = dagpb.read(block)
        return Link(links[0].cid, links[0].name[self._digits :], links[0].size) if links else None

    def _prefix(self, slot: int) -> str:
        return f"{slot:0{self._digits}X}"


def _bad(shard: _Shard, problem: str) -> InvalidContent:
    return InvalidContent("unixfs", problem, cid=str(shard.link.cid))
