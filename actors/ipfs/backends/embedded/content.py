"""Files and directories: added, read, listed."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .....bus import handles
from .....schemas import ipfs, subjects
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
        await self.tell_added(
            added.cid, added.content_size_bytes, pinned=added.pinned, filename=added.filename
        )
        return added
