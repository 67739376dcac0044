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
        """Damage is repaired where there is something to repair from: hot columns and keys from the runs,
        lost rows as far as the ipfs actor's pins tell of them. What was damaged in the cache is dropped, so
        that the next read fetches it again."""
        index = self._index
        self.settle()
        damaged = [] if index is None else await asyncio.to_thread(index.verify)
        if index is not None and any(each.lost_rows for each in damaged):
            running = [task for task in self._tasks if not task.done()]
            self._tasks = [*running, asyncio.create_task(self.learn_pins(index))]
        entries, bad = await self.cache.verify()
        return cache.IndexVerified(
            damaged=[asdict(each) for each in damaged], cache_entries=entries, bad_cache_entries=bad
        )
