"""What differs between two trees: parts that have the same CID in both are not opened, shards included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal, NamedTuple

from ....schemas.cid import CID
from ....schemas.errors import NotFound, TooLarge
from ..codecs.dagpb import Link
from ..unixfs import unixfs
from ..unixfs.hamt import digits_of
from ..unixfs.listing import links_of, name_of
from .entries import Described, find
from .listing import MAX_DEPTH, describe_link
from .nodes import Nodes, Opened

__all__ = ["Change", "diff"]

PAIRS_PER_TURN = 64


class Change(NamedTuple):
    """One path that differs; a directory that is new or gone is one, whatever is in it."""

    path: str
    what: Literal["added", "removed", "changed"]
    before: Described | None
    after: Described | None


class Pair(NamedTuple):
    """The same name in two directories, as it stands in each; in one of them at least."""

    before: Link | None
    after: Link | None

    @property
    def name(self) -> str:
        link = self.before or self.after
        assert link is not None
        return name_of(link)


async def diff(nodes: Nodes, before: CID, after: CID, path: str = "/") -> AsyncGenerator[Change, None]:
    """What differs below a path of two trees, depth first.

    Raises NotFound("path") if neither has it, Conflict where it goes through a file, TooLarge past 512
    levels, and what the source raises.
    """
    old, new = await _at(nodes, before, path), await _at(nodes, after, path)
    if old is None and new is None:
        raise NotFound("path", path)
    first = _compare(path, old, new)
    if first is not None:
        yield first
    if old is None or new is None or not (old.is_directory and new.is_directory):
        return
    walks = [(path.rstrip("/"), _pairs(nodes, old.entry.cid, new.entry.cid))]
    turn = 0
    try:
        while walks:
            above, pairs = walks[-1]
            pair = await anext(pairs, None)
            if pair is None:
                await walks.pop()[1].aclose()
                continue
            turn += 1
            if turn % PAIRS_PER_TURN == 0:
                await asyncio.sleep(0)
            old, new = await _described(nodes, pair.before), await _described(nodes, pair.after)
            here = f"{above}/{pair.name}"
            change = _compare(here, old, new)
            if change is not None:
                yield change
            if old is not None and new is not None and old.is_directory and new.is_directory:
                if len(walks) == MAX_DEPTH:
                    raise TooLarge("path", limit=MAX_DEPTH, unit="directories deep")
                walks.append((here, _pairs(nodes, old.entry.cid, new.entry.cid)))
    finally:
        for _, pairs in walks:
            await pairs.aclose()


async def _described(nodes: Nodes, link: Link | None) -> Described | None:
    return None if link is None else await describe_link(nodes, link)


async def _at(nodes: Nodes, root: CID, path: str) -> Described | None:
    try:
        return (await find(nodes, root, path))[1]
    except NotFound as error:
        if error.details.get("what") != "path":
            raise
        return None


def _compare(path: str, old: Described | None, new: Described | None) -> Change | None:
    """How an entry differs by itself; two directories do by their mode and time alone."""
    if old is None or new is None:
        return Change(path, "added" if old is None else "removed", old, new)
    if old.entry.cid == new.entry.cid:
        return None
    if old.is_directory and new.is_directory and old.attributes == new.attributes:
        return None
    return Change(path, "changed", old, new)


# ---- two directories ------------------------------------------------------------------------------------


async def _pairs(nodes: Nodes, old_cid: CID, new_cid: CID) -> AsyncGenerator[Pair, None]:
    """The names that have not the same CID in both."""
    if old_cid == new_cid:
        return
    old, new = await nodes.open(old_cid), await nodes.open(new_cid)
    if old.node.type == new.node.type == unixfs.HAMT_SHARD and old.node.fanout == new.node.fanout:
        pairs = _pairs_of_shards(nodes, old, new)
    elif old.node.type == new.node.type == unixfs.DIRECTORY:
        pairs = _pairs_of_blocks(old, new)
    else:
        pairs = _pairs_by_name(nodes, old_cid, new_cid)
    async with aclosing(pairs):
        async for pair in pairs:
            yield pair


async def _pairs_of_blocks(old: Opened, new: Opened) -> AsyncGenerator[Pair, None]:
    before = {link.name: link for link in old.links}
    after = {link.name: link for link in new.links}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is None or now is None or was.cid != now.cid:
            yield Pair(was, now)


async def _pairs_by_name(nodes: Nodes, old: CID, new: CID) -> AsyncGenerator[Pair, None]:
    """Of directories in different forms, each entry is looked up in the other."""
    async for link in links_of(nodes, new):
        was = await nodes.find_link(old, link.name)
        if was is None or was.cid != link.cid:
            yield Pair(was, link)
    async for link in links_of(nodes, old):
        if await nodes.find_link(new, link.name) is None:
            yield Pair(link, None)


async def _pairs_of_shards(nodes: Nodes, old: Opened, new: Opened) -> AsyncGenerator[Pair, None]:
    """Two shards of one fanout, place by place. At most eight levels deep: a hash has 64 bits."""
    digits = digits_of(new.node.fanout or 0)
    before = {link.name[:digits]: link for link in old.links}
    after = {link.name[:digits]: link for link in new.links}
    for place in sorted(before.keys() | after.keys()):
        was, now = before.get(place), after.get(place)
        if was is not None and now is not None:
            if (was.cid, was.name) == (now.cid, now.name):
                continue
            if was.name == now.name == place:
                below = await nodes.open(was.cid), await nodes.open(now.cid)
                async for pair in _pairs_of_shards(nodes, *below):
                    yield pair
                continue
        async for pair in _pairs_of_places(nodes, was, now, digits):
            yield pair


async def _pairs_of_places(
    nodes: Nodes, was: Link | None, now: Link | None, digits: int
) -> AsyncGenerator[Pair, None]:
    """Two places of which one at most is a sub-shard: so one side has one entry, or none."""
    single_is_new = was is not None and len(was.name) == digits
    single, other = (now, was) if single_is_new else (was, now)
    alone = None if single is None else Link(single.cid, single.name[digits:], single.size)
    async for link in _entries_at(nodes, other, digits):
        match = alone if alone is not None and alone.name == link.name else None
        if match is not None:
            alone = None
        if match is None or match.cid != link.cid:
            yield Pair(link, match) if single_is_new else Pair(match, link)
    if alone is not None:
        yield Pair(None, alone) if single_is_new else Pair(alone, None)


async def _entries_at(nodes: Nodes, link: Link | None, digits: int) -> AsyncGenerator[Link, None]:
    if link is None:
        return
    if len(link.name) > digits:
        yield Link(link.cid, link.name[digits:], link.size)
        return
    opened = await nodes.open(link.cid)
    for below in opened.links:
        async for entry in _entries_at(nodes, below, digits):
            yield entry
