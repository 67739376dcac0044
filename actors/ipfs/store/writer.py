"""Takes batches to disk: blocks to this process's segment, then one transaction that points to them.

Everything here runs in one thread, the committer's. The order is what makes it safe: the pack is durable
before the index speaks of it, and what the index does not speak of is cut off when the pack is next opened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import lmdb

from ....schemas.cid import CID
from .batch import Batch, Ticket
from .index import EPOCH, NEXT_PACK, Change, Entry, Index, PackFacts, storage_error
from .packs import HEADER, MAX_PACK_BYTES, Packs, Place, Segment

Block = tuple[CID, bytes]


class Writer:
    """Owns the segment. `write` and `copy` raise StorageFull, having undone what they did.

    Blocks in `damaged` are written though they are indexed, and leave the set then.
    """

    def __init__(
        self, index: Index, packs: Packs, damaged: set[bytes], *, max_pack_bytes: int = MAX_PACK_BYTES
    ) -> None:
        self._index = index
        self._packs = packs
        self._damaged = damaged
        self._max_pack_bytes = max_pack_bytes
        self._segment: Segment | None = None
        self._full: list[Segment] = []

    @property
    def pack(self) -> int | None:
        """The pack that is being written."""
        return None if self._segment is None else self._segment.number

    def close(self) -> None:
        """Give the segment back; another process may go on in it."""
        for segment in self._segments():
            segment.close()
        self._segment, self._full = None, []

    def write(self, batch: Batch) -> None:
        """Make a batch durable: all of it when this returns, none of it if it raises."""
        with self._all_or_nothing():
            if batch.blocks:
                self._room()  # so that nothing inside the transaction needs another pack
            places = self._place_missing(batch)
            self._index.change(lambda change: self._apply(change, batch, places))
        self._damaged.difference_update(places)

    def copy(self, blocks: list[tuple[bytes, Entry, bytes]]) -> int:
        """Move live blocks, given with their entries, out of a pack; how many were still there."""
        with self._all_or_nothing():
            places = self._append((entry.cid(key), data) for key, entry, data in blocks)
            self._sync()
            return self._index.change(lambda change: self._move(change, blocks, places))

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._undo()
            if isinstance(error, OSError | lmdb.Error):
                raise storage_error(error) from error
            raise
        self._settle()

    # The transaction

    def _apply(self, change: Change, batch: Batch, places: dict[bytes, Place]) -> None:
        ending = {request.ending.key for request in batch.requests if request.ending is not None}
        epoch = self._register(change, [t for t in batch.tickets.values() if t.key not in ending])
        late: list[bytes] = []
        for key, block in sorted(batch.blocks.items()):
            found = change.find(key)
            if found is not None and key in places and key in self._damaged:
                change.move_block(key, found, _entry(places[key], block.cid, epoch))
            elif found is not None:
                change.touch(key, found, epoch)
            elif key in places:
                change.add_block(key, _entry(places[key], block.cid, epoch))
            else:
                late.append(key)
        self._write_late(change, batch, late, epoch)
        self._tell_lengths(change)
        for request in batch.requests:
            request.run(change)
            if request.ending is not None and request.ending.registered:
                change.delete("sessions", request.ending.key)

    def _register(self, change: Change, staying: list[Ticket]) -> int:
        """Protect what these sessions have stored until they end; returns the epoch of this transaction."""
        fresh = [ticket for ticket in staying if not ticket.registered]
        epoch = change.bump(EPOCH) if fresh else change.counter(EPOCH)
        for ticket in fresh:
            change.put("sessions", ticket.key, epoch.to_bytes(8, "big"))
        return epoch

    def _write_late(self, change: Change, batch: Batch, keys: list[bytes], epoch: int) -> None:
        # They were stored when the batch was prepared and have been collected since. No collection can
        # come between this lookup and the commit, so now they are written for certain.
        blocks = [batch.blocks[key] for key in keys]
        places = self._flush([(block.cid, block.data) for block in blocks])
        self._sync()
        for key, block, place in zip(keys, blocks, places, strict=True):
            change.add_block(key, _entry(place, block.cid, epoch))

    def _move(self, change: Change, blocks: list[tuple[bytes, Entry, bytes]], places: list[Place]) -> int:
        self._tell_lengths(change)
        return sum(
            change.move_block(key, old, _entry(place, old.cid(key), 0))
            for (key, old, _), place in zip(blocks, places, strict=True)
        )

    def _tell_lengths(self, change: Change) -> None:
        for segment in self._segments():
            if segment.position != segment.committed:
                change.set_pack(segment.number, committed=segment.position)

    # The segment

    def _place_missing(self, batch: Batch) -> dict[bytes, Place]:
        missing = [
            (key, block)
            for key, block in batch.blocks.items()
            if not self._index.has(key) or key in self._damaged
        ]
        places = self._append((block.cid, block.data) for _, block in missing)
        self._sync()
        return {key: place for (key, _), place in zip(missing, places, strict=True)}

    def _append(self, blocks: Iterable[Block]) -> list[Place]:
        """Write blocks, going on in another pack when one is full."""
        places: list[Place] = []
        gathered: list[Block] = []
        room = -1
        for cid, data in blocks:
            if room < len(data):
                places += self._flush(gathered)
                room = self._room()
            gathered.append((cid, data))
            room -= len(data) + 64
        return places + self._flush(gathered)

    def _flush(self, gathered: list[Block]) -> list[Place]:
        if not gathered:
            return []
        places = self._current().append(gathered)
        gathered.clear()
        return places

    def _room(self) -> int:
        """How much the segment takes yet; begins the next if that is nothing."""
        if self._segment is not None and self._segment.position >= self._max_pack_bytes:
            self._full.append(self._segment)
            self._segment = None
        return self._max_pack_bytes - self._current().position

    def _current(self) -> Segment:
        if self._segment is None:
            self._segment = self._adopted() or self._created()
        return self._segment

    def _adopted(self) -> Segment | None:
        """A pack with room that no process writes to, cut back to what is indexed of it."""
        for number in self._packs.numbers():
            if self._has_room(number) and (segment := Segment.adopt(self._packs, number)):
                if self._has_room(number):
                    segment.rewind(self._facts(number).committed)
                    return segment
                segment.close()
        return None

    def _has_room(self, number: int) -> bool:
        facts = self._facts(number)
        return facts.committed < self._max_pack_bytes and not facts.retire

    def _facts(self, number: int) -> PackFacts:
        # A pack that the index does not know was made by a process that ended before its first commit.
        return self._index.pack(number) or PackFacts(len(HEADER))

    def _created(self) -> Segment:
        while True:
            number = self._index.change(lambda change: change.bump(NEXT_PACK))
            if (segment := Segment.create(self._packs, number)) is not None:
                return segment

    def retire(self) -> None:
        """Go on in another pack at the next write."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _segments(self) -> list[Segment]:
        return self._full if self._segment is None else [*self._full, self._segment]

    def _sync(self) -> None:
        for segment in self._segments():
            segment.sync()

    def _settle(self) -> None:
        for segment in self._segments():
            segment.committed = segment.position
        self._close_full()
        self.leave_if_asked()

    def leave_if_asked(self) -> None:
        """Leave the segment if a collection has marked it for compaction."""
        if self._segment is not None and self._facts(self._segment.number).retire:
            self.retire()

    def _undo(self) -> None:
        # A segment whose fdatasync failed is not trusted with more: it is cut back and given up.
        for segment in self._segments():
            with contextlib.suppress(OSError):  # the next one to open it cuts it back
                segment.rewind()
        self.retire()
        self._close_full()

    def _close_full(self) -> None:
        for segment in self._full:
            segment.close()
        self._full = []


def _entry(place: Place, cid: CID, epoch: int) -> Entry:
    pack, offset, length, checksum, head = place
    return Entry(pack, offset, length, checksum, epoch, cid.codec, cid.version, head)
