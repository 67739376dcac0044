"""A table from 16-byte digests to numbers, for millions of them: 24 bytes a slot, at most two thirds filled.

Python's own dict takes six times as much. Digests are spread evenly already, so the first bytes of one say
where it lies; slots that are taken are passed by.
"""

from __future__ import annotations

import struct

__all__ = ["DigestTable", "DIGEST_BYTES"]

DIGEST_BYTES = 16
_SLOT = struct.Struct(">16sQ")
_FIRST_SLOTS = 1 << 10


class DigestTable:
    """Digests and a number above 0 for each; the larger number stays where a digest comes twice."""

    def __init__(self) -> None:
        self._slots = bytearray(_FIRST_SLOTS * _SLOT.size)
        self._mask = _FIRST_SLOTS - 1
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        return len(self._slots)

    def get(self, digest: bytes) -> int:
        """The number of a digest, 0 if it is not here."""
        return self._find(digest)[1]

    def put(self, digest: bytes, number: int) -> None:
        slot, before = self._find(digest)
        if number <= before:
            return
        _SLOT.pack_into(self._slots, slot * _SLOT.size, digest, number)
        if not before:
            self._count += 1
            if self._count * 3 > (self._mask + 1) * 2:
                self._grow()

    def _find(self, digest: bytes) -> tuple[int, int]:
        """The slot of a digest, or the free one where it belongs, and its number."""
        slot = int.from_bytes(digest[:8], "big") & self._mask
        while True:
            held, number = _SLOT.unpack_from(self._slots, slot * _SLOT.size)
            if not number or held == digest:
                return slot, number
            slot = (slot + 1) & self._mask

    def _grow(self) -> None:
        before = self._slots
        self._slots = bytearray(2 * len(before))
        self._mask = 2 * self._mask + 1
        for held, number in _SLOT.iter_unpack(before):
            if number:
                slot, _ = self._find(held)
                _SLOT.pack_into(self._slots, slot * _SLOT.size, held, number)
