"""Makes a new index from the packs and the ledger, when the index is missing or cannot be read.

Every record is checked against its hash. What is no record at the very end of a pack is a torn write and is
cut off; in the middle it is damage, which is skipped. Blocks that had been removed may come back, without a
pin; the next collection takes them again.
"""

from __future__ import annotations

import os
import shutil
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

import xxhash

from ....schemas.cid import CID
from ....schemas.errors import NotSupported, Unavailable
from ...disk import sync_folder
from .disk import FOLDER_MODE
from .environment import DAMAGE, MAP_BYTES
from .index import FORMAT, NEXT_PACK, PINS_LOST, Change, Entry, Index
from .layout import Layout
from .ledger import Fact, Ledger
from .locks import FileLock, bury_dead
from .packs import HEADER, PackFile, Packs
from .pins import restore_pin
from .roots import restore_root
from .scan import Damage, Record, scan

BATCH_BLOCKS = 4096


class Rebuilt(NamedTuple):
    """What a rebuild found: `damaged` places in packs, `lost_facts` lines of the ledger were not readable."""

    blocks: int
    damaged: int
    lost_facts: int


def open_index(layout: Layout, lock: FileLock, map_bytes: int = MAP_BYTES) -> tuple[Index, Rebuilt | None]:
    """The index of a store, rebuilt if it must be; `lock` is held shared afterwards. May block.

    Raises Unavailable if the index is missing or damaged while other processes use the store.
    """
    if lock.try_alone():
        _sweep_up(layout)
    else:
        lock.share()  # waits for another process that is rebuilding
    try:
        index = _open(layout, map_bytes)
        if index is not None:
            return index, None
        if not lock.try_alone():
            raise Unavailable("the index is missing or damaged, and other processes are using the store")
        _set_aside(layout.index)
        rebuilt = _rebuild(layout, map_bytes)
        return Index(layout.index, Ledger(layout.ledger), map_bytes=map_bytes), rebuilt
    finally:
        lock.share()


def _open(layout: Layout, map_bytes: int) -> Index | None:
    if not (layout.index / "data.mdb").exists():
        return None
    try:
        index = Index(layout.index, Ledger(layout.ledger), map_bytes=map_bytes)
    except DAMAGE:
        return None
    if index.counter(FORMAT) == 1:
        return index
    index.close()
    return None


def _sweep_up(layout: Layout) -> None:
    """Remove what killed processes left; nobody else uses the store now."""
    bury_dead(layout.owners)
    for left in layout.temp.iterdir():
        shutil.rmtree(left, ignore_errors=True)


def _set_aside(folder: Path) -> None:
    if folder.exists():
        names = (folder.with_suffix(f".damaged-{number}") for number in count(1))
        folder.rename(next(name for name in names if not name.exists()))


def _rebuild(layout: Layout, map_bytes: int) -> Rebuilt | None:
    """Build an index beside and move it in place when it is whole; None if there was nothing to read."""
    beside = layout.index.with_suffix(".new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=FOLDER_MODE)
    packs = Packs(layout.packs)
    index = Index(beside, Ledger(layout.ledger), map_bytes=map_bytes)
    try:
        blocks = damaged = 0
        for number in packs.numbers():
            found, bad = _index_pack(index, packs, number)
            blocks, damaged = blocks + found, damaged + bad
        lost_facts = _restore_kept(index, has_blocks=blocks > 0)
    finally:
        index.close()
    beside.rename(layout.index)
    sync_folder(layout.root)
    return Rebuilt(blocks, damaged, lost_facts) if packs.numbers() or lost_facts else None


# Packs


def _index_pack(index: Index, packs: Packs, number: int) -> tuple[int, int]:
    """Index a pack's records and cut off its torn end; the number of blocks and of damaged places."""
    pack = PackFile(packs.path(number))
    end = max(os.fstat(pack.fd).st_size, len(HEADER))
    blocks = damaged = 0
    found = (_entry(number, pack, place) for place in scan(pack))
    while batch := list(islice(found, BATCH_BLOCKS)):
        entries = [item for item in batch if not isinstance(item, Damage)]
        blocks += index.change(partial(_add, entries))
        for place in batch:
            if isinstance(place, Damage) and place.end == end:
                end = place.start
            elif isinstance(place, Damage):
                damaged += 1
    os.truncate(packs.path(number), end)
    index.change(lambda change: _finish_pack(change, number, end))
    return blocks, damaged


def _entry(number: int, pack: PackFile, place: Record | Damage) -> tuple[bytes, Entry] | Damage:
    """The index entry of a record, or the damage that it is if its data do not match its CID."""
    if isinstance(place, Damage):
        return place
    data = pack.read(place.offset, place.length)
    cid = place.cid
    if not _matches(cid, data):
        return Damage(place.start, place.end)
    checksum = xxhash.xxh3_64_intdigest(data)
    return cid.multihash, Entry(
        number, place.offset, place.length, checksum, 0, cid.codec, cid.version, place.head
    )


def _matches(cid: CID, data: bytes) -> bool:
    try:
        return cid.matches(data)
    except NotSupported:
        return True  # a hash that is not computed here


def _add(entries: list[tuple[bytes, Entry]], change: Change) -> int:
    added = 0
    for key, entry in entries:
        if change.find(key) is None:
            change.add_block(key, entry)
            added += 1
    return added


def _finish_pack(change: Change, number: int, end: int) -> None:
    change.set_pack(number, committed=end)
    change.set_counter(NEXT_PACK, max(number, change.counter(NEXT_PACK)))


# Pins, roots, names and keys


def _restore_kept(index: Index, *, has_blocks: bool) -> int:
    """Read the ledger back; returns how many of its lines were unreadable."""
    lost = 0
    facts = index.ledger.read()
    while batch := list(islice(facts, BATCH_BLOCKS)):
        lost += batch.count(None)
        index.change(partial(_restore, [fact for fact in batch if fact is not None]))
    if not index.ledger.path.exists():
        lost = int(has_blocks)  # every store has a ledger: nobody can say what this one had
        index.ledger.rewrite([])
    index.change(partial(_finish, lost))
    return lost


def _finish(lost: int, change: Change) -> None:
    change.set_counter(PINS_LOST, lost)
    change.set_counter(FORMAT, 1)


def _restore(facts: list[Fact], change: Change) -> None:
    for fact in facts:
        if fact.table == "pins":
            restore_pin(change, fact.key, fact.value)
        elif fact.table == "roots":
            restore_root(change, fact.key, fact.value)
        elif fact.value is None:
            change.delete(fact.table, fact.key)
        else:
            change.put(fact.table, fact.key, fact.value)
