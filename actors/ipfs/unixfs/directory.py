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

__all__ = [
    "build_directory", "build_symlink", "estimated_bytes", "estimated_data_bytes", "is_sharded",
    "store_shards",
]  # fmt: skip

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
        return await store_shards(links, sink, profile)
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


def is_sharded(links: Iterable[Link], profile: Profile, data: bytes = DIRECTORY_DATA) -> bool:
    """Whether the profile shards a directory of these links, whose node has this data."""
    estimated = sum(estimated_bytes(link, profile) for link in links)
    return estimated + estimated_data_bytes(data, profile) > profile.shard_above_bytes


def estimated_bytes(link: Link, profile: Profile) -> int:
    """What one entry adds to the size by which the profile shards a directory."""
    cid_bytes, name_bytes = len(bytes(link.cid)), len(link.name.encode("utf-8", "surrogateescape"))
    if profile.size_estimation == "links-bytes":
        return cid_bytes + name_bytes
    return link_size(cid_bytes, name_bytes, link.size)


def estimated_data_bytes(data: bytes, profile: Profile) -> int:
    """What the data of the directory's node adds to it."""
    return 0 if profile.size_estimation == "links-bytes" else 1 + varint_size(len(data)) + len(data)


async def store_shards(links: list[Link], sink: BlockSink, profile: Profile, *, level: int = 0) -> Node:
    """Store the shards of a directory, or of the part of one that is `level` shards below its root."""
    for count, shard in enumerate(build_shards(links, profile, level=level)):
        await sink.put(shard[0], shard[1])
        if count % SHARDS_PER_TURN == SHARDS_PER_TURN - 1:
            await asyncio.sleep(0)
    cid, _, size = shard
    return Node(cid, 0, size)
