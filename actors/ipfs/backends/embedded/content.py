"""Files and directories: added, read, listed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from .....bus import CHUNK_BYTES, answers_at_once, handles
from .....schemas import ipfs, subjects
from ...cid import CID
from ...unixfs.adding import Adding
from ...unixfs.listing import ls, stat
from ...unixfs.reader import open_file, small_file
from ...unixfs.tar import tar_stream
from .node import Node

__all__ = ["ContentRows"]


class ContentRows(Node):
    """`add`, `cat`, `get`, `ls` and `stat`."""

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        """Durable when answered. Raises as `Adding.run` does."""
        async with self._store.session() as session:
            added = await Adding(ask, session, self._executor).run(content)
        size_bytes, pinned = added.content_size_bytes, added.pinned
        if pinned:
            self._announcer.add(CID.parse(added.cid))
        await self.tell(
            subjects.ADDED,
            ipfs.ContentAdded(
                cid=added.cid, size_bytes=size_bytes, pinned=pinned, filename=added.filename, at=time.time()
            ),
        )
        return added

    @answers_at_once(subjects.CAT)
    def cat_at_once(self, ask: ipfs.CatRequest) -> bytes | None:
        """A small file asked for whole by its own CID goes out without a head: its bytes say it all."""
        if ask.path or ask.offset or ask.length is not None or ask.backend not in (None, self.name):
            return None
        content = small_file(self._source, CID.parse(ask.cid))
        return content if content is not None and len(content) <= CHUNK_BYTES else None

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        file = await open_file(self._source, await self.resolve(CID.parse(ask.cid), ask.path))
        start, count = file.span(ask.offset, ask.length)
        yield ipfs.FileHead(cid=str(file.cid), size_bytes=file.size_bytes, offset=start, length=count)
        async for piece in file.read(start, count):
            yield piece

    @handles(subjects.GET)
    async def get(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.TarHead | bytes]:
        """The archive has one top entry: the path's last name, or the CID."""
        cid = await self.resolve(CID.parse(ask.cid), ask.path)
        name = ask.path.strip("/").rpartition("/")[2] or str(cid)
        yield ipfs.TarHead(cid=str(cid), name=name)
        async for piece in tar_stream(self._source, cid, name):
            yield piece

    @handles(subjects.LS)
    async def ls(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.DirEntry]:
        async for entry in ls(self._source, await self.resolve(CID.parse(ask.cid), ask.path)):
            yield ipfs.DirEntry(
                name=entry.name, cid=str(entry.cid), type=entry.type, size_bytes=entry.size_bytes
            )

    @handles(subjects.STAT)
    async def stat(self, ask: ipfs.PathRequest) -> ipfs.Stat:
        return await stat(self._source, CID.parse(ask.cid), ask.path)
