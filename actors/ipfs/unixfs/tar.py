"""Trees out: a file or directory as one POSIX (pax) tar stream.

What a tar holds ends up on somebody's disk, so entries that could leave the directory they are unpacked in
are refused before a byte of them is sent. Symbolic links are kept as they are, wherever they point: refusing
those that leave the archive is the unpacking side's part, as with any tar.

The same CID gives the same bytes: owners are 0, times are the stored ones or 0, modes the stored permission
bits or 0644 and 0755.
"""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from ....schemas.cid import CID, DAG_PB, RAW
from ....schemas.errors import BadRequest, InvalidContent, NotAFile, NotSupported, TooLarge
from ..blocks import BlockSource
from ..codecs.dagpb import Link, Links
from . import unixfs
from .listing import links_below, links_of
from .names import is_safe_name
from .reader import File, load, node_of
from .unixfs import UnixFS

__all__ = ["tar_stream"]

MAX_ENTRIES = 1_000_000
MAX_DEPTH = 256
# From here on, a tree in which some directory stands twice is counted before it is sent any further.
COUNT_AFTER_ENTRIES = 5_000
BLOCK_BYTES = 512
OUT_BYTES = 256 * 1024
MAX_TIME = 1 << 33


class _Item(NamedTuple):
    """What one link leads to: a checked UnixFS node and its links."""

    cid: CID
    node: UnixFS
    links: Links


async def tar_stream(source: BlockSource, cid: CID, name: str) -> AsyncIterator[bytes]:
    """The archive of what `cid` is, as the single top entry `name`, in pieces of a few hundred KiB.

    Raises BadRequest(field="name") for a name that is no file name; InvalidContent naming the entry for a
    name in the content that is unsafe or stands twice, and for more than 256 levels; TooLarge past a million
    entries, soon after the start even if a small DAG has 2^40 paths; and what reading raises.
    """
    if not is_safe_name(name):
        raise BadRequest("name", f"{name!r} is not a file name")
    out = bytearray()
    async for piece in _Archive(source, cid).pieces(name):
        if len(piece) >= OUT_BYTES:
            if out:
                yield bytes(out)
                out.clear()
            yield piece
            continue
        out += piece
        if len(out) >= OUT_BYTES:
            yield bytes(out)
            out.clear()
    out += bytes(2 * BLOCK_BYTES)
    yield bytes(out)


class _Archive:
    """One walk over a tree, depth first, with a stack of open directories."""

    def __init__(self, source: BlockSource, root: CID) -> None:
        self._source, self._root = source, root
        self._entries = 0
        self._directories: set[CID] = set()
        self._check_at = COUNT_AFTER_ENTRIES
        self._held_links = 0

    async def pieces(self, name: str) -> AsyncIterator[bytes]:
        """Headers and contents, in order."""
        item = await _open(self._source, self._root)
        async for piece in self._entry(name, item):
            yield piece
        stack = [self._enter(name, item)] if item.node.is_directory else []
        while stack:
            path, directory, links = stack[-1]
            link = await anext(links, None)
            if link is None:
                stack.pop()
                self._held_links -= len(directory.links)
                continue
            _check_name(link.name, path, directory.cid)
            below = f"{path}/{link.name}"
            item = await _open(self._source, link.cid)
            await self._admit(item)
            async for piece in self._entry(below, item):
                yield piece
            if item.node.is_directory:
                if len(stack) >= MAX_DEPTH:
                    raise InvalidContent("unixfs", "nested too deep for an archive", limit=MAX_DEPTH)
                stack.append(self._enter(below, item))

    def _enter(self, path: str, item: _Item) -> tuple[str, _Item, AsyncIterator[Link]]:
        """A directory to go through. Sharded ones cannot hold a name twice, as every name has one place."""
        names = {link.name for link in item.links}
        if len(names) < len(item.links):
            raise InvalidContent("name", f"{path!r} has two entries of one name", cid=str(item.cid))
        if item.node.type == unixfs.DIRECTORY:
            for name in names:
                _check_name(name, path, item.cid)
        self._held_links += len(item.links)
        if self._held_links > MAX_ENTRIES:
            raise TooLarge("archive", limit=MAX_ENTRIES, unit="entries in one path's directories")
        return path, item, links_below(self._source, *item)

    async def _admit(self, item: _Item) -> None:
        """Count an entry. Paths multiply only where directories repeat, so only then are they counted ahead:
        a few directories can have more paths than could ever be sent."""
        self._entries += 1
        repeats = item.cid in self._directories
        if item.node.is_directory:
            self._directories.add(item.cid)
        too_many = self._entries > MAX_ENTRIES
        if repeats and self._entries > self._check_at:
            self._check_at = MAX_ENTRIES
            too_many = await _count_entries(self._source, self._root) > MAX_ENTRIES
        if too_many:
            raise TooLarge("archive", limit=MAX_ENTRIES, unit="entries")

    async def _entry(self, path: str, item: _Item) -> AsyncIterator[bytes]:
        yield _header(path, item.node)
        if not item.node.is_file:
            return
        async for piece in File(self._source, *item).read():
            yield piece
        padding = -item.node.size_bytes % BLOCK_BYTES
        if padding:
            yield bytes(padding)


