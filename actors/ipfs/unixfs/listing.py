"""Directories out: finding a path, listing entries, and saying what a CID is.

Directories are read one block at a time; nothing here loads a whole tree, and a sharded directory is checked
on the way so that a hostile one ends in InvalidContent and never in a walk without end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import NamedTuple

from ....schemas.cid import CID, DAG_PB, RAW
from ....schemas.errors import BadRequest, CorruptBlock, InvalidContent, NotFound, NotSupported, Unavailable
from ....schemas.ipfs import EntryType, Stat
from ..blocks import BlockSource
from ..codecs import dagpb
from ..codecs.dagpb import Link, Links
from . import unixfs
from .hamt import Place, Shard
from .reader import load
from .unixfs import UnixFS, decode_node

__all__ = ["Entry", "links_below", "links_of", "lookup", "ls", "name_of", "stat", "type_of"]


class Entry(NamedTuple):
    """One directory entry. `size_bytes` is a file's content, a link's target, or a directory's whole DAG;
    `dag_size_bytes` is the DAG of any of them, as its link claims."""

    name: str
    cid: CID
    type: EntryType
    size_bytes: int
    dag_size_bytes: int


async def ls(source: BlockSource, cid: CID, *, details: bool = True) -> AsyncIterator[Entry]:
    """The entries of a directory, in its own order, names as they are stored, with U+FFFD for what is not
    UTF-8 in them.

    With `details`, DAG-PB entries are opened for their type and size; one whose block cannot be had or read
    is listed as a file of the size its link claims. Raises BadRequest(field="cid") for what is no directory
    and InvalidContent for a broken one.
    """
    async for link in links_of(source, cid):
        yield await _describe(source, link, details)


async def links_of(source: BlockSource, cid: CID) -> AsyncGenerator[Link, None]:
    """A directory's entries as links, sharded or not; raises as `ls` does."""
    node, links = await _open(source, cid)
    if node is None or not node.is_directory:
        raise BadRequest("cid", f"{cid} is not a directory")
    async for link in links_below(source, cid, node, links):
        yield link


async def links_below(
    source: BlockSource, cid: CID, node: UnixFS, links: Links
) -> AsyncGenerator[Link, None]:
    """The entries of a directory whose root node has been read."""
    if node.type == unixfs.DIRECTORY:
        for link in links:
            yield link
        return
    shard = Shard(node, links, cid)
    walks: list[tuple[Shard, Iterator[Place]]] = [(shard, shard.places())]
    while walks:
        shard, places = walks[-1]
        place = next(places, None)
        if place is None:
            walks.pop()
        elif place.name is not None:
            yield Link(place.link.cid, place.name, place.link.size)
        else:
            below = await _shard_below(source, shard, place)
            walks.append((below, below.places()))


async def stat(source: BlockSource, cid: CID) -> Stat:
    """What a CID is: a file, directory or symbolic link, or else a plain block."""
    block = await load(source, cid)
    links = dagpb.decode(block, cid).links if cid.codec == DAG_PB else []
    node = _unixfs(block, cid)
    target = None
    if node is not None and node.type == unixfs.SYMLINK:
        target = node.data.decode("utf-8", "replace")
    return Stat(
        cid=str(cid),
        type="block" if node is None else type_of(node),
        size_bytes=node.size_bytes if node is not None and not node.is_directory else len(block),
        dag_size_bytes=len(block) + sum(link.size for link in links),
        links=len(links),
        codec=cid.codec_name,
        target=target,
    )


async def lookup(
    source: BlockSource, cid: CID, node: UnixFS, links: Links, name: str, path: str
) -> CID | None:
    """The entry of that name below a node that has been read, or None; of two with the same name the first.
    Raises NotSupported, naming the whole `path`, below a symbolic link."""
    if node.type == unixfs.SYMLINK:
        raise NotSupported(
            f"path: a symbolic link stands before {name!r} in {path!r} and is not followed", field="path"
        )
    if not node.is_directory:
        return None
    if node.type == unixfs.DIRECTORY:
        link = links.find(name)
        return None if link is None else link.cid
    shard = Shard(node, links, cid)
    while (place := shard.lookup(name)) is not None:
        if place.name is not None:
            return place.link.cid
        shard = await _shard_below(source, shard, place)
    return None


async def _shard_below(source: BlockSource, shard: Shard, place: Place) -> Shard:
    cid = place.link.cid
    node, links = await _open(source, cid)
    if node is None:
        raise InvalidContent("unixfs", "not a shard of the directory above it", cid=str(cid))
    return shard.below(place.slot, node, links, cid)


async def _open(source: BlockSource, cid: CID) -> tuple[UnixFS | None, Links]:
    """The checked UnixFS node of a DAG-PB block, or None for a block of another codec."""
    if cid.codec != DAG_PB:
        return None, Links()
    return decode_node(await load(source, cid), cid)


async def _describe(source: BlockSource, link: Link, details: bool) -> Entry:
    name = name_of(link)
    if details and link.cid.codec == DAG_PB:
        try:
            node = _unixfs(await load(source, link.cid), link.cid)
        except (NotFound, CorruptBlock, Unavailable):
            node = None
        if node is not None:
            size = link.size if node.is_directory else node.size_bytes
            return Entry(name, link.cid, type_of(node), size, link.size)
    return Entry(name, link.cid, "file", link.size, link.size)


def _unixfs(block: bytes, cid: CID) -> UnixFS | None:
    """The file, directory or link that a block is, or None if it is none that can be read."""
    if cid.codec == RAW:
        return UnixFS(unixfs.RAW, block, len(block))
    if cid.codec != DAG_PB:
        return None
    try:
        node, _ = decode_node(block, cid)
    except InvalidContent:
        return None
    return None if node.type == unixfs.METADATA else node


def name_of(link: Link) -> str:
    """The name of an entry, with U+FFFD for what is not UTF-8 in it."""
    return link.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def type_of(node: UnixFS) -> EntryType:
    if node.is_directory:
        return "directory"
    return "symlink" if node.type == unixfs.SYMLINK else "file"
