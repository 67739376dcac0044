"""Named roots: names that keep a DAG from collection as far as it is here, until they are let go or end.

A pin promises that a DAG is whole; a named root only keeps. So it is set without a walk, in the transaction
that stores the blocks, and a block that is missing below it is nobody's error. As with pins, the serial says
how new a root is: a collection walks those that are newer than its mark before it goes on.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from ....schemas.cid import CID
from .ends import due_ends, end_key, name_of_end
from .index import PINS_VERSION, Change, Index
from .upkeep import Upkeep

__all__ = ["RootRecord", "Roots", "live_roots", "remove_root", "restore_root", "write_root"]

_HEAD = struct.Struct(">Qd")
_SERIAL = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class RootRecord:
    """One named root; without `expires_at` (Unix seconds) it holds until it is removed."""

    name: str
    cid: CID
    expires_at: float | None = None
    serial: int = field(default=0, compare=False)

    def is_live(self, now: float) -> bool:
        return self.expires_at is None or self.expires_at > now

    @property
    def key(self) -> bytes:
        return self.name.encode()

    def to_bytes(self) -> bytes:
        end = math.inf if self.expires_at is None else self.expires_at
        return _HEAD.pack(self.serial, end) + bytes(self.cid)

    @staticmethod
    def from_bytes(key: bytes, raw: bytes) -> RootRecord:
        serial, end = _HEAD.unpack_from(raw)
        cid = CID.from_bytes(raw[_HEAD.size :])
        return RootRecord(key.decode(), cid, None if end == math.inf else end, serial)


class Roots:
    """The named roots of a store, those of all its processes. Everything is durable when it returns."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self._index = upkeep.index

    def get(self, name: str) -> RootRecord | None:
        """The root of a name, unless it has ended."""
        raw = self._index.get("roots", name.encode())
        root = raw and RootRecord.from_bytes(name.encode(), raw)
        return root if root and root.is_live(self._upkeep.clock()) else None

    def list(self, prefix: str = "", after: str = "") -> Iterator[RootRecord]:
        """The live roots whose names begin with `prefix` and follow `after`, in the order of names.

        Read in pages: roots that come or go meanwhile may or may not be told.
        """
        now, start = self._upkeep.clock(), max(prefix, after)
        if start > after and (first := self.get(start)) is not None:
            yield first
        for key, raw in self._index.entries("roots", start.encode()):
            if not key.startswith(prefix.encode()):
                return
            if (root := RootRecord.from_bytes(key, raw)).is_live(now):
                yield root

    def count(self) -> int:
        """How many there are, with those that have ended and are not yet removed."""
        return self._index.count("roots")

    async def set(self, root: RootRecord) -> None:
        """Keep a DAG under a name, in place of what the name kept."""
        await self._upkeep.committer.change(lambda change: write_root(change, root))

    async def remove(self, names: Iterable[str]) -> int:
        """Let names go; returns how many of them were live roots."""
        wanted, now = set(names), self._upkeep.clock()
        return await self._upkeep.committer.change(
            lambda change: sum(remove_root(change, name, now) for name in wanted)
        )

    async def expire_due(self, now: float | None = None) -> int:
        """Remove the roots whose end has come; returns how many."""
        moment = self._upkeep.clock() if now is None else now
        removed = 0
        while due := due_ends(self._index, "root_ends", moment):
            removed += await self._upkeep.committer.change(partial(_remove_due, due, moment))
        return removed


def live_roots(index: Index, now: float, *, after_serial: int = -1) -> Iterator[RootRecord]:
    """The roots that keep something at this moment and were set after a pins_version, the oldest first."""
    after = b"" if after_serial < 0 else _SERIAL.pack(after_serial)
    for _, name in index.entries("root_serials", after):
        raw = index.get("roots", name)
        if raw is not None and (root := RootRecord.from_bytes(name, raw)).is_live(now):
            yield root


# Inside a transaction


def write_root(change: Change, root: RootRecord) -> None:
    """Set a root."""
    _forget(change, root.key)
    root = replace(root, serial=change.bump(PINS_VERSION))
    change.keep("roots", root.key, root.to_bytes())
    _remember(change, root)


def remove_root(change: Change, name: str, now: float) -> bool:
    """Remove a root; whether it was there and had not ended."""
    old = _forget(change, name.encode())
    if old is None:
        return False
    change.keep("roots", old.key, None)
    return old.is_live(now)


def restore_root(change: Change, key: bytes, raw: bytes | None) -> None:
    """Set a root again as the ledger tells it, or remove it; for a rebuild."""
    _forget(change, key)
    if raw is None:
        change.delete("roots", key)
        return
    root = RootRecord.from_bytes(key, raw)
    change.put("roots", key, raw)
    change.set_counter(PINS_VERSION, max(root.serial, change.counter(PINS_VERSION)))
    _remember(change, root)


def _remember(change: Change, root: RootRecord) -> None:
    change.put("root_serials", _SERIAL.pack(root.serial), root.key)
    if root.expires_at is not None:
        change.put("root_ends", end_key(root.expires_at, root.key), b"")


def _forget(change: Change, key: bytes) -> RootRecord | None:
    """Take what is known of a name out of the lists beside `roots`; returns what the name kept."""
    raw = change.get("roots", key)
    if raw is None:
        return None
    old = RootRecord.from_bytes(key, raw)
    change.delete("root_serials", _SERIAL.pack(old.serial))
    if old.expires_at is not None:
        change.delete("root_ends", end_key(old.expires_at, key))
    return old


def _remove_due(due: list[bytes], now: float, change: Change) -> int:
    removed = 0
    for end in due:
        name = name_of_end(end)
        raw = change.get("roots", name)
        change.delete("root_ends", end)
        if raw is not None and not RootRecord.from_bytes(name, raw).is_live(now):
            remove_root(change, name.decode(), now)
            removed += 1
    return removed