def _check_name(name: str, path: str, directory: CID) -> None:
    if not is_safe_name(name):
        raise InvalidContent("name", f"{name!r} in {path!r} is not a file name", cid=str(directory))


class _Header(tarfile.TarInfo):
    """Directories have no slash at their ends, as Kubo writes them: its client takes a root with one for two
    names."""

    def get_info(self) -> Mapping[str, str | int | bytes | Mapping[str, str]]:
        return {**super().get_info(), "name": self.name}


def _header(path: str, node: UnixFS) -> bytes:
    info = _Header(path)
    if node.is_directory:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif node.type == unixfs.SYMLINK:
        info.type, info.mode, info.linkname = (
            tarfile.SYMTYPE,
            0o777,
            node.data.decode("utf-8", "surrogateescape"),
        )
    else:
        info.size = node.size_bytes
    if node.mode is not None:
        info.mode = node.mode & 0o777
    if node.mtime is not None and 0 <= node.mtime[0] < MAX_TIME:
        info.mtime = node.mtime[0]
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


async def _open(source: BlockSource, cid: CID) -> _Item:
    if cid.codec not in (RAW, DAG_PB):
        raise NotAFile(str(cid), f"{cid.codec_name} block")
    node, links = node_of(await load(source, cid), cid)
    if node.type == unixfs.METADATA:
        raise NotSupported(f"{cid} is a metadata node, not a file", field="cid")
    return _Item(cid, node, links)


async def _count_entries(source: BlockSource, root: CID) -> int:
    """How many entries lie below a directory, counted along every path but from each directory only once;
    any number over the limit once it is passed."""
    counts: dict[CID, int] = {}
    stack = [_Count(root, links_of(source, root))]
    while stack:
        top = stack[-1]
        link = await anext(top.links, None)
        if link is None:
            stack.pop()
            counts[top.cid] = top.entries
            if stack:
                stack[-1].entries += top.entries
            if top.entries > MAX_ENTRIES or len(stack) > MAX_DEPTH:
                return MAX_ENTRIES + 1
            continue
        top.entries += 1 + counts.get(link.cid, 0)
        if link.cid.codec == DAG_PB and link.cid not in counts:
            item = await _open(source, link.cid)
            if item.node.is_directory:
                stack.append(_Count(link.cid, links_below(source, *item)))
            else:
                counts[link.cid] = 0
    return counts[root]


class _Count:
    """A directory that is being counted."""

    def __init__(self, cid: CID, links: AsyncIterator[Link]) -> None:
        self.cid, self.links, self.entries = cid, links, 0
