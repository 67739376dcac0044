"""Compaction: gives back the disk space of packs that are mostly dead. What lives is copied, then they go.

The copy is durable before the index points to it, entry by entry, each only if it still points to the old
place; the old file goes when nothing points to it. Who has it open can go on reading.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

from ....schemas.errors import StorageFull
from ...disk import sync_folder
from .index import Change, Entry, PackFacts
from .packs import HEADER, PackFile, Segment
from .reach import Stopped
from .scan import Damage, scan
from .upkeep import Upkeep
from .writer import Writer

# A pack is compacted when more than this share of it is dead.
DEAD_SHARE = 0.5
COPY_BYTES = 8 << 20

Live = tuple[bytes, Entry, bytes]


def compact(upkeep: Upkeep, stop: threading.Event) -> int:
    """Compact every pack that deserves it and that nobody is writing to; returns the bytes given back.

    A pack that another process is writing to is marked, and its writer goes on in another one. Without room
    for copies the rest is left for another time.
    """
    reclaimed = 0
    dead = [
        (facts.live_bytes, number) for number, facts in upkeep.index.packs().items() if _is_mostly_dead(facts)
    ]
    for _, number in sorted(dead):  # what lives least first: that makes room for the others' copies
        if stop.is_set():
            raise Stopped
        try:
            reclaimed += _compact_one(upkeep, number, stop)
        except StorageFull:
            break
    upkeep.packs.close_gone()
    return reclaimed


def _is_mostly_dead(facts: PackFacts) -> bool:
    used = facts.committed - len(HEADER)
    return used > 0 and used - facts.live_record_bytes > DEAD_SHARE * used


def _compact_one(upkeep: Upkeep, number: int, stop: threading.Event) -> int:
    # Marked first, so that neither this process nor another goes on in it.
    upkeep.index.change(partial(_mark_retired, number))
    upkeep.committer.alone_from_thread(partial(_leave, number))
    segment = Segment.adopt(upkeep.packs, number)
    if segment is None:
        return 0
    try:
        copied = _copy_live(upkeep, number, stop)
        if not upkeep.index.change(partial(_remove_if_empty, number)):
            return 0
        upkeep.packs.path(number).unlink()
        sync_folder(upkeep.packs.folder)
        return segment.position - copied
    finally:
        segment.close()


def _leave(number: int, writer: Writer) -> None:
    if writer.pack == number:
        writer.retire()


def _copy_live(upkeep: Upkeep, number: int, stop: threading.Event) -> int:
    """Copy what lives; returns how many bytes of records that was."""
    copied = 0
    for batch in _batches(_live(upkeep, number)):
        if stop.is_set():
            raise Stopped
        upkeep.committer.alone_from_thread(partial(Writer.copy, blocks=batch))
        copied += sum(entry.record_bytes for _, entry, _ in batch)
    return copied


def _live(upkeep: Upkeep, number: int) -> Iterator[Live]:
    """The records of a pack that the index points to and that are whole."""
    for record in scan(PackFile(upkeep.packs.path(number))):
        if isinstance(record, Damage):
            continue
        key = record.cid.multihash
        entry = upkeep.index.find(key)
        if entry is not None and (entry.pack, entry.offset) == (number, record.offset):
            data = upkeep.blocks.read_entry(entry)
            if data is not None:
                yield key, entry, data


def _batches(blocks: Iterator[Live]) -> Iterator[list[Live]]:
    batch: list[Live] = []
    size = 0
    for block in blocks:
        batch.append(block)
        size += len(block[2])
        if size >= COPY_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _mark_retired(number: int, change: Change) -> None:
    if change.pack(number) is not None:
        change.set_pack(number, retire=1)


def _remove_if_empty(number: int, change: Change) -> bool:
    facts = change.pack(number)
    if facts is None or facts.live_blocks:
        return False
    change.remove_pack(number)
    return True
