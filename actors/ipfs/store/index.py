"""The index of a store: where each block lies, what each pack holds, and the counters that order it all.

Tables: `blocks` multihash → Entry; `packs` number → PackFacts; `meta` name → counter; `sessions` owner and
number → epoch; and the kept tables `pins`, `roots`, `names`, `keys`, `uploads`, which the ledger repeats.
`expiry` lists pins by the time they end, `root_ends` named roots so, and `root_serials` these by how new they
are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import lmdb

from ....schemas.cid import CID
from ....schemas.errors import StorageFull
from .environment import MAP_BYTES, Environment, Table
from .ledger import Fact, Ledger

T = TypeVar("T")

KEPT = ("pins", "roots", "names", "keys", "uploads")
# What the ledger is told about these it need not have on disk at once. A named root is set with every small
# write to a file tree, and its line is missed only if the index is lost in the same seconds as the power.
UNHURRIED = ("roots",)
TABLES = ("blocks", "packs", "meta", "sessions", *KEPT, "expiry", "root_ends", "root_serials")

# The counters. `epoch` grows when a collection or a long session starts; `removals` with every block removed;
# `pins_version` with every pin and named root made; `next_pack` is the number of the next pack file.
EPOCH, REMOVALS, PINS_VERSION, NEXT_PACK = b"epoch", b"removals", b"pins_version", b"next_pack"
# Not 0 if a rebuild could not read every pin.
PINS_LOST = b"pins_lost"
# 1 in an index that is whole and of this layout.
FORMAT = b"format"

_ENTRY = struct.Struct("<IQIQQIBB")
_PACK = struct.Struct("<QQQQB")
_COUNTER = struct.Struct("<Q")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Entry(NamedTuple):
    """Where a block lies: `offset` is of its data; the record begins `head` bytes before it.

    `checksum` is the XXH3-64 of the block, `epoch` when it was last put; codec and version are of the CID it
    was first stored under.
    """

    pack: int
    offset: int
    length: int
    checksum: int
    epoch: int
    codec: int
    version: int
    head: int

    @property
    def record_bytes(self) -> int:
        return self.head + self.length

    def cid(self, key: bytes) -> CID:
        return CID(self.version, self.codec, key)


class PackFacts(NamedTuple):
    """What the index knows of a pack: its durable length, what of it is live, and whether its writer is asked
    to go on in another file so that this one can be compacted."""

    committed: int
    live_blocks: int = 0
    live_bytes: int = 0
    live_record_bytes: int = 0
    retire: int = 0


class Index:
    """The tables of one store, read as of now and changed in durable transactions.

    Reads take microseconds and may be made anywhere; `change` belongs in a worker thread.
    """

    def __init__(self, folder: Path, ledger: Ledger, *, map_bytes: int = MAP_BYTES) -> None:
        self._env = Environment.open(folder, TABLES, map_bytes=map_bytes)
        self.ledger = ledger
        self.count = self._env.count
        self.check_readers = self._env.check_readers
        self._get = self._env.get

    def close(self) -> None:
        self._env.close()

    def find(self, key: bytes) -> Entry | None:
        """The entry of a multihash."""
        raw = self._get("blocks", key)
        return None if raw is None else Entry(*_ENTRY.unpack(raw))

    def has(self, key: bytes) -> bool:
        return self._get("blocks", key) is not None

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._get(table, key)

    def counter(self, name: bytes) -> int:
        raw = self._get("meta", name)
        return 0 if raw is None else int(_COUNTER.unpack(raw)[0])

    def pack(self, number: int) -> PackFacts | None:
        raw = self._get("packs", pack_key(number))
        return None if raw is None else PackFacts(*_PACK.unpack(raw))

    def packs(self) -> dict[int, PackFacts]:
        return {
            int.from_bytes(key, "big"): PackFacts(*_PACK.unpack(raw))
            for key, raw in self.entries("packs")
        }  # fmt: skip

    def blocks(self) -> Iterator[list[tuple[bytes, Entry]]]:
        """Every block in the order of multihashes, in pages that are each of their own moment."""
        for page in self._env.pages("blocks"):
            yield [(key, Entry(*_ENTRY.unpack(raw))) for key, raw in page]

    def entries(self, table: str, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """A table's entries that follow a key; what changes meanwhile may or may not be told."""
        while page := self._env.page(table, after):
            yield from page
            after = page[-1][0]

    def change(self, body: Callable[[Change], T]) -> T:
        """Run `body` in one durable transaction. `body` may run twice. Raises StorageFull."""
        told: list[Fact] = []

        def run(tables: Table) -> T:
            change = Change(tables)
            result = body(change)
            change.settle()
            if change.facts:
                self.ledger.append(change.facts, sync=change.is_synced)
                told.extend(change.facts)
            return result

        try:
            return self._env.write(run)
        except (lmdb.Error, OSError) as error:
            self._take_back(told)
            raise storage_error(error) from error

    def _take_back(self, told: list[Fact]) -> None:
        # The ledger has facts whose transaction failed: let it say what holds instead. If even that fails,
        # a rebuild would believe them, and the next fact about the same key sets it right.
        def run(tables: Table) -> None:
            self.ledger.append([fact._replace(value=tables.get(fact.table, fact.key)) for fact in told])

        if told:
            with contextlib.suppress(lmdb.Error, OSError):
                self._env.write(run)

    def shorten_ledger(self, factor: int = 4, least_bytes: int = 1 << 20) -> bool:
        """Rewrite the ledger if it is `factor` times longer than what it has to say; whether it was."""
        kept = sum(self.count(table) for table in KEPT)
        if self.ledger.size_bytes() < max(least_bytes, factor * 400 * kept):
            return False

        def run(tables: Table) -> None:
            self.ledger.rewrite(Fact(table, *item) for table in KEPT for item in tables.items(table))

        self._env.write(run)
        return True


