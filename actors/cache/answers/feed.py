"""What the index learns by itself: from the ipfs actor's events, and from its list of pins at the start.

    [ipfs.added, ipfs.pinned, …] -> waiting -> some at a time, or as soon as somebody asks -> index

Events of other nodes make their content known too, with the node's name; pins are the node's own.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import xxhash

from ....bus import handles
from ....schemas import ipfs, subjects
from ....schemas.cid import CID
from ....schemas.errors import BusError
from ..described import described, named
from ..index.index import CidIndex
from ..query.query import Query
from ..query.result import Result
from ..query.run import run
from .parts import Parts

__all__ = ["FeedRows"]

log = logging.getLogger(__name__)

GATHER_S = 0.1
MAX_WAITING = 2000
# New content starts warm, as if it had been read half: it is asked for soon after it is added.
ADD_WEIGHT = 0.5
ADD_SCORE = ADD_WEIGHT / (1 + ADD_WEIGHT)
PINS_AGAIN_S = 2.0

Heard = ipfs.ContentAdded | ipfs.PinChanged | ipfs.BlockGone


class FeedRows(Parts):
    """The events that are heard, and the list of pins."""

    async def on_start(self) -> None:
        self._heard: list[tuple[str, Heard]] = []
        self._moved: dict[str, str] = {}
        self._settling: asyncio.TimerHandle | None = None
        await super().on_start()
        if self._index is not None:
            self._tasks.append(asyncio.create_task(self.learn_pins(self._index)))

    @handles(subjects.ADDED)
    async def added(self, event: ipfs.ContentAdded) -> None:
        self.cache.forget_missing([str(CID.parse(event.cid))])
        self._hear("added", event)

    @handles(subjects.PINNED)
    async def pinned(self, event: ipfs.PinChanged) -> None:
        if self._is_own(event):
            self.cache.forget_missing([str(CID.parse(event.cid))])
            self._hear("pinned", event)

    @handles(subjects.UNPINNED)
    async def unpinned(self, event: ipfs.PinChanged) -> None:
        if self._is_own(event):
            self._hear("unpinned", event)

    @handles(subjects.REMOVED)
    async def removed(self, event: ipfs.BlockGone) -> None:
        if self._is_own(event):
            await self.forget([event.cid])
            self._hear("removed", event)

    @handles(subjects.COLLECTED)
    async def collected(self, event: ipfs.GarbageCollected) -> None:
        """It is not said what is gone, so whatever is cached has to be asked for once more."""
        if self._is_own(event) and event.removed_blocks:
            self.doubt_everything()

    async def forget(self, cids: list[str]) -> int:
        """Drop cached content."""
        raise NotImplementedError

    def doubt_everything(self) -> None:
        """Serve nothing cached before the ipfs actor has confirmed it."""
        raise NotImplementedError

    def _is_own(self, event: ipfs.OfNode) -> bool:
        return event.node is None or event.node == self.node

    # ---- events into rows -------------------------------------------------------------------------------

    def _hear(self, what: str, event: Heard) -> None:
        if self._index is None:
            return
        self._heard.append((what, event))
        self._settle_soon()

    def moved(self, key: str, tier: str | None) -> None:
        if self._index is not None:
            self._moved[key] = tier or "ipfs"
            self._settle_soon()

    def _settle_soon(self) -> None:
        if len(self._heard) + len(self._moved) >= MAX_WAITING:
            self.settle()
        elif self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(GATHER_S, self.settle)

    def settle(self) -> None:
        """Bring what was heard into the index; what asks the index does so first."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        heard, self._heard = self._heard, []
        moved, self._moved = self._moved, {}
        if self._index is None:
            return
        try:
            self._take(self._index, heard)
            for cid, tier in moved.items():
                self._index.set_hot(cid, tier=tier)
        except BusError:
            log.exception("%d events and %d moves did not reach the index", len(heard), len(moved))

    def _take(self, index: CidIndex, heard: list[tuple[str, Heard]]) -> None:
        """New rows are written with all that was heard of them; of known ones only hot columns change."""
        new: dict[str, dict[str, object]] = {}
        known: list[tuple[str, str, Heard]] = []
        for what, event in heard:
            cid = CID.parse(event.cid)
            key = str(cid)
            if key not in new and index.hot(key) is not None:
                known.append((key, what, event))
                continue
            row = new.setdefault(key, described(cid) | {"source": "ipfs", "node": event.node or self.node})
            row |= self._said(what, event)
        index.put_many(list(new.values()))
        for key, what, event in known:
            self._note(index, key, what, event)

    def _said(self, what: str, event: Heard) -> dict[str, object]:
        """What an event says of a new row."""
        if isinstance(event, ipfs.ContentAdded):
            said = named(event.filename) | {
                "size_bytes": event.size_bytes, "added_timestamp": event.at, "heat_score": ADD_SCORE,
            }  # fmt: skip
            return said | ({"is_pinned": event.pinned} if self._is_own(event) and event.pinned else {})
        return {"valid": what != "removed", "is_pinned": what == "pinned"}

    def _note(self, index: CidIndex, key: str, what: str, event: Heard) -> None:
        """What an event says of a row that is there."""
        if isinstance(event, ipfs.ContentAdded):
            index.touch_weighted(key, at_s=event.at, weight=ADD_WEIGHT)
            if self._is_own(event):
                index.set_hot(key, valid=True, pinned=True if event.pinned else None)
        elif what == "removed":
            index.set_hot(key, valid=False, pinned=False, tier="ipfs")
        else:
            index.set_hot(key, pinned=what == "pinned", valid=True if what == "pinned" else None)

    # ---- pins -------------------------------------------------------------------------------------------

    async def learn_pins(self, index: CidIndex) -> None:
        """Make the pins of the index those of the node: events were missed while this actor was away."""
        while True:
            try:
                hashes = array("Q")
                async for pin in self.bus.items(subjects.PINS, ipfs.PinList()):
                    hashes.append(_hash(pin.cid))
                    held = index.hot(pin.cid)
                    if held is None or not held.is_pinned:
                        event = ipfs.PinChanged(cid=pin.cid, mode=pin.mode, at=pin.created_at)
                        self._hear("pinned", event)
                self.settle()
                await asyncio.to_thread(self._unpin_others, index, np.sort(np.array(hashes, np.uint64)))
                return
            except BusError as error:
                log.debug("the list of pins is not to be had yet: %s", error)
                await asyncio.sleep(PINS_AGAIN_S)

    def _unpin_others(self, index: CidIndex, kept: npt.NDArray[np.uint64]) -> None:
        pinned = Query.parse(index.columns, filter={"is_pinned": True}, select=["cid", "node"])
        for cid, node in _pairs(run(pinned, index.snapshot())):
            at = int(np.searchsorted(kept, np.uint64(_hash(cid))))
            if (at == len(kept) or int(kept[at]) != _hash(cid)) and node in (None, self.node):
                index.set_hot(cid, pinned=False)


def _pairs(result: Result) -> Iterator[tuple[str, str | None]]:
    for batch in result.batches():
        yield from zip(batch["cid"].to_pylist(), batch["node"].to_pylist(), strict=True)


def _hash(cid: str) -> int:
    """Of the multihash, since a pin keeps a block whatever its CID is written like."""
    return int(xxhash.xxh3_64_intdigest(CID.parse(cid).multihash))
