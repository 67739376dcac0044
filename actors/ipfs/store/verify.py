"""Reads every block of a store and checks it against its hash."""

from __future__ import annotations

import threading
import time

from ....schemas.errors import NotSupported
from ....schemas.ipfs import BadBlock, Verified
from .index import Entry
from .reach import Stopped
from .upkeep import Upkeep

MAX_BAD = 1000


def verify(upkeep: Upkeep, stop: threading.Event) -> Verified:
    """Check everything that is stored when this begins. Runs in a worker thread."""
    began = time.monotonic()
    blocks = size_bytes = bad_blocks = 0
    bad: list[BadBlock] = []
    for page in upkeep.index.blocks():
        # In the order of the disk, as far as a page goes.
        for key, entry in sorted(page, key=lambda item: item[1][:2]):
            if stop.is_set():
                raise Stopped
            blocks += 1
            size_bytes += entry.length
            problem = _problem(upkeep, key, entry)
            if problem is not None:
                bad_blocks += 1
                if len(bad) < MAX_BAD:
                    bad.append(BadBlock(cid=str(entry.cid(key)), problem=problem))
    return Verified(
        checked_blocks=blocks,
        checked_bytes=size_bytes,
        bad_blocks=bad_blocks,
        bad=bad,
        duration_s=time.monotonic() - began,
    )


def _problem(upkeep: Upkeep, key: bytes, entry: Entry | None) -> str | None:
    while entry is not None:
        data = upkeep.blocks.read_entry(entry)
        if data is not None and _matches(entry, key, data):
            return None
        again = upkeep.index.find(key)
        if again is not None and (again.pack, again.offset) == (entry.pack, entry.offset):
            upkeep.blocks.damaged.add(key)
            return "is damaged or missing on disk" if data is None else "does not match its hash"
        entry = again
    return None  # collected meanwhile


def _matches(entry: Entry, key: bytes, data: bytes) -> bool:
    try:
        return entry.cid(key).matches(data)
    except NotSupported:
        return True  # a hash that is not computed here; the checksum did match
