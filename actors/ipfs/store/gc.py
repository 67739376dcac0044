"""Collection: removes what no pin or named root reaches and no session is adding, in any process.

Mark: everything that live pins and roots reach goes into a set (on disk past 100,000 keys). Sweep: unmarked
blocks are removed in small transactions. What came after the mark is safe because

- the collection begins a new epoch, and what is put from then on carries it or a later one;
- a session whose blocks are in the index before its pins is registered with an epoch of its own, and
  nothing from that epoch on is removed while its process lives;
- each sweep transaction looks whether a pin or a root is newer than the mark; if so, that is walked first.

A pinned block that is missing or damaged ends the collection, since what lies below it cannot be known. Below
a named root it is passed by: of that, what is here is kept.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from functools import partial

from ....schemas.cid import CID
from ....schemas.errors import Conflict, CorruptBlock, NotFound
from ....schemas.ipfs import Collected
from . import compact
from .diskset import DiskSet
from .index import EPOCH, PINS_LOST, PINS_VERSION, Change, Entry
from .locks import FileLock, bury_dead, is_dead
from .pins import live_pins
from .reach import Reach, Stopped
from .roots import live_roots
from .upkeep import Upkeep

Found = tuple[bytes, Entry]

# How often a mark that newer pins have overtaken is made again before their makers have to wait.
FREE_MARKS = 3


def collect(upkeep: Upkeep, stop: threading.Event) -> Collected:
    """Collect, then compact the packs that are mostly dead. Runs in a worker thread.

    Raises Conflict while another collection runs, if pinned content is missing or damaged, and after a
    rebuild that may have lost pins.
    """
    began = time.monotonic()
    with alone(upkeep), upkeep.seen() as seen:
        sweep = Sweep(upkeep, seen, stop)
        sweep.mark()
        sweep.run()
        reclaimed = compact.compact(upkeep, stop)
        upkeep.index.shorten_ledger()
    return Collected(
        removed_blocks=sweep.removed_blocks,
        freed_bytes=sweep.freed_bytes,
        kept_blocks=upkeep.index.count("blocks"),
        reclaimed_disk_bytes=reclaimed,
        duration_s=time.monotonic() - began,
    )


def remove_block(upkeep: Upkeep, cid: CID, stop: threading.Event) -> Entry | None:
    """Remove one block; returns its entry, or None if it was not here. Runs in a worker thread.

    Raises Conflict if it is pinned, below a recursive pin or a named root, or being added, and where
    `collect` does.
    """
    with alone(upkeep), upkeep.seen() as seen:
        found = upkeep.index.find(cid.multihash)
        if found is None:
            return None
        sweep = Sweep(upkeep, seen, stop)
        sweep.mark()
        if sweep.remove([(cid.multihash, found)]) == 0:
            raise Conflict("the block is pinned, below a named root or being added", cid=str(cid))
        return found


@contextlib.contextmanager
def alone(upkeep: Upkeep) -> Iterator[None]:
    """Be the one who removes blocks; raises Conflict if another is."""
    lock = FileLock(upkeep.layout.gc_lock)
    try:
        if not lock.try_alone():
            raise Conflict("a collection is running")
        if upkeep.index.counter(PINS_LOST):
            raise Conflict("pins may have been lost when the index was rebuilt; nothing is collected")
        yield
    finally:
        lock.close()


class Sweep:
    """One mark and sweep: what is in `seen`, or from epoch `threshold` on, stays."""

    def __init__(self, upkeep: Upkeep, seen: DiskSet, stop: threading.Event) -> None:
        self._index = upkeep.index
        self._owners = upkeep.layout.owners
        self._now = upkeep.clock()
        self._seen = seen
        self._stop = stop
        self._reach: Reach = upkeep.reach(seen, stop)
        self._marked_serial = -1
        self.removed_blocks = 0
        self.freed_bytes = 0
        self.threshold = self._index.change(self._begin)
        bury_dead(self._owners)

    def _begin(self, change: Change) -> int:
        """Begin an epoch; returns the first one that is not collected: this, or the oldest live session's."""
        oldest = change.bump(EPOCH)
        for key, epoch in change.items("sessions"):
            if is_dead(self._owners, key[:8]):
                change.delete("sessions", key)
            else:
                oldest = min(oldest, int.from_bytes(epoch, "big"))
        return oldest

    def mark(self) -> None:
        """Mark what the pins and roots made since the last mark reach."""
        version = self._index.counter(PINS_VERSION)
        for pin in live_pins(self._index, self._now, after_serial=self._marked_serial):
            if self._stop.is_set():
                raise Stopped
            if pin.mode == "direct":
                self._reach.mark(pin.cid)
            else:
                self._mark_below(pin.cid)
        # After the pins, which insist on being whole: a walk that does not must not be there before them.
        for root in live_roots(self._index, self._now, after_serial=self._marked_serial):
            self._reach.walk_what_is_here(root.cid)
        self._marked_serial = version

    def _mark_below(self, root: CID) -> None:
        try:
            for _ in self._reach.walk(root):
                pass
        except (NotFound, CorruptBlock) as error:
            problem = f"pinned content is not whole, so nothing is collected: {error.message}"
            raise Conflict(problem, pin=str(root)) from error

    def run(self) -> None:
        """Remove everything that may go."""
        for page in self._index.blocks():
            if self._stop.is_set():
                raise Stopped
            if candidates := [item for item in page if self._may_go(*item)]:
                self.remove(candidates)

    def remove(self, candidates: list[Found]) -> int:
        """Remove those of these that may still go, having walked what is newer; how many went."""
        for _ in range(FREE_MARKS):
            if (removed := self._index.change(partial(self._remove, candidates))) is not None:
                break
            self.mark()
        else:
            removed = self._index.change(partial(self._mark_and_remove, candidates))
        self.removed_blocks += len(removed)
        self.freed_bytes += sum(entry.length for entry in removed)
        return len(removed)

    def _mark_and_remove(self, candidates: list[Found], change: Change) -> list[Entry]:
        # Where pins and roots are made faster than they are walked, these wait for once.
        self.mark()
        return self._remove(candidates, change) or []

    def _remove(self, candidates: list[Found], change: Change) -> list[Entry] | None:
        if change.counter(PINS_VERSION) != self._marked_serial:
            return None
        removed = []
        for key, _ in candidates:
            found = change.find(key)
            if found is not None and self._may_go(key, found):
                change.remove_block(key, found)
                removed.append(found)
        return removed

    def _may_go(self, key: bytes, entry: Entry) -> bool:
        return entry.epoch < self.threshold and key not in self._seen