class Change:
    """One write transaction, in the store's own words; it keeps the packs' totals right."""

    def __init__(self, tables: Table) -> None:
        self._tables = tables
        self._packs: dict[int, PackFacts] = {}
        self.facts: list[Fact] = []
        self.get = tables.get
        self.put = tables.put
        self.delete = tables.delete
        self.items = tables.items

    # Blocks

    def find(self, key: bytes) -> Entry | None:
        raw = self._tables.get("blocks", key)
        return None if raw is None else Entry(*_ENTRY.unpack(raw))

    def add_block(self, key: bytes, entry: Entry) -> None:
        self._tables.put("blocks", key, _ENTRY.pack(*entry))
        self._count(entry, +1)

    def touch(self, key: bytes, entry: Entry, epoch: int) -> None:
        """Mark a block as put again in this epoch."""
        if entry.epoch != epoch:
            self._tables.put("blocks", key, _ENTRY.pack(*entry._replace(epoch=epoch)))

    def remove_block(self, key: bytes, entry: Entry) -> None:
        self._tables.delete("blocks", key)
        self._count(entry, -1)
        self.bump(REMOVALS)

    def move_block(self, key: bytes, old: Entry, new: Entry) -> bool:
        """Point to a copy of the block; False if the block is no longer where the copy was made from."""
        found = self.find(key)
        if found is None or (found.pack, found.offset) != (old.pack, old.offset):
            return False
        self._count(found, -1)
        self.add_block(key, new._replace(epoch=max(new.epoch, found.epoch)))
        return True

    # Packs

    def pack(self, number: int) -> PackFacts | None:
        if number in self._packs:
            return self._packs[number]
        raw = self._tables.get("packs", pack_key(number))
        return None if raw is None else PackFacts(*_PACK.unpack(raw))

    def set_pack(self, number: int, **facts: int) -> None:
        self._packs[number] = (self.pack(number) or PackFacts(0))._replace(**facts)

    def remove_pack(self, number: int) -> None:
        self._packs.pop(number, None)
        self._tables.delete("packs", pack_key(number))

    def _count(self, entry: Entry, sign: int) -> None:
        old = self.pack(entry.pack) or PackFacts(0)
        self._packs[entry.pack] = old._replace(
            live_blocks=old.live_blocks + sign,
            live_bytes=old.live_bytes + sign * entry.length,
            live_record_bytes=old.live_record_bytes + sign * entry.record_bytes,
        )

    # Counters and kept tables

    @property
    def is_synced(self) -> bool:
        """Whether the ledger is to be on disk before the transaction."""
        return any(fact.table not in UNHURRIED for fact in self.facts)

    def counter(self, name: bytes) -> int:
        raw = self._tables.get("meta", name)
        return 0 if raw is None else int(_COUNTER.unpack(raw)[0])

    def set_counter(self, name: bytes, value: int) -> None:
        self._tables.put("meta", name, _COUNTER.pack(value))

    def bump(self, name: bytes) -> int:
        """Count one further; returns the new value."""
        value = self.counter(name) + 1
        self.set_counter(name, value)
        return value

    def keep(self, table: str, key: bytes, value: bytes | None) -> None:
        """Set (or with None remove) an entry of a kept table, here and in the ledger."""
        if value is None:
            self._tables.delete(table, key)
        else:
            self._tables.put(table, key, value)
        self.facts.append(Fact(table, key, value))

    def settle(self) -> None:
        """Write what was gathered; the last act of a transaction."""
        for number, facts in self._packs.items():
            self._tables.put("packs", pack_key(number), _PACK.pack(*facts))


def pack_key(number: int) -> bytes:
    return number.to_bytes(4, "big")


def storage_error(error: Exception) -> Exception:
    """StorageFull for the errors that mean so, any other as it is."""
    full = isinstance(error, lmdb.DiskError) or (isinstance(error, OSError) and error.errno in _FULL)
    if not full and isinstance(error, lmdb.Error):
        full = any(os.strerror(code) in str(error) for code in _FULL)
    return StorageFull("the store's disk has no room for this content") if full else error
