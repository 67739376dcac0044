"""Where the cache has from what it does not hold: files of the ipfs actor, and what is known of them.

Small files are kept at their first read. What is too large for the memory tier is kept on disk at its second:
a file that is read once would cost its size in writes and gain nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from cachetools import LRUCache

from ....bus import IncomingStream
from ....schemas import cache, subjects
from ....schemas.cid import CID
from ....schemas.errors import BusError, NotCached, NotFound, TooLarge
from ....schemas.ipfs import CatRequest, FileHead, PathRequest
from ..content.source import OpenSource, Source
from ..described import described
from ..index.index import CidIndex
from ..query.query import Query
from ..query.run import run
from .optimizing import IndexRows

__all__ = ["Sourcing"]

KNOWN_FILES = 65_536
TOUCH_EVERY_S = 0.2

log = logging.getLogger(__name__)


class Sourcing(IndexRows):
    """Opening files, counting reads, and doubting what may be gone."""

    async def on_start(self) -> None:
        self._files: LRUCache[tuple[str, str], str] = LRUCache(KNOWN_FILES)  # (CID, path) -> CID of the file
        self._passed: LRUCache[str, int] = LRUCache(KNOWN_FILES)  # CID -> size of what was not kept
        self._doubtful: set[str] = set()
        self._reads: dict[str, int] = {}
        self.near_hits = 0  # reads that bridges answered from their own memory
        self._touching: asyncio.TimerHandle | None = None
        await super().on_start()
        if self._index is not None:
            found = {key: self.cache.find(key) for key in self.cache.keys()}  # noqa: SIM118  # not a dict
            held = {key: place.tier for key, place in found.items() if place is not None}
            await asyncio.to_thread(_place_rows, self._index, held)

    # ---- files ------------------------------------------------------------------------------------------

    async def place(self, ask: cache.CacheGet) -> str:
        """The CID of the file that is meant; raises what following a path does."""
        cid = str(CID.parse(ask.cid))
        if not ask.path:
            return cid
        known = self._files.get((cid, ask.path))
        if known is not None:
            return known
        stat = await self.bus.request(subjects.STAT, PathRequest(cid=cid, path=ask.path))
        key = self._files[cid, ask.path] = str(CID.parse(stat.cid))
        return key

    def would_pass(self, key: str, *, whole: bool = True) -> bool:
        """Whether this is known to be no content for the cache, at least not yet.

        A part of a large file that is not here is none: to keep the file it would have to be fetched from its
        start, and whoever reads parts here and there would wait for that each time.
        """
        size_bytes = self._passed.get(key)
        if size_bytes is None or self._is_here(key):
            return False
        return not whole or self.cache.tier_for(size_bytes) is None

    def opener(self, key: str, *, redirect: bool) -> OpenSource:
        """How a fetch gets the file; with `redirect` NotCached if it should not be kept."""

        async def open_source() -> Source:
            stream: IncomingStream[FileHead] = await self.bus.open(subjects.CAT, CatRequest(cid=key))
            size_bytes = len(stream.whole or b"") if stream.head is None else stream.head.size_bytes
            tier = self.cache.tier_for(size_bytes)
            if redirect and (tier is None or (tier == "disk" and key not in self._passed)):
                self._passed[key] = size_bytes
                await stream.aclose()
                raise NotCached(key)
            return Source(size_bytes, stream)

        return open_source

    async def open_to_keep(self, key: str) -> Source:
        """The file for a tier; raises TooLarge if none has room for it."""
        source = await self.opener(key, redirect=False)()
        if self.cache.tier_for(source.size_bytes) is None:
            await source.aclose()
            raise TooLarge("cid", limit=source.size_bytes)
        return source

    def _is_here(self, key: str) -> bool:
        return self.cache.find(key) is not None

    # ---- what may be gone -------------------------------------------------------------------------------

    def doubts(self, key: str) -> bool:
        return key in self._doubtful

    def doubt_everything(self) -> None:
        self._doubtful = set(self.cache.keys())

    async def confirm(self, key: str) -> None:
        """Ask whether the ipfs actor still has this; drop it if not."""
        try:
            await self.bus.request(subjects.STAT, PathRequest(cid=key))
        except NotFound:
            await self.forget([key])
            self.note_validity(key, valid=False)
        self._doubtful.discard(key)

    def note_validity(self, key: str, *, valid: bool) -> None:
        """Tell the index whether content is there, where that is news."""
        if self._index is None:
            return
        held = self._index.hot(key)
        if held is not None and held.valid is not valid:
            self._index.set_hot(key, valid=valid)

    async def forget(self, cids: list[str]) -> int:
        keys = [str(CID.parse(cid)) for cid in cids]
        self._doubtful.difference_update(keys)
        return self.cache.invalidate(keys)

    # ---- reads, counted ---------------------------------------------------------------------------------

    def count_read(self, key: str) -> None:
        """Note one read for the index, which hears of them several times a second."""
        self._reads[key] = self._reads.get(key, 0) + 1
        if self._touching is None and self._index is not None:
            self._touching = asyncio.get_running_loop().call_later(TOUCH_EVERY_S, self.settle)

    def settle(self) -> None:
        super().settle()
        if self._touching is not None:
            self._touching.cancel()
            self._touching = None
        reads, self._reads = self._reads, {}
        if reads and self._index is not None:
            now = self.now()
            try:
                self._touch(self._index, [(cid, count, now) for cid, count in reads.items()])
            except BusError:
                log.exception("reads of %d files did not reach the index", len(reads))

    def note_reads(self, accesses: list[cache.Access]) -> None:
        told: list[tuple[str | bytes, int, float]] = []
        for each in accesses:
            key = str(CID.parse(each.cid))
            told.append((key, each.count, each.at))
            self.cache.heard(key, each.count)
            self.near_hits += each.count
        if self._index is not None:
            self._touch(self._index, told)

    def _touch(self, index: CidIndex, accesses: list[tuple[str | bytes, int, float]]) -> None:
        """Count reads; of what is not known yet only the CID is known from now on."""
        unknown = set(index.touch(accesses))
        if unknown:
            index.put_many([self._seen(str(cid)) for cid in unknown])
            index.touch([access for access in accesses if access[0] in unknown])

    def _seen(self, cid: str) -> dict[str, Any]:
        found = self.cache.find(cid)
        size_bytes = None if found is None else found.size_bytes
        tier = "ipfs" if found is None else found.tier
        return described(CID.parse(cid)) | {
            "size_bytes": size_bytes, "storage_tier": tier, "source": "ipfs", "node": self.node,
            "added_timestamp": self.now(),
        }  # fmt: skip


def _place_rows(index: CidIndex, held: Mapping[str, str]) -> None:
    """Make the storage tiers of the index those of the cache, which an earlier process had left otherwise."""
    placed = Query.parse(
        index.columns, filter={"storage_tier": {"$in": ["memory", "disk"]}}, select=["cid", "storage_tier"]
    )
    for batch in run(placed, index.snapshot()).batches():
        for cid, tier in zip(batch["cid"].to_pylist(), batch["storage_tier"].to_pylist(), strict=True):
            if held.get(cid, "ipfs") != tier:
                index.set_hot(cid, tier=held.get(cid, "ipfs"))
    for cid, tier in held.items():
        known = index.hot(cid)
        if known is not None and known.storage_tier != tier:
            index.set_hot(cid, tier=tier)
