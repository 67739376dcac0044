"""Directories in: one block of sorted links, or shards when the profile finds that too large."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ....schemas.errors import BadRequest
from ..blocks import BlockSink
from ..codecs import dagpb
from ..codecs.dagpb import Link, link_size, varint_size
from . import unixfs
from .hamt import build_shards
from .importer import Node
from .profiles import Profile
from .unixfs import UnixFS, symlink_block

__all__ = ["build_directory", "build_symlink"]

DIRECTORY_DATA = unixfs.encode(UnixFS(unixfs.DIRECTORY))
# The event loop gets a turn after this many shards: a directory of a million names is seconds of work.
SHARDS_PER_TURN = 64
MAX_TARGET_BYTES = 4096


async def build_directory(entries: Iterable[tuple[str, Node]], sink: BlockSink, profile: Profile) -> Node:
    """Store a directory of checked, distinct names; its `size_bytes` is 0, as directories have no content.

    Raises BadRequest(field="path") if a sharded directory cannot hold two of the names.
    """
    links = [Link(node.cid, name, node.dag_size_bytes) for name, node in entries]
    if is_sharded(links, profile):
        return await _store_shards(links, sink, profile)
    # Code points and UTF-8 bytes sort alike.
    links.sort(key=lambda link: link.name)
    block = dagpb.encode(links, DIRECTORY_DATA)
    cid = profile.node_cid(block)
    await sink.put(cid, block)
    return Node(cid, 0, len(block) + sum(link.size for link in links))


async def build_symlink(target: str | bytes, sink: BlockSink, profile: Profile) -> Node:
    """Store a symbolic link to a target, any path inside or outside; its `size_bytes` is the target's length.

    Raises BadRequest(field="target") if it is empty, holds a NUL or is over 4,096 bytes: no file system
    could make such a link.
    """
    target = target.encode() if isinstance(target, str) else target
    if not 0 < len(target) <= MAX_TARGET_BYTES or b"\0" in target:
        raise BadRequest("target", "not the target of a symbolic link", limit=MAX_TARGET_BYTES)
    block = symlink_block(target)
    cid = profile.node_cid(block)
    await sink.put(cid, block)
    return Node(cid, len(target), len(block))


def is_sharded(links: list[Link], profile: Profile) -> bool:
    """Whether the profile shards a directory of these links."""
    sizes = ((len(bytes(link.cid)), len(link.name.encode()), link.size) for link in links)
    if profile.size_estimation == "links-bytes":
        estimated = sum(cid + name for cid, name, _ in sizes)
    else:
        data = len(DIRECTORY_DATA)
        estimated = sum(link_size(*size) for size in sizes) + 1 + varint_size(data) + data
    return estimated > profile.shard_above_bytes


async def _store_shards(links: list[Link], sink: BlockSink, profile: Profile) -> Node:
    for count, shard in enumerate(build_shards(links, profile)):
        await sink.put(shard[0], shard[1])
        if count % SHARDS_PER_TURN == 0:
            await asyncio.sleep(0)
    cid, _, size = shard
    return Node(cid, 0, size)
