"""Sealed values: content with a checksum for every 64 KiB, so that a range is checked by its chunks alone.

    content | XXH3-64 of each chunk, 8 bytes each | footer of 40 bytes

The footer is a mark, the content's size, the size of a chunk, and a seal: the XXH3-128 of the key, the
checksums and the footer's other fields. So any changed byte is found, and a value under another key is too.
XXH3 finds damage; it does not stop somebody who can write to the folder.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import xxhash

__all__ = ["CHUNK_BYTES", "Damaged", "Sealer", "SealedValue", "content_bytes", "sealed_bytes"]

CHUNK_BYTES: Final = 64 << 10
MARK: Final = b"cidbusC1"
_FOOTER: Final = struct.Struct("<8sQQ16s")
_SUM_BYTES: Final = 8

# Reads (offset, length) of the stored bytes; fewer if they end there.
ReadAt = Callable[[int, int], bytes]


class Damaged(Exception):
    """A stored value does not match its checksums."""


def sealed_bytes(size_bytes: int) -> int:
    """What content of a size takes when it is sealed."""
    return size_bytes + _chunks(size_bytes) * _SUM_BYTES + _FOOTER.size


def content_bytes(stored_bytes: int) -> int | None:
    """The size of the content in a sealed value, or None if no content seals to so many bytes."""
    rest = stored_bytes - _FOOTER.size
    whole, part = divmod(rest, CHUNK_BYTES + _SUM_BYTES)
    size_bytes = whole * CHUNK_BYTES + max(0, part - _SUM_BYTES)
    return size_bytes if rest >= 0 and sealed_bytes(size_bytes) == stored_bytes else None


class Sealer:
    """Computes the checksums of content while it is written."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._sums = bytearray()
        self._hash = xxhash.xxh3_64()

    def update(self, data: bytes | memoryview) -> None:
        """The next bytes of the content."""
        view = memoryview(data)
        while view:
            part = view[: CHUNK_BYTES - self.size_bytes % CHUNK_BYTES]
            self._hash.update(part)
            self.size_bytes += len(part)
            if self.size_bytes % CHUNK_BYTES == 0:
                self._end_chunk()
            view = view[len(part) :]

    def trailer(self, key: str) -> bytes:
        """What follows the content; the last call."""
        if self.size_bytes % CHUNK_BYTES:
            self._end_chunk()
        sums = bytes(self._sums)
        return sums + _FOOTER.pack(MARK, self.size_bytes, CHUNK_BYTES, _seal(key, sums, self.size_bytes))

    def _end_chunk(self) -> None:
        self._sums += self._hash.digest()
        self._hash.reset()


class SealedValue:
    """Reads and checks a sealed value of `stored_bytes` bytes; raises Damaged if its end is not right."""

    def __init__(self, key: str, stored_bytes: int, read_at: ReadAt) -> None:
        self._read_at = read_at
        size_bytes = content_bytes(stored_bytes)
        if size_bytes is None:
            raise Damaged(f"{stored_bytes} bytes are no sealed value")
        self.size_bytes = size_bytes
        trailer = read_at(size_bytes, stored_bytes - size_bytes)
        if len(trailer) != stored_bytes - size_bytes:
            raise Damaged("it is cut short")
        self._sums, footer = trailer[: -_FOOTER.size], trailer[-_FOOTER.size :]
        if footer != _FOOTER.pack(MARK, size_bytes, CHUNK_BYTES, _seal(key, self._sums, size_bytes)):
            raise Damaged("the seal is broken")

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """The bytes of a range that lies within the content; raises Damaged if one of its chunks is wrong."""
        if length <= 0:
            return b""
        first, last = offset // CHUNK_BYTES, (offset + length - 1) // CHUNK_BYTES
        start = first * CHUNK_BYTES
        found = self._read_at(start, min(self.size_bytes, (last + 1) * CHUNK_BYTES) - start)
        view = memoryview(found)
        for number in range(first, last + 1):
            chunk = view[number * CHUNK_BYTES - start :][:CHUNK_BYTES]
            expected = self._sums[number * _SUM_BYTES :][:_SUM_BYTES]
            if xxhash.xxh3_64_digest(chunk) != expected:
                raise Damaged(f"chunk {number} is wrong")
        if len(found) == length:
            return found
        return view[offset - start :][:length]


def _chunks(size_bytes: int) -> int:
    return -(-size_bytes // CHUNK_BYTES)


def _seal(key: str, sums: bytes, size_bytes: int) -> bytes:
    seal = xxhash.xxh3_128(key.encode())
    seal.update(struct.pack("<QQ", size_bytes, CHUNK_BYTES))
    seal.update(sums)
    digest: bytes = seal.digest()
    return digest
