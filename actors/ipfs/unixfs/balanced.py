"""The balanced DAG of a file: parts that come in order are tied together, all leaves equally deep.

A part of height 0 is a leaf, one of height h a node whose `max_links` children have height h - 1. Whole parts
may come at any height, so a file that is like another for a while shares its nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ....schemas.cid import CID
from ..codecs import dagpb
from ..codecs.dagpb import Link
from . import unixfs
from .profiles import Profile
from .unixfs import UnixFS

__all__ = ["BalancedDag", "Node", "link_parts"]

Block = tuple[CID, bytes]


class Node(NamedTuple):
    """A stored root: `size_bytes` of content, and `dag_size_bytes` of blocks at and below it (Tsize)."""

    cid: CID
    size_bytes: int
    dag_size_bytes: int


class BalancedDag:
    """The open nodes of one file, from the leaves up to its end so far.

    `_levels[n]` has the children of the open node n levels above the leaves; a level that is full becomes
    one child of the level above it.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._levels: list[list[Node]] = [[]]

    @property
    def is_empty(self) -> bool:
        return not any(self._levels)

    @property
    def root(self) -> Node:
        """The root of what is finished."""
        return self._levels[-1][0]

    def takes(self, height: int) -> bool:
        """Whether a part of that height may come next: no node below it is open."""
        return not any(self._levels[:height])

    def add(self, part: Node, height: int = 0) -> Iterator[Block]:
        """Take the next part; gives the nodes that it completes, to be stored.

        A part that is not full must be the last.
        """
        self._push(part, height)
        while len(self._levels[height]) == self._profile.max_links:
            yield self._close(height)
            height += 1

    def finish(self) -> Iterator[Block]:
        """The nodes that were still open, up to the root."""
        level = 0
        while level < len(self._levels) - 1 or len(self._levels[level]) > 1:
            if self._levels[level]:
                yield self._close(level)
            level += 1

    def _push(self, part: Node, height: int) -> None:
        while len(self._levels) <= height:
            self._levels.append([])
        self._levels[height].append(part)

    def _close(self, level: int) -> Block:
        node, block = link_parts(self._levels[level], self._profile)
        self._levels[level] = []
        self._push(node, level + 1)
        return node.cid, block


def link_parts(parts: list[Node], profile: Profile) -> tuple[Node, bytes]:
    """The node over some parts, and its block."""
    size = sum(part.size_bytes for part in parts)
    data = unixfs.encode(UnixFS(unixfs.FILE, b"", size, [part.size_bytes for part in parts]))
    block = dagpb.encode((Link(part.cid, "", part.dag_size_bytes) for part in parts), data)
    dag_size = len(block) + sum(part.dag_size_bytes for part in parts)
    return Node(profile.node_cid(block), size, dag_size), block
