"""Cached content: read, kept, forgotten, warmed.

[cache.get] -> memory, at once
            -> memory or disk -> pieces
            -> one fetch from the ipfs actor for all who ask -> pieces as they arrive
            -> not_cached: the caller asks the ipfs actor itself (`redirect`)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from ....bus import CHUNK_BYTES, answers_at_once, handles
from ....schemas import cache, subjects
from ....schemas.cid import CID, RAW
from ....schemas.errors import BadRequest, BusError, InvalidContent, NotCached, NotFound, TooLarge
from ....schemas.ipfs import MAX_BLOCK_BYTES
from ..content.readers import span
from ..content.served import Served
from ..content.stats import TierStats
from .cids import canonical
from .sources import Sourcing

__all__ = ["ContentRows"]

WARM_AT_ONCE = 8
MAX_TOLD_FAILURES = 100


class ContentRows(Sourcing):
    """`cache.get`, `put`, `warm`, `invalidate`, `clear`, `policy` and `stats`."""

    @answers_at_once(subjects.CACHE_GET)
    def get_at_once(self, ask: cache.CacheGet) -> bytes | None:
        """A small file from memory, whole and without a head."""
        if ask.path or ask.offset or ask.length is not None:
            return None
        key = str(CID.parse(ask.cid))
        found = self.cache.find(key)
        if found is None or found.tier != "memory" or found.size_bytes > CHUNK_BYTES or self.doubts(key):
            return None
        self.count_read(key)
        return self.cache.get_at_once(key)

    @handles(subjects.CACHE_GET)
    async def get(self, ask: cache.CacheGet) -> AsyncIterator[cache.CachedHead | bytes]:
        """Raises NotCached with `redirect` for what would only pass through, else what `ipfs.cat` raises."""
        key, served = await self.served(ask)
        async with served:
            start, end = span(ask.offset, ask.length, served.size_bytes)
            tier = "miss" if served.tier == "source" else served.tier
            yield cache.CachedHead(
                cid=key, size_bytes=served.size_bytes, offset=start, length=end - start, cache=tier
            )
            async for piece in served:
                yield piece  # type: ignore[misc]  # a memoryview goes out as bytes do

    @handles(subjects.CACHE_PUT)
    async def put(self, ask: cache.CachePut, content: AsyncIterator[bytes]) -> cache.CacheKept:
        """Raises BadRequest for a CID that is not of a raw block, TooLarge for more than a block may have,
        InvalidContent for bytes that are not the CID's."""
        cid = CID.parse(ask.cid)
        if cid.codec != RAW:
            raise BadRequest("cid", f"only raw blocks can be checked here, and this is {cid.codec_name}")
        block = b""
        async for piece in content:
            block += piece
            if len(block) > MAX_BLOCK_BYTES:
                raise TooLarge("data", limit=MAX_BLOCK_BYTES)
        if not cid.matches(block):
            raise InvalidContent("data", "these are not the bytes that the CID names", cid=str(cid))
        await self.cache.put(str(cid), _one(block), len(block))
        found = self.cache.find(str(cid))
        return cache.CacheKept(
            cid=str(cid), size_bytes=len(block), tier=None if found is None else found.tier
        )

    @handles(subjects.CACHE_WARM)
    async def warm(self, ask: cache.CacheWarm) -> cache.CacheWarmed:
        """Says of each file what has come of it; raises nothing for one that cannot be had."""
        turns = asyncio.Semaphore(WARM_AT_ONCE)
        count = {"warmed": 0, "already_cached": 0, "too_large": 0, "warmed_bytes": 0}
        failed: dict[str, str] = {}

        async def warm_one(text: str) -> None:
            async with turns:
                try:
                    await self._warm(str(CID.parse(text)), count)
                except TooLarge:
                    count["too_large"] += 1
                except BusError as error:
                    if len(failed) < MAX_TOLD_FAILURES:
                        failed[text] = error.message

        async with asyncio.TaskGroup() as group:
            for cid in dict.fromkeys(ask.cids):
                group.create_task(warm_one(cid))
        return cache.CacheWarmed(**count, failed=failed)

    async def _warm(self, key: str, count: dict[str, int]) -> None:
        if self.cache.find(key) is not None:
            count["already_cached"] += 1
            return
        async with await self.cache.fetch_through(key, lambda: self.open_to_keep(key)) as served:
            async for _ in served:
                pass
        if self.cache.find(key) is None:
            raise TooLarge("cid", limit=served.size_bytes)
        count["warmed"] += 1
        count["warmed_bytes"] += served.size_bytes

    @handles(subjects.CACHE_INVALIDATE)
    async def invalidate(self, ask: cache.CacheInvalidate) -> cache.CacheInvalidated:
        keys = canonical(ask.cids)
        if ask.negative:
            self.cache.forget_missing(keys)
            return cache.CacheInvalidated(removed=0)
        removed = await self.forget(keys)
        await self._tell_bridges(keys)
        return cache.CacheInvalidated(removed=removed)

    @handles(subjects.CACHE_CLEAR)
    async def clear(self, ask: cache.CacheClear) -> cache.CacheInvalidated:
        before = self._entries()
        await self.cache.clear(ask.tier)
        if ask.tier != "disk":
            await self._tell_bridges([])
        return cache.CacheInvalidated(removed=max(0, before - self._entries()))

    async def _tell_bridges(self, keys: list[str]) -> None:
        for start in range(0, max(len(keys), 1), cache.MAX_CIDS):
            some = keys[start : start + cache.MAX_CIDS]
            await self.bus.publish(subjects.INVALIDATED, cache.CacheForgot(cids=some, at=self.now()))

    @handles(subjects.CACHE_POLICY)
    async def policy(self, ask: cache.PolicyRequest) -> cache.PolicyState:
        if ask.policy is not None:
            self.cache.set_policy(ask.policy)
        stats = self.cache.stats()
        return cache.PolicyState.model_validate(
            {
                "policy": stats.policy,
                "memory": {} if stats.memory is None else stats.memory.policy,
                "disk": {} if stats.disk is None else stats.disk.policy,
            }
        )

    @handles(subjects.CACHE_STATS)
    async def stats(self, ask: cache.CacheStatsRequest) -> cache.CacheStats:
        stats = self.cache.stats()
        hits = self.near_hits + sum(tier.hits for tier in (stats.memory, stats.disk) if tier is not None)
        misses = stats.fetches + stats.coalesced_readers + stats.passed_through + stats.negative_hits
        return cache.CacheStats.model_validate(
            {
                "policy": stats.policy,
                "hits": hits,
                "misses": misses,
                "hit_rate": hits / (hits + misses) if hits + misses else 0.0,
                "near": {"hits": self.near_hits},
                "memory": _tier(stats.memory) | {"promotions": stats.promotions},
                "disk": _tier(stats.disk)
                | {"demotions": stats.demotions, "dropped_demotions": stats.dropped_demotions},
                "fetches": {
                    "started": stats.fetches,
                    "running": stats.running_fetches,
                    "coalesced_readers": stats.coalesced_readers,
                    "passed_through": stats.passed_through,
                    "failed": stats.failed_fetches,
                    "memory_bytes": stats.fetch_memory_bytes,
                    "spool_bytes": stats.spool_bytes,
                },
                "negative": {"entries": stats.negative_entries, "hits": stats.negative_hits},
            }
        )

    def _entries(self) -> int:
        stats = self.cache.stats()
        return sum(tier.entries for tier in (stats.memory, stats.disk) if tier is not None)

    async def served(self, ask: cache.CacheGet) -> tuple[str, Served]:
        """The file's CID and its bytes on their way."""
        key = await self.place(ask)
        if self.doubts(key):
            await self.confirm(key)
        try:
            served = await self._through(key, ask)
        except NotFound:
            self.note_validity(key, valid=False)
            raise
        except NotCached:
            self.count_read(key)
            raise
        self.count_read(key)
        if served.tier == "source":
            self.note_validity(key, valid=True)
        return key, served

    async def _through(self, key: str, ask: cache.CacheGet) -> Served:
        whole = not ask.offset and ask.length is None
        if ask.redirect and self.would_pass(key, whole=whole):
            raise NotCached(key)
        opening = self.opener(key, redirect=ask.redirect)
        try:
            return await self.cache.fetch_through(key, opening, ask.offset, ask.length)
        except NotCached:
            # Whoever began the fetch asked to be redirected; this one may not have.
            if ask.redirect:
                raise
        opening = self.opener(key, redirect=False)
        return await self.cache.fetch_through(key, opening, ask.offset, ask.length)


def _tier(stats: TierStats | None) -> dict[str, Any]:
    """A tier's counts under their names on the wire; one that is off has room for nothing."""
    told = asdict(stats or TierStats())
    told["limit_bytes"], told["bad_entries"] = told.pop("capacity_bytes"), told.pop("bad")
    return told | {"hit_ratio": (stats or TierStats()).hit_ratio}


async def _one(block: bytes) -> AsyncIterator[bytes]:
    yield block
