"""Where the bridge has the bytes of files from: its own memory, the cache actor, or the ipfs actor.

    [cat] -> near memory -> cache.get -> ipfs.cat

Near memory holds small files that were read lately, so that a hot one costs no message at all. Nothing in it
can be out of date, because a CID names its bytes for good; it may only be gone, and events tell of that: what
was removed, invalidated or perhaps collected is forgotten, and so is everything after a lost connection. The
cache actor is told in batches what was read here, since heat is its business. Whatever is wrong with the
cache is never wrong with the answer: the ipfs actor is asked then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from cachetools import LRUCache, TTLCache

from ..bus import CHUNK_BYTES, Bus, IncomingStream, answered_by_simulation
from ..schemas.cache import MAX_CIDS, Access, CachedHead, CacheForgot, CacheGet, CacheTouch
from ..schemas.cid import CID
from ..schemas.errors import BusError, Busy, DeadlineExceeded, Internal, NotCached, Unavailable
from ..schemas.ipfs import BlockGone, CatRequest, FileHead
from ..schemas.spans import span_of
from ..schemas.subjects import CACHE_GET, CACHE_TOUCH, CAT, COLLECTED, INVALIDATED, REMOVED

__all__ = ["Contents"]

log = logging.getLogger(__name__)

# What an entry costs beside its bytes: key, list links, objects.
ENTRY_BYTES = 400
TELL_EVERY_S = 1.0
# How long the cache actor is not asked after it could not be reached, or let somebody wait in vain.
TRY_AGAIN_S = 1.0
AWAY_S: dict[type[BusError], float] = {Unavailable: TRY_AGAIN_S, DeadlineExceeded: 60.0}
# Whoever reads a file in parts asks for many: for so long the next ones go past the cache as the first one
# has, and all of them count as one read.
PASSING_FILES, PASSING_S = 4096, 2.0
# What says that something is wrong with the cache, and not with what was asked for.
NOT_FOR_THE_CALLER = (NotCached, Unavailable, Internal, Busy, DeadlineExceeded)


class Contents:
    """The way by which `ipfs.cat` is opened on one bus."""

    def __init__(self, bus: Bus, near_bytes: int) -> None:
        self._bus = bus
        self._near: LRUCache[str, tuple[str, bytes]] = LRUCache(near_bytes, lambda e: len(e[1]) + ENTRY_BYTES)
        self._passing: TTLCache[tuple[str, str], None] = TTLCache(PASSING_FILES, PASSING_S)
        self._reads: dict[str, int] = {}
        self._epoch: object = None
        self._cache_is_down_until = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._hits = self._misses = self._forgotten = 0
        bus.divert(CAT, self.open)

    async def open(self, ask: CatRequest, timeout_s: float | None = None) -> IncomingStream[FileHead]:
        """The file, or the asked range of it; a small one may come whole and without a head.

        Raises what `ipfs.cat` raises.
        """
        if ask.backend is not None:
            return await self._bus.open_straight(CAT, ask, timeout_s=timeout_s)
        key = f"{ask.cid}/{ask.path}" if ask.path else ask.cid
        held = self._near.get(key)
        if held is not None and self._is_current():
            return self._near_by(ask, *held)
        self._misses += 1
        self._listening()  # so that events are heard by the time there is something to keep
        forgotten = self._forgotten
        stream = await self._from_actors(ask, timeout_s)
        if forgotten == self._forgotten:  # else it may be just this that is gone since
            self._keep(key, ask, stream)
        return stream

    def stats(self) -> dict[str, int]:
        """What near memory holds, and how often it had what was asked for."""
        return {
            "entries": len(self._near),
            "used_bytes": int(self._near.currsize),
            "limit_bytes": int(self._near.maxsize),
            "hits": self._hits,
            "misses": self._misses,
        }

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    # ---- actors -----------------------------------------------------------------------------------------

    async def _from_actors(self, ask: CatRequest, timeout_s: float | None) -> IncomingStream[FileHead]:
        if time.monotonic() >= self._cache_is_down_until and not self._passes(ask):
            try:
                return await self._from_cache(ask, timeout_s)
            except NOT_FOR_THE_CALLER as error:
                if isinstance(error, NotCached) and _is_part(ask):
                    self._passing[ask.cid, ask.path] = None
                away_s = AWAY_S.get(type(error), 0.0)
                if away_s:
                    self._cache_is_down_until = time.monotonic() + away_s
        return await self._bus.open_straight(CAT, ask, timeout_s=timeout_s)

    def _passes(self, ask: CatRequest) -> bool:
        """Whether the cache has just said of another part of this file that it is not its business."""
        return _is_part(ask) and (ask.cid, ask.path) in self._passing

    async def _from_cache(self, ask: CatRequest, timeout_s: float | None) -> IncomingStream[FileHead]:
        asked = CacheGet.model_construct(
            cid=ask.cid, path=ask.path, offset=ask.offset, length=ask.length, redirect=True
        )
        stream: IncomingStream[CachedHead] = await self._bus.open_straight(
            CACHE_GET, asked, timeout_s=timeout_s
        )
        stream.cached = stream.head is None or stream.head.cache != "miss"
        self._passing.pop((ask.cid, ask.path), None)
        return stream  # type: ignore[return-value]  # its head is a FileHead that says more

    # ---- near memory ------------------------------------------------------------------------------------

    def _near_by(self, ask: CatRequest, cid: str, whole: bytes) -> IncomingStream[FileHead]:
        """What is asked for of a file that is here, as the actor would answer it."""
        head = None
        part = whole
        if ask.offset or ask.length is not None:
            start, count = span_of(len(whole), ask.offset, ask.length)
            head = FileHead(cid=cid, size_bytes=len(whole), offset=start, length=count)
            part = whole[start : start + count]
        stream = IncomingStream.of(part, head)
        stream.cached = True
        self._reads[cid] = self._reads.get(cid, 0) + 1
        self._hits += 1
        return stream

    def _keep(self, key: str, ask: CatRequest, stream: IncomingStream[FileHead]) -> None:
        """Remember a file that came whole in one message, unless memory is off."""
        whole, head = stream.whole, stream.head
        if whole is None or len(whole) > CHUNK_BYTES or len(whole) + ENTRY_BYTES > self._near.maxsize:
            return
        if head is not None and len(whole) != head.size_bytes:
            return
        if answered_by_simulation.get():
            return  # from here it would come without that mark
        if self._listening() and self._is_current():
            self._near[key] = (ask.cid if head is None else head.cid, whole)

    def _is_current(self) -> bool:
        """Whether no event can have been missed since the oldest entry came; forgets everything if so."""
        control = self._bus.link.control
        epoch = control.stats["reconnects"] if control.is_connected else None
        if epoch is not None and epoch == self._epoch:
            return True
        self._near.clear()
        self._epoch = epoch
        return epoch is not None  # nothing is left that could be out of date

    def _listening(self) -> bool:
        """Whether events are heard, and reads told; begins to do so at its first call."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._tell())]
        return self._heard

    _heard = False

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(BusError):
                async with await self._bus.subscribe(REMOVED, COLLECTED, INVALIDATED) as events:
                    self._heard = True
                    async for name, body in events:
                        self._forget(name, body)
            self._heard = False
            self._near.clear()
            await asyncio.sleep(TRY_AGAIN_S)

    def _forget(self, name: str, body: bytes) -> None:
        self._forgotten += 1
        gone: list[str] = []
        if name == REMOVED.name:
            gone = [BlockGone.from_wire(body).cid]
        elif name == INVALIDATED.name:
            gone = CacheForgot.from_wire(body).cids
        if not gone:
            self._near.clear()
            return
        hashes = {CID.parse(cid).multihash for cid in gone}
        # A CID has several forms, and a key may be a path; little is removed, so look at all that is here.
        for key in [key for key, (cid, _) in self._near.items() if CID.parse(cid).multihash in hashes]:
            self._near.pop(key, None)

    # ---- what was read here -----------------------------------------------------------------------------

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            reads, self._reads = self._reads, {}
            now = time.time()
            accesses = [Access(cid=cid, count=count, at=now) for cid, count in reads.items()]
            for start in range(0, len(accesses), MAX_CIDS):
                ask = CacheTouch(accesses=accesses[start : start + MAX_CIDS])
                try:
                    await self._bus.request(CACHE_TOUCH, ask)
                except BusError as error:
                    log.debug("reads of %d files were not counted: %s", len(ask.accesses), error)


def _is_part(ask: CatRequest) -> bool:
    return bool(ask.offset) or ask.length is not None
