"""Every file of the cache and the index, read and checked."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from ....bus import handles
from ....schemas import cache, subjects
from .content import ContentRows

__all__ = ["VerifyRows"]


class VerifyRows(ContentRows):
    """`cache.verify`."""

    @handles(subjects.INDEX_VERIFY)
    async def verify(self, ask: cache.VerifyRequest) -> cache.IndexVerified:
        """Damage is repaired where there is something to repair from: the index's columns from its runs, and
        what was damaged in the cache is dropped, so that the next read fetches it again."""
        index = self._index
        self.settle()
        damaged = [] if index is None else await asyncio.to_thread(index.verify)
        entries, bad = await self.cache.verify()
        return cache.IndexVerified(
            damaged=[asdict(each) for each in damaged], cache_entries=entries, bad_cache_entries=bad
        )
