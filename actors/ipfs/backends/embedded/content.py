"""Files and directories: added, read, listed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import ipfs, subjects
from .....schemas.cid import CID
from ...unixfs.adding import Adding
from ..reading import ContentReads
from .node import Node

__all__ = ["ContentRows"]


class ContentRows(ContentReads, Node):
    """`add`, and what is read."""

    @handles(subjects.ADD)
    async def add(self, ask: ipfs.AddRequest, content: AsyncIterator[bytes]) -> ipfs.Added:
        """Durable when answered, unless only the hash is wanted. Raises as `Adding.run` does."""
        async with self._store.session() as session:
            added = await Adding(ask, session, self._executor).run(content)
        if ask.only_hash:
            return added
        size_bytes, pinned = added.content_size_bytes, added.pinned
        if pinned:
            self._announcer.add(CID.parse(added.cid))
        await self.tell(
            subjects.ADDED,
            ipfs.ContentAdded(
                cid=added.cid, size_bytes=size_bytes, pinned=pinned, filename=added.filename, at=self.now()
            ),
        )
        return added
