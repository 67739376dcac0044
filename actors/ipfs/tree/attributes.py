"""Mode and time of an entry: fields of its root node, so that with them it has another CID, as in Kubo.

A file of one raw block has no node to put them in. It becomes a DAG-PB node that holds the bytes itself, and
plain again when they are taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ....schemas.cid import CID, HASHES, RAW
from ....schemas.ipfs import MAX_CHUNK_BYTES
from ....schemas.tree import seconds_and_nanoseconds
from ..blocks import BlockSink, BlockSource
from ..codecs import dagpb
from ..codecs.dagpb import Link
from ..unixfs import unixfs
from ..unixfs.importer import Node, import_bytes
from ..unixfs.profiles import Profile
from ..unixfs.reader import load, node_of
from ..unixfs.unixfs import UnixFS

__all__ = ["Attributes", "NO_ATTRIBUTES", "dag_size", "likely_dag_size", "put_node", "with_attributes"]


class Attributes(NamedTuple):
    """POSIX permission bits, and (seconds, nanoseconds) since 1970."""

    mode: int | None = None
    mtime: tuple[int, int] | None = None

    @staticmethod
    def of(node: UnixFS) -> Attributes:
        return Attributes(node.mode, node.mtime)

    @property
    def mtime_s(self) -> float | None:
        return None if self.mtime is None else self.mtime[0] + self.mtime[1] / 1e9

    def changed(self, mode: int | None, mtime_s: float | None) -> Attributes:
        """These, with what is given in place of what was."""
        mtime = self.mtime if mtime_s is None else seconds_and_nanoseconds(mtime_s)
        return Attributes(self.mode if mode is None else mode, mtime)


NO_ATTRIBUTES = Attributes()


async def with_attributes(
    source: BlockSource, sink: BlockSink, cid: CID, attributes: Attributes, profile: Profile
) -> Node:
    """Store the root of a file, directory or link anew with these attributes and no others.

    `source` must have what `sink` was given. Raises InvalidContent for a block that is none of them.
    """
    block = await load(source, cid)
    links: Sequence[Link]
    node, links = node_of(block, cid)
    if attributes == Attributes.of(node):
        return Node(cid, 0 if node.is_directory else node.size_bytes, dag_size(block, links))
    if attributes == NO_ATTRIBUTES and node.is_file and not links and len(node.data) <= profile.chunk_bytes:
        plain, ((plain_cid, plain_block),) = import_bytes(node.data, profile)
        await sink.put(plain_cid, plain_block)
        return plain
    if cid.codec == RAW:
        node, links = _wrapped(cid, block)
    node = replace(node, mode=attributes.mode, mtime=attributes.mtime)
    return await put_node(sink, node, links, cid, profile)


async def put_node(sink: BlockSink, node: UnixFS, links: Sequence[Link], like: CID, profile: Profile) -> Node:
    """Store a DAG-PB node, named by the same version and hash as another (a raw one: by the profile's)."""
    block = dagpb.encode(links, unixfs.encode(node))
    known = HASHES.get(like.hash_code)
    if like.codec == RAW or known is None or known[2] is None:
        cid = profile.node_cid(block)
    else:
        cid = CID.of(like.codec, block, version=like.version, hash_name=known[0])
    await sink.put(cid, block)
    return Node(cid, 0 if node.is_directory else node.size_bytes, dag_size(block, links))


def dag_size(block: bytes, links: Sequence[Link]) -> int:
    """The bytes at and below a block, as its links claim."""
    return len(block) + sum(link.size for link in links)


def likely_dag_size(block: bytes, claimed: int) -> int:
    """What was reckoned from what links claim, unless that cannot be: then from the block's own links."""
    return claimed if claimed >= len(block) else dag_size(block, dagpb.read(block)[0])


def _wrapped(cid: CID, block: bytes) -> tuple[UnixFS, Sequence[Link]]:
    """A raw leaf as a node: holding the bytes, or linking to them where it would be too large a block."""
    size = len(block)
    if size <= MAX_CHUNK_BYTES:
        return UnixFS(unixfs.FILE, block, size), []
    return UnixFS(unixfs.FILE, b"", size, [size]), [Link(cid, "", size)]
