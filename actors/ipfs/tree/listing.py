"""The entries below a path, depth first, one directory of each level open at a time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from cachetools import LRUCache

from ....schemas.cid import CID
from ....schemas.errors import CorruptBlock, InvalidContent, NotFound, NotSupported, TooLarge, Unavailable
from ....schemas.ipfs import EntryType
from ..codecs.dagpb import Link
from ..unixfs.listing import links_of, name_of
from .entries import Described, Entry, describe
from .nodes import Nodes
from .pattern import Pattern, States

__all__ = ["MAX_DEPTH", "describe_link", "entries_below"]

# Deeper than any path can be said; a tree may be, since directories can be moved into each other.
MAX_DEPTH = 512
ENTRIES_PER_TURN = 64
# Directories that hold no match are gone through once, as long as they are remembered.
MAX_REMEMBERED = 50_000


@dataclass(slots=True)
class _Open:
    """A directory that is being listed, and whether anything below it has matched so far."""

    cid: CID
    path: str
    links: AsyncGenerator[Link, None]
    states: States
    fruitful: bool = False


class _Fruitless:
    """Directories that have been gone through in vain, with the pattern matched so far and how many levels
    deep that was: what a tree holds many times need not be searched as often."""

    def __init__(self) -> None:
        self._levels: LRUCache[tuple[CID, States], float] = LRUCache(MAX_REMEMBERED)

    def add(self, cid: CID, states: States, levels: float) -> None:
        self._levels[cid, states] = max(levels, self._levels.get((cid, states), 0))

    def covers(self, cid: CID, states: States, levels: float) -> bool:
        return levels <= self._levels.get((cid, states), 0)


async def entries_below(
    nodes: Nodes,
    top: CID,
    path: str,
    *,
    glob: str | None = None,
    kind: EntryType | None = None,
    max_depth: int | None = None,
    details_from: Nodes | None = None,
) -> AsyncGenerator[tuple[str, Described], None]:
    """The entries below a directory that stands at a path, with their own paths; those that `glob` matches,
    of one `kind`, and no deeper than `max_depth` (1: the directory's own).

    What they are is asked of `details_from` (by default `nodes`); what it cannot tell is told as a file of
    the size that its link claims. Raises InvalidContent for a broken directory, TooLarge past 512 levels.
    A directory without a match is gone through once, however often the tree repeats it.
    """
    pattern = Pattern("**" if glob is None else glob)
    levels = math.inf if max_depth is None else max_depth

    def opened(cid: CID, at: str, states: States) -> _Open:
        return _Open(cid, at, _links(nodes, cid, pattern.only_names(states)), states)

    stack = [opened(top, path.rstrip("/"), pattern.start)]
    fruitless = _Fruitless()
    turn = 0
    try:
        while stack:
            here = stack[-1]
            link = None if max_depth == 0 else await anext(here.links, None)
            if link is None:
                await stack.pop().links.aclose()
                if not here.fruitful:
                    fruitless.add(here.cid, here.states, levels - len(stack))
                elif stack:
                    stack[-1].fruitful = True
                continue
            turn += 1
            if turn % ENTRIES_PER_TURN == 0:
                await asyncio.sleep(0)
            name = name_of(link)
            states = pattern.step(here.states, name)
            if not states:
                continue
            found = await describe_link(details_from or nodes, link)
            below = f"{here.path}/{name}"
            if pattern.accepts(states) and kind in (None, found.type):
                here.fruitful = True
                yield below, found
            if not found.is_directory or fruitless.covers(link.cid, states, levels - len(stack)):
                continue
            if len(stack) < levels:
                if len(stack) == MAX_DEPTH:
                    raise TooLarge("path", limit=MAX_DEPTH, unit="directories deep")
                stack.append(opened(link.cid, below, states))
    finally:
        for each in stack:
            await each.links.aclose()


async def _links(nodes: Nodes, cid: CID, names: list[str] | None) -> AsyncGenerator[Link, None]:
    """The entries of a directory, or those of these names alone, which are looked up."""
    if names is None:
        async with aclosing(links_of(nodes, cid)) as links:
            async for link in links:
                yield link
        return
    for name in names:
        found = await nodes.find_link(cid, name)
        if found is not None:
            yield found


async def describe_link(nodes: Nodes, link: Link) -> Described:
    """What a directory's entry is; a file of the size that its link claims, if that cannot be found out."""
    try:
        return await describe(nodes, link.cid, link.size)
    except (NotFound, CorruptBlock, Unavailable, InvalidContent, NotSupported):
        return Described.file(Entry(link.cid, link.size), link.size)
