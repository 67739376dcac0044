"""Pins: what collection keeps. A pin is recursive (the whole DAG) or direct (one block); it may have a name
and an end.

A DAG has at most one pin, under its CID in version 1. An expired pin is as good as none: it is not listed and
protects nothing. Each pin is kept with a `serial`, the pins_version when it was made, by which a running
collection finds the pins that are newer than its mark.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, repeat
from typing import TypeVar

import orjson

from ....schemas.cid import CID, RAW
from ....schemas.errors import Conflict, NotFound
from ....schemas.ipfs import PinMode
from .ends import due_ends, end_key, name_of_end
from .index import PINS_VERSION, REMOVALS, Change, Index
from .upkeep import Upkeep

T = TypeVar("T")
Pairs = list[tuple[CID | None, CID]]

# How often a walk that a collection has overtaken is made again before collections are kept away.
FREE_WALKS = 3


@dataclass(frozen=True, slots=True)
class PinRecord:
    """One pin. Times are Unix seconds; without `expires_at` it holds until it is removed, and without
    `created_at` it is made when it is written."""

    cid: CID
    mode: PinMode = "recursive"
    name: str | None = None
    expires_at: float | None = None
    created_at: float = field(default=0.0, compare=False)
    serial: int = field(default=0, compare=False)

    def is_live(self, now: float) -> bool:
        return self.expires_at is None or self.expires_at > now

    @property
    def key(self) -> bytes:
        return pin_key(self.cid)

    def to_bytes(self) -> bytes:
        return orjson.dumps(
            {
                "cid": bytes(self.cid).hex(),
                "mode": self.mode,
                "name": self.name,
                "expires_at": self.expires_at,
                "created_at": self.created_at,
                "serial": self.serial,
            }
        )

    @staticmethod
    def from_bytes(raw: bytes) -> PinRecord:
        said = orjson.loads(raw)
        return PinRecord(**(said | {"cid": CID.from_bytes(bytes.fromhex(said["cid"]))}))


class Pins:
    """The pins of a store, those of all its processes. Everything is durable when it returns."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep
        self._index = upkeep.index

    # Reading

    def get(self, cid: CID) -> PinRecord | None:
        """The live pin of a DAG."""
        raw = self._index.get("pins", pin_key(cid))
        pin = raw and PinRecord.from_bytes(raw)
        return pin if pin and pin.is_live(self._upkeep.clock()) else None

    def list(
        self, *, mode: PinMode | None = None, name: str | None = None, cid: CID | None = None
    ) -> Iterator[PinRecord]:
        """The live pins of one mode, name or DAG, or all; in the order of their CIDs' bytes.

        Read in pages: pins that come or go meanwhile may or may not be told.
        """
        if cid is not None:
            found = self.get(cid)
            pins = iter([found] if found else [])
        else:
            pins = live_pins(self._index, self._upkeep.clock())
        for pin in pins:
            if mode in (None, pin.mode) and name in (None, pin.name):
                yield pin

    def count(self) -> int:
        """How many pins there are, with those that have expired and are not yet removed."""
        return self._index.count("pins")

    # Changing

    async def add(self, pin: PinRecord) -> PinRecord:
        """Pin content that is here; returns the pin as it holds now.

        A recursive pin replaces a direct one; a pin made again takes the new name (if given) and end.
        Raises NotFound("block") for the first block that is missing, Conflict for a direct pin on what is
        pinned recursively, and what reading links raises. Walks the DAG unless it is pinned already.
        """
        now = self._upkeep.clock()
        if pin.mode == "direct":
            return await self._change(lambda change: _write_direct(change, pin, now))
        held = await self._change(lambda change: _renew(change, pin, now))
        return held or await self._after_walk(
            lambda stop: self._walk(pin.cid, stop), lambda change: write_pin(change, pin, now)
        )

    async def remove(self, cid: CID) -> PinRecord:
        """Unpin; returns the pin that was. Raises NotFound("pin")."""
        now = self._upkeep.clock()
        return await self._change(lambda change: _remove(change, cid, now))

    async def update(self, from_cid: CID, to_cid: CID, *, unpin: bool = True) -> PinRecord:
        """Pin `to_cid` with the name and end of the recursive pin on `from_cid`, which is removed if `unpin`.

        Walks only what `to_cid` adds. Raises NotFound("pin") if there is no such pin, NotFound("block") if
        the new DAG is not all here.
        """
        now = self._upkeep.clock()
        _recursive(self.get(from_cid), from_cid)

        def move(change: Change) -> PinRecord:
            old = _recursive(_read(change, from_cid, now), from_cid)
            new = write_pin(change, replace(old, cid=to_cid, created_at=now), now)
            if unpin and old.key != new.key:
                _delete(change, old)
            return new

        return await self._after_walk(lambda stop: self._walk_new(from_cid, to_cid, stop), move)

    async def expire_due(self, now: float | None = None) -> Sequence[PinRecord]:
        """Remove the pins whose end has come; returns them."""
        moment = self._upkeep.clock() if now is None else now
        removed: Sequence[PinRecord] = []
        while due := due_ends(self._index, "expiry", moment):
            removed = [*removed, *await self._change(partial(_remove_due, due, moment))]
        return removed

    # Walking

    async def _after_walk(
        self, walk: Callable[[threading.Event], None], change: Callable[[Change], PinRecord]
    ) -> PinRecord:
        """Walk, then change, unless blocks were removed meanwhile: the walk may have seen them."""
        for _ in range(FREE_WALKS):
            removals = self._index.counter(REMOVALS)
            await self._upkeep.run(walk)
            if (done := await self._change(partial(_unless_removed, removals, change))) is not None:
                return done
        async with self._upkeep.no_collection():
            await self._upkeep.run(walk)
            return await self._change(change)

    def _walk(self, root: CID, stop: threading.Event) -> None:
        with self._upkeep.seen() as seen:
            for _ in self._upkeep.reach(seen, stop).walk(root):
                pass

    def _walk_new(self, old_root: CID, new_root: CID, stop: threading.Event) -> None:
        """Walk what `new_root` reaches and `old_root` does not, pairing their blocks from the top."""
        with self._upkeep.seen() as seen:
            reach = self._upkeep.reach(seen, stop)
            waiting: Pairs = [(old_root, new_root)]
            while waiting:
                old, new = waiting.pop()
                if old is None or old.codec == RAW:
                    for _ in reach.walk(new):
                        pass
                elif old != new and reach.enter(new) and new.codec != RAW:
                    waiting += _pairs(reach.links(old), reach.links(new))

    async def _change(self, change: Callable[[Change], T]) -> T:
        return await self._upkeep.committer.change(change)


