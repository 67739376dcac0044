"""Files and directories by way of Kubo's own importer and reader.

Paths are followed here, block by block, so that what is wrong with one is told as everywhere else; the bytes
themselves come from Kubo's `cat` and `get`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID
from .....schemas.errors import NotSupported
from ...unixfs.reader import load, node_of, open_file
from ..reading import ContentReads
from .adding import KuboAdding
from .daemon import Daemon

__all__ = ["ContentRows"]


class ContentRows(ContentReads, Daemon):
    """`add`, `cat` and `get`; `ls` and `stat` as the engine tells them from the daemon's blocks."""

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        """Kubo cuts the content by the profile's parameters; directories are sharded by its own rules."""
        if ask.keep is not None:
            raise NotSupported("keep: Kubo has no named roots; pin instead", field="keep")
        added = await KuboAdding(ask, self._rpc).run(content)
        if not ask.only_hash:
            told = ipfs.ContentAdded(
                cid=added.cid, size_bytes=added.content_size_bytes, pinned=added.pinned,
                filename=added.filename, at=self.now(),
            )  # fmt: skip
            await self.tell(subjects.ADDED, told)
        return added

    @handles(subjects.CAT)
    async def cat(self, ask: ipfs.CatRequest) -> AsyncIterator[ipfs.FileHead | bytes]:
        """The root block says how long the file is, and is all there is of a small one."""
        file = await open_file(self._source, await self.resolve(CID.parse(ask.cid), ask.path))
        start, count = file.span(ask.offset, ask.length)
        yield ipfs.FileHead(cid=str(file.cid), size_bytes=file.size_bytes, offset=start, length=count)
        if not count:
            return
        pieces = (
            file.read(start, count)
            if file.is_one_block
            else self._rpc.read("cat", f"/ipfs/{file.cid}", offset=start, length=count)
        )
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    @handles(subjects.GET)
    async def get(self, ask: ipfs.PathRequest) -> AsyncIterator[ipfs.TarHead | bytes]:
        """Kubo's own archive, whose top entry has the path's last name, or the CID."""
        root = CID.parse(ask.cid)
        cid = await self.resolve(root, ask.path)
        node_of(await load(self._source, cid), cid)
        path = f"/ipfs/{root}/{ask.path.strip('/')}".rstrip("/")
        yield ipfs.TarHead(cid=str(cid), name=path.rpartition("/")[2])
        async with aclosing(self._rpc.read("get", path, archive=True)) as pieces:
            async for piece in pieces:
                yield piece
