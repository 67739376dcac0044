"""The content cache of one node: a memory tier over a disk tier, and shared fetches of what neither has."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Final, Self

from ....schemas.errors import BadRequest, CorruptBlock, NotFound
from .arriving import Arrivals, Arriving, Buffered, Spooled
from .demotions import Demotions
from .disk import DiskTier, DiskValue
from .fetches import Fetches
from .memory import Evicted, MemoryTier
from .negatives import Negatives
from .options import MIB, CacheOptions
from .policies import make_policy
from .readers import span
from .sealed import Damaged
from .served import Found, Served, Tier, pieces_of
from .source import PIECE_BYTES, Chunk, OpenSource, Source
from .stats import CacheStats

__all__ = ["CacheOptions", "ContentCache", "Found", "Served", "Source"]

# A range is no reason to load a whole object that is this many times larger, unless that is small.
RANGE_SHARE: Final = 4

OnMove = Callable[[str, Tier | None], None]
_log = logging.getLogger(__name__)


class ContentCache:
    """Content by key, the text of a CID in its canonical form; used on one event loop.

    Fetched content goes to memory, or to disk if it is large; what memory evicts goes to disk, and what is
    hot there comes back. What no tier could hold passes through. `on_move(key, tier)` hears where content is
    after each move, None for nowhere.
    """

    @classmethod
    async def open(
        cls,
        folder: Path,
        options: CacheOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_move: OnMove = lambda key, tier: None,
    ) -> Self:
        """Open the cache of a folder, with what an earlier process left on disk.

        Raises Conflict if another process uses the folder, BadRequest for an unknown policy.
        """
        options = options or CacheOptions()
        make_policy(options.policy, 0, 0)
        self = cls(options, clock, on_move)
        if options.disk_bytes > 0:
            self._disk = await DiskTier.open(folder, options.disk_bytes, options.policy, self._left_disk)
            self._demotions = Demotions(self._disk, self._demoted)
        self._arrivals = Arrivals(
            buffer_bytes=min(max(MIB, options.memory_bytes // 8), options.fetch_memory_bytes // 2),
            memory_bytes=options.fetch_memory_bytes,
            spool_bytes=options.disk_bytes if options.spool_bytes is None else options.spool_bytes,
            disk=self._disk,
        )
        self._fetches = Fetches(self._arrivals, self._keep)
        return self

    def __init__(self, options: CacheOptions, clock: Callable[[], float], on_move: OnMove) -> None:
        self.options = options
        self._on_move = on_move
        self._policy = options.policy
        self._memory = MemoryTier(options.memory_bytes, options.policy) if options.memory_bytes > 0 else None
        self._disk: DiskTier | None = None
        self._demotions: Demotions | None = None
        self._negatives = Negatives(life_s=options.negative_life_s, limit=options.negative_limit, clock=clock)
        self._negative_hits = self._promotions = 0
        self._is_closed = False
        self._promoting: dict[str, int] = {}
        self._arrivals: Arrivals
        self._fetches: Fetches

    async def close(self) -> None:
        """End fetches, save to disk what memory holds, and let go of the folder; any number of times."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._fetches.close()
        if self._disk is not None:
            await self._save_memory()
            await self._disk.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # Reading

    def find(self, key: str) -> Found | None:
        """Where content is now; counts nothing."""
        data = self._peek(key)
        if data is not None:
            return Found("memory", len(data))
        size_bytes = None if self._disk is None else self._disk.size_of(key)
        return None if size_bytes is None else Found("disk", size_bytes)

    def tier_for(self, size_bytes: int) -> Tier | None:
        """Which tier would take fetched content of this size, None if it would pass through."""
        if self._memory is not None and self._memory.holds(size_bytes):
            return "memory"
        return "disk" if self._disk is not None and self._disk.holds(size_bytes) else None

    def keys(self) -> set[str]:
        """Everything that is cached, or on its way."""
        return {
            *self._fetches.keys(),
            *(() if self._memory is None else self._memory.keys()),
            *(() if self._demotions is None else self._demotions.keys()),
            *(() if self._disk is None else self._disk.keys()),
        }

    def get_at_once(self, key: str) -> bytes | None:
        """Whole content that is in memory: the hot path. None is not counted: another way is tried next."""
        data = None if self._memory is None else self._memory.get(key)
        if data is None and self._demotions is not None:
            return self._demotions.get(key)
        return data

    def heard(self, key: str, times: int) -> None:
        """Content was read so often elsewhere: the policy should know, and no hit is counted."""
        if self._memory is not None:
            self._memory.heard(key, times)

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[Chunk]:
        """Content, or a range of it, in pieces of at most 512 KiB.

        Raises NotFound if no tier holds it, UnsatisfiableRange if it begins outside, and CorruptBlock,
        perhaps after some pieces, if it is damaged on disk; all pieces given are right.
        """
        served = await self._serve(key, offset, length, None)
        if served is None:
            raise NotFound("content", key)
        async with served:
            async for piece in served:
                yield piece

    async def fetch_through(
        self, key: str, open_source: OpenSource, offset: int = 0, length: int | None = None
    ) -> Served:
        """Content, or a range of it, from a tier or else from a source, whose content is then kept.

        Who asks at the same time shares one source. Content that turns out to be damaged on disk goes on
        from the source. Raises what `open_source` raises, at once for a while after a NotFound; a source that
        fails, or is longer or shorter than it said, ends the pieces with an error.
        """
        served = await self._serve(key, offset, length, open_source)
        if served is None and self.find(key) is not None:  # It came while the disk was asked.
            served = await self._serve(key, offset, length, open_source)
        if served is not None:
            return served
        if key in self._negatives:
            self._negative_hits += 1
            raise NotFound("content", key)
        try:
            reader = await self._fetches.join(key, open_source, offset, length)
        except NotFound:
            self._negatives.add(key)
            raise
        return Served(reader.size_bytes, "source", reader)

    # Changing

    async def put(self, key: str, chunks: AsyncIterator[Chunk], size_bytes: int) -> bool:
        """Offer content; whether the cache has it afterwards.

        Raises what the iterator raises, and Unavailable if it gives another number of bytes; nothing is kept
        then.
        """
        source = Source(size_bytes, chunks)
        try:
            if self.find(key) is None:
                await self._fetches.store(key, source)
        finally:
            await source.aclose()
        return self.find(key) is not None

    def invalidate(self, keys: Iterable[str]) -> int:
        """Forget content and negative entries; how many keys had content. Running reads go on."""
        count = 0
        for key in keys:
            had = self.find(key) is not None
            self._negatives.discard(key)
            self._fetches.forget(key)
            if self._memory is not None:
                self._memory.remove(key)
            if self._demotions is not None:
                self._demotions.remove(key)
            on_disk = self._disk is not None and self._disk.remove(key)
            count += had
            if had and not on_disk:  # The disk tells it by itself.
                self._moved(key, None)
        return count

    def forget_missing(self, keys: Iterable[str]) -> None:
        """These may be there now: ask the source again."""
        for key in keys:
            self._negatives.discard(key)

    async def verify(self) -> tuple[int, int]:
        """Read and check everything on disk; how many entries there were, and how many were bad and are
        dropped. What is in memory was checked when it came."""
        if self._disk is None:
            return len(self.keys()), 0
        before, entries, on_disk = self._disk.stats.bad, len(self.keys()), self._disk.keys()
        for key in on_disk:
            value = await self._disk.peek(key)
            at = 0
            while value is not None and at < value.size_bytes:
                try:
                    at += len(await value.read(at, min(PIECE_BYTES, value.size_bytes - at)))
                except Damaged:
                    break
        return entries, self._disk.stats.bad - before

    async def clear(self, tier: Tier | None = None) -> None:
        """Empty one tier, or all of them and the negative entries; raises BadRequest(field="tier")."""
        if tier not in ("memory", "disk", None):
            raise BadRequest("tier", f"{tier!r} is neither memory nor disk")
        if tier != "disk":
            keys = [] if self._memory is None else self._memory.clear()
            keys += [] if self._demotions is None else self._demotions.clear()
            for key in keys:
                found = self.find(key)
                self._moved(key, found.tier if found else None)
        if tier != "memory" and self._disk is not None:
            await self._disk.clear()
        if tier is None:
            self._negatives.clear()

    def policy(self) -> str:
        """The policy in use."""
        return self._policy

    def set_policy(self, name: str) -> None:
        """Go on under another policy, with what the tiers hold; raises BadRequest(field="policy")."""
        make_policy(name, 0, 0)
        self._policy = name
        if self._memory is not None:
            for evicted in self._memory.set_policy(name):
                self._leave_memory(evicted)
        if self._disk is not None:
            self._disk.set_policy(name)

    async def tend(self) -> None:
        """Write down what a restart after a crash should know; to be called now and then."""
        if self._disk is not None:
            await self._disk.save_heats()

    async def settled(self) -> None:
        """Wait until what has arrived is kept, and what memory let go is on disk."""
        await self._fetches.kept()
        if self._demotions is not None:
            await self._demotions.settled()

    def stats(self) -> CacheStats:
        """What was counted since the cache was opened, and what it holds now."""
        fetches, demotions = self._fetches, self._demotions
        return CacheStats(
            policy=self._policy,
            memory=None if self._memory is None else self._memory.report(),
            disk=None if self._disk is None else self._disk.report(),
            promotions=self._promotions,
            demotions=0 if demotions is None else demotions.written,
            dropped_demotions=0 if demotions is None else demotions.dropped,
            fetches=fetches.started,
            running_fetches=len(fetches),
            coalesced_readers=fetches.coalesced_readers,
            passed_through=fetches.passed_through,
            failed_fetches=fetches.failed,
            negative_hits=self._negative_hits,
            negative_entries=len(self._negatives),
            fetch_memory_bytes=self._arrivals.memory_used,
            spool_bytes=self._arrivals.spool_used,
        )

    # Between the tiers

    def _peek(self, key: str) -> bytes | None:
        data = None if self._memory is None else self._memory.peek(key)
        return self._demotions.get(key) if data is None and self._demotions is not None else data

    async def _serve(
        self, key: str, offset: int, length: int | None, open_source: OpenSource | None
    ) -> Served | None:
        data = self.get_at_once(key)
        if data is not None:
            return Served(len(data), "memory", pieces_of(data, *span(offset, length, len(data))))
        if self._memory is not None:
            self._memory.stats.misses += 1
        value = None if self._disk is None else await self._disk.get(key)
        if value is None:
            return None
        start, end = span(offset, length, value.size_bytes)
        data = await self._promoted(key, value, end - start)
        pieces = pieces_of(data, start, end) if data is not None else None
        return Served(
            value.size_bytes, "disk", pieces or self._from_disk(key, value, start, end, open_source)
        )

    async def _from_disk(
        self, key: str, value: DiskValue, start: int, end: int, open_source: OpenSource | None
    ) -> AsyncGenerator[Chunk, None]:
        while start < end:
            try:
                piece = await value.read(start, min(PIECE_BYTES, end - start))
            except Damaged:
                break
            yield piece
            start += len(piece)
        else:
            return
        if open_source is None:
            raise CorruptBlock(key)
        async with await self.fetch_through(key, open_source, start, end - start) as rest:
            async for piece in rest:
                yield piece

    async def _promoted(self, key: str, value: DiskValue, wanted_bytes: int) -> bytes | None:
        """The whole content, once it is in memory; None if it is read from disk instead."""
        memory, size_bytes = self._memory, value.size_bytes
        if memory is None or not memory.holds(size_bytes) or key in self._promoting:
            return None
        if size_bytes > max(MIB, RANGE_SHARE * wanted_bytes):
            return None
        if sum(self._promoting.values()) + size_bytes > self.options.fetch_memory_bytes:
            return None
        if not memory.wants(key, size_bytes):
            memory.stats.refused += 1
            return None
        self._promoting[key] = size_bytes
        try:
            data = bytes(await value.read(0, size_bytes))
        except Damaged:
            return None  # Whoever reads it piece by piece learns where.
        finally:
            del self._promoting[key]
        if self._disk is not None and key in self._disk:  # It was not forgotten meanwhile.
            self._into_memory(key, data)
            memory.stats.arrivals += key in memory
            self._promotions += key in memory
        return data

    async def _keep(self, key: str, arrived: Arriving) -> None:
        self._negatives.discard(key)
        if (
            isinstance(arrived, Buffered)
            and self._memory is not None
            and self._memory.holds(arrived.size_bytes)
        ):
            self._into_memory(key, arrived.whole())
        elif self._disk is not None and self._disk.holds(arrived.size_bytes):
            assert isinstance(arrived, Buffered | Spooled)
            whole = arrived.whole() if isinstance(arrived, Buffered) else arrived.spool
            if await self._disk.put(key, whole):
                self._moved(key, "disk")

    def _memory_holds(self, size_bytes: int) -> bool:
        return self._memory is not None and self._memory.holds(size_bytes)

    def _into_memory(self, key: str, data: bytes) -> None:
        assert self._memory is not None
        evicted = self._memory.put(key, data)
        if key in self._memory:
            self._moved(key, "memory")
        for each in evicted:
            self._leave_memory(each)

    def _leave_memory(self, evicted: Evicted) -> None:
        if self._disk is not None and evicted.key in self._disk:
            self._moved(evicted.key, "disk")
        elif self._demotions is None or not self._demotions.offer(evicted):
            self._moved(evicted.key, None)

    def _demoted(self, key: str, kept: bool) -> None:
        if self._disk is not None:
            self._disk.stats.arrivals += kept
        if self._memory is None or key not in self._memory:
            self._moved(key, "disk" if kept else None)

    def _left_disk(self, key: str) -> None:
        if self._peek(key) is None:
            self._moved(key, None)

    def _moved(self, key: str, tier: Tier | None) -> None:
        try:
            self._on_move(key, tier)
        except Exception:
            _log.exception("the index did not take that %s is now in %s", key, tier)

    async def _save_memory(self) -> None:
        """Put what memory holds on disk, the hottest first, so that the next start is warm."""
        assert self._demotions is not None
        await self._demotions.settled()
        if self._memory is None or self._disk is None:
            return
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.options.close_s
        waiting = [evicted for evicted in self._memory.hottest() if evicted.key not in self._disk]
        for first in range(0, len(waiting), 32):
            if loop.time() >= ends:
                _log.info("closing the cache left %d entries of memory unsaved", len(waiting) - first)
                return
            await asyncio.gather(*(self._disk.put(key, data) for key, data in waiting[first : first + 32]))