def _pairs(old: list[CID], new: list[CID]) -> Iterator[tuple[CID | None, CID]]:
    """New links, each with the old link that it may be a later state of; links in both are left out."""
    kept = set(old) & set(new)
    gone = [link for link in old if link not in kept]
    fresh = [link for link in new if link not in kept]
    return zip(chain(gone, repeat(None)), fresh, strict=False)


def live_pins(index: Index, now: float, *, after_serial: int = -1) -> Iterator[PinRecord]:
    """The pins that protect something at this moment, or those of them made after a pins_version."""
    for _, raw in index.entries("pins"):
        pin = PinRecord.from_bytes(raw)
        if pin.is_live(now) and pin.serial > after_serial:
            yield pin


def pin_key(cid: CID) -> bytes:
    return bytes(cid.to_v1())


def restore_pin(change: Change, key: bytes, raw: bytes | None) -> None:
    """Set a pin again as the ledger tells it, or remove it; for a rebuild."""
    _forget_end(change, key)
    if raw is None:
        change.delete("pins", key)
        return
    pin = PinRecord.from_bytes(raw)
    change.put("pins", key, raw)
    change.set_counter(PINS_VERSION, max(pin.serial, change.counter(PINS_VERSION)))
    if pin.expires_at is not None:
        change.put("expiry", end_key(pin.expires_at, key), b"")


# Inside a transaction


def write_pin(change: Change, pin: PinRecord, now: float) -> PinRecord:
    """Set a pin on content that is known to be here; returns the pin as it holds now.

    A live pin keeps its age, its name if there is no new one, and its mode if that is recursive.
    """
    old = _read(change, pin.cid, now)
    if old is not None:
        mode: PinMode = "recursive" if "recursive" in (old.mode, pin.mode) else "direct"
        pin = replace(pin, mode=mode, name=pin.name or old.name, created_at=old.created_at)
    pin = replace(pin, created_at=pin.created_at or now, serial=change.bump(PINS_VERSION))
    _forget_end(change, pin.key)
    change.keep("pins", pin.key, pin.to_bytes())
    if pin.expires_at is not None:
        change.put("expiry", end_key(pin.expires_at, pin.key), b"")
    return pin


def require_block(change: Change, cid: CID) -> None:
    """Raises NotFound(what="block") if a block is not here."""
    if not cid.is_identity and change.find(cid.multihash) is None:
        raise NotFound("block", str(cid))


def _write_direct(change: Change, pin: PinRecord, now: float) -> PinRecord:
    old = _read(change, pin.cid, now)
    if old is not None and old.mode == "recursive":
        raise Conflict("already pinned recursively", cid=str(pin.cid))
    require_block(change, pin.cid)
    return write_pin(change, pin, now)


def _renew(change: Change, pin: PinRecord, now: float) -> PinRecord | None:
    """Set the pin without a walk, if the DAG has a live recursive one already."""
    old = _read(change, pin.cid, now)
    return write_pin(change, pin, now) if old is not None and old.mode == "recursive" else None


def _unless_removed(removals: int, write: Callable[[Change], PinRecord], change: Change) -> PinRecord | None:
    return write(change) if change.counter(REMOVALS) == removals else None


def _remove(change: Change, cid: CID, now: float) -> PinRecord:
    old = _read(change, cid, now)
    if old is None:
        raise NotFound("pin", str(cid))
    _delete(change, old)
    return old


def _remove_due(due: list[bytes], now: float, change: Change) -> list[PinRecord]:
    removed = []
    for end in due:
        raw = change.get("pins", name_of_end(end))
        change.delete("expiry", end)
        if raw is not None and not (pin := PinRecord.from_bytes(raw)).is_live(now):
            _delete(change, pin)
            removed.append(pin)
    return removed


def _read(change: Change, cid: CID, now: float) -> PinRecord | None:
    raw = change.get("pins", pin_key(cid))
    pin = raw and PinRecord.from_bytes(raw)
    return pin if pin and pin.is_live(now) else None


def _recursive(pin: PinRecord | None, cid: CID) -> PinRecord:
    if pin is None or pin.mode != "recursive":
        raise NotFound("pin", str(cid))
    return pin


def _delete(change: Change, pin: PinRecord) -> None:
    _forget_end(change, pin.key)
    change.keep("pins", pin.key, None)


def _forget_end(change: Change, key: bytes) -> None:
    raw = change.get("pins", key)
    if raw is not None and (end := PinRecord.from_bytes(raw).expires_at) is not None:
        change.delete("expiry", end_key(end, key))
