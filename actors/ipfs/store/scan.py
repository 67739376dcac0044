"""Reads a pack from front to back, without an index: for compaction and rebuilding."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from ....schemas.cid import CID, SHA2_256
from ....schemas.errors import BadRequest
from ....schemas.varint import VarintError, read_varint
from .packs import HEADER, PackFile

# Enough for any record's varint and CID.
HEAD_BYTES = 256
WINDOW_BYTES = 64 * 1024
SMALL_BYTES = 16 * 1024
# Longer records are not looked for when the place of the next one is lost.
MAX_LOST_BYTES = 4 << 20
_SHA256 = bytes((SHA2_256, 32))


class Record(NamedTuple):
    """A record of a pack: it begins `head` bytes before its data, which are `length` bytes at `offset`."""

    cid: CID
    offset: int
    length: int
    head: int

    @property
    def start(self) -> int:
        return self.offset - self.head

    @property
    def end(self) -> int:
        return self.offset + self.length


class Damage(NamedTuple):
    """A place that is not a record, and where reading goes on: the next whole record, or the end."""

    start: int
    end: int


def scan(pack: PackFile) -> Iterator[Record | Damage]:
    """Every record, as framed: whether its data match its CID is for the caller to check."""
    size = os.fstat(pack.fd).st_size
    at, window, window_at, wanted = len(HEADER), b"", 0, WINDOW_BYTES
    while at < size:
        if not window_at <= at <= window_at + len(window) - HEAD_BYTES:
            window, window_at = pack.read(at, wanted), at
        found = parse_record(window, at - window_at, at, size) or Damage(at, _next_whole(pack, at + 1, size))
        yield found
        wanted = WINDOW_BYTES if found.end - at < SMALL_BYTES else HEAD_BYTES
        at = found.end


def parse_record(raw: bytes, inside: int, at: int, size: int) -> Record | None:
    """The record that begins `inside` these bytes, which is at `at` in a pack of `size` bytes."""
    try:
        length, cid_at = read_varint(raw, inside)
        cid, end = CID.read(raw, cid_at)
    except (VarintError, BadRequest):
        return None
    head = end - inside
    data_bytes = length - (end - cid_at)
    if data_bytes < 0 or at + head + data_bytes > size:
        return None
    return Record(cid, at + head, data_bytes, head)


def _next_whole(pack: PackFile, at: int, size: int) -> int:
    """Where the next record begins whose data match its SHA2-256 CID, or the end of the pack."""
    for found in _hashes(pack, at, size):
        for cid_at in (found, found - 2, found - 3):
            for start in range(cid_at - 1, max(at, cid_at - 5) - 1, -1):
                record = parse_record(pack.read(start, HEAD_BYTES), 0, start, size)
                if record and record.end - record.length == found + 34 and _is_whole(pack, record):
                    return start
    return size


def _hashes(pack: PackFile, at: int, size: int) -> Iterator[int]:
    """Every place that may be a SHA2-256 multihash."""
    while at < size:
        window = pack.read(at, 1 << 20)
        inside = window.find(_SHA256)
        while inside >= 0:
            yield at + inside
            inside = window.find(_SHA256, inside + 1)
        at += max(len(window) - 1, 1)


def _is_whole(pack: PackFile, record: Record) -> bool:
    if record.length > MAX_LOST_BYTES:
        return False
    return record.cid.matches(pack.read(record.offset, record.length))
