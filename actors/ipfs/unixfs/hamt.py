"""Sharded directories: the HAMT that a directory becomes when one block would be too large.

Follows https://specs.ipfs.tech/unixfs/ (HAMTDirectory). A name's place is the first 64 bits of its
murmur3-x64-128 hash, eight bits (for a fanout of 256) for each level. A link's name begins with its place in
two hex digits: an entry's goes on with the entry's name, a sub-shard's ends there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import mmh3

from ....schemas.cid import CID
from ....schemas.errors import BadRequest, InvalidContent
from ..codecs import dagpb
from ..codecs.dagpb import Link, Links
from . import unixfs
from .profiles import Profile
from .unixfs import UnixFS

__all__ = ["Shard", "build_shards", "digits_of", "name_hash", "place", "shard_data"]

HASH_BITS = 64


def name_hash(name: str) -> int:
    """The 64 bits that place a name in every shard of a directory, most significant first."""
    return mmh3.hash64(name.encode("utf-8", "surrogateescape"), signed=False)[0]


def place(hashed: int, level: int, bits: int) -> int | None:
    """A hash's place at a level, or None when its bits are used up."""
    shift = HASH_BITS - (level + 1) * bits
    return None if shift < 0 else hashed >> shift & (1 << bits) - 1


def build_shards(
    entries: list[Link], profile: Profile, *, level: int = 0
) -> Iterator[tuple[CID, bytes, int]]:
    """The shards of a directory, children first, the root last: each shard's CID, block and Tsize.

    With `level`, those of a sub-shard that many below the root, whose entries share the places above it.
    Raises BadRequest(field="path") if names collide in all 64 bits of their hashes, so that no tree of
    shards can tell them apart.
    """
    hashed = [(name_hash(entry.name), entry) for entry in entries]
    hashed.sort(key=itemgetter(0))
    yield from _build(hashed, level, profile)


Hashed = tuple[int, Link]
Built = tuple[CID, bytes, int]


def _build(hashed: list[Hashed], level: int, profile: Profile) -> Generator[Built, None, Built]:
    """Yields the shards at and below one, and returns that one. At most eight deep: a hash has 64 bits."""
    links: list[Link] = []
    bitfield, digits = 0, digits_of(profile.shard_fanout)
    for index, group in _groups(hashed, level, profile.shard_fanout.bit_length() - 1):
        prefix = f"{index:0{digits}X}"
        bitfield |= 1 << index
        if len(group) == 1:
            cid, name, size = group[0][1]
            links.append(Link(cid, prefix + name, size))
        else:
            cid, _, size = yield from _build(group, level + 1, profile)
            links.append(Link(cid, prefix, size))
    shard = _shard(links, bitfield, profile)
    yield shard
    return shard


def _groups(hashed: list[Hashed], level: int, bits: int) -> Iterator[tuple[int, list[Hashed]]]:
    """The entries by their place at this level; they are sorted by hash, so each group is a run."""
    for index, group in groupby(hashed, key=lambda pair: place(pair[0], level, bits)):
        if index is None:
            names = " and ".join(repr(entry.name) for _, entry in hashed[:2])
            raise BadRequest("path", f"{names} have the same hash, so no directory can hold both")
        yield index, list(group)


def _shard(links: list[Link], bitfield: int, profile: Profile) -> Built:
    fanout = profile.shard_fanout
    block = dagpb.encode(links, shard_data(bitfield, fanout))
    cid = profile.node_cid(block)
    return cid, block, len(block) + sum(link.size for link in links)


def shard_data(
    bitfield: int, fanout: int, *, mode: int | None = None, mtime: tuple[int, int] | None = None
) -> bytes:
    """The data of a shard's node: bit n of the field says whether place n is taken."""
    raw_field = bitfield.to_bytes(fanout // 8, "big").lstrip(b"\0")
    return unixfs.encode(
        UnixFS(unixfs.HAMT_SHARD, raw_field, hash_type=unixfs.MURMUR3, fanout=fanout, mode=mode, mtime=mtime)
    )


def digits_of(fanout: int) -> int:
    """How many hex digits a place takes at the head of a link's name."""
    return len(f"{fanout - 1:X}")


class Place(NamedTuple):
    """One link of a shard: its place, and the entry's name, or None for a sub-shard."""

    slot: int
    name: str | None
    link: Link


class Shard:
    """One shard as read from a block, with every link's place checked.

    `path` is the hash bits that lead to it, as a number of `level` groups: an entry whose name does not
    hash to its place is refused, which also keeps one shard from standing at two places of a directory.
    """

    def __init__(self, node: UnixFS, links: Links, cid: CID, *, path: int = 0, level: int = 0) -> None:
        self.fanout = node.fanout or 0
        self.bits = self.fanout.bit_length() - 1
        self.level, self._path, self._cid, self._links = level, path, cid, links
        self._digits = digits_of(self.fanout)
        if (level + 1) * self.bits > HASH_BITS:
            raise self._bad("deeper than its hash has bits")
        if level and not links:
            raise self._bad("an empty shard below the root")

    def places(self) -> Iterator[Place]:
        """Every link in order; raises InvalidContent at the first that cannot stand where it does."""
        last = -1
        for link in self._links:
            found = self._place(link)
            if found.slot <= last:
                raise self._bad("links out of order or at the same place")
            last = found.slot
            yield found

    def lookup(self, name: str) -> Place | None:
        """The link at the place of a name: the entry itself, a sub-shard to go on with, or None."""
        slot = place(name_hash(name), self.level, self.bits) or 0
        prefix = f"{slot:0{self._digits}X}"
        if (link := self._links.find(prefix + name)) is not None:
            return Place(slot, name, link)
        if (link := self._links.find(prefix)) is not None:
            return Place(slot, None, link)
        return None

    def below(self, index: int, node: UnixFS, links: Links, cid: CID) -> Shard:
        """The sub-shard at a place, from its own block; raises InvalidContent if it is none."""
        if node.type != unixfs.HAMT_SHARD or node.fanout != self.fanout:
            raise InvalidContent("unixfs", "not a shard of the directory above it", cid=str(cid))
        return Shard(node, links, cid, path=self._path << self.bits | index, level=self.level + 1)

    def _place(self, link: Link) -> Place:
        digits, name = link.name[: self._digits], link.name[self._digits :]
        index = _hex(digits) if len(digits) == self._digits else -1
        if not 0 <= index < self.fanout:
            raise self._bad(f"link {link.name!r} does not begin with its place")
        if (
            name
            and name_hash(name) >> (HASH_BITS - (self.level + 1) * self.bits)
            != self._path << self.bits | index
        ):
            raise self._bad(f"entry {name!r} is not where its hash belongs")
        return Place(index, name or None, link)

    def _bad(self, problem: str) -> InvalidContent:
        return InvalidContent("unixfs", problem, cid=str(self._cid))


def _hex(digits: str) -> int:
    """The number of upper-case hex digits, else -1: `int` alone would take signs, spaces and underscores."""
    return int(digits, 16) if all(digit in "0123456789ABCDEF" for digit in digits) else -1
