"""A file at the other end of a pipe, as FFmpeg reads it: in pieces, from anywhere, with little held.

[read] -> block that is held? -> ask for it, and for some after it where reading goes forward
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["BLOCK_BYTES", "RemoteFile"]

# What one message of the bus carries.
BLOCK_BYTES = 512 * 1024
HELD_BLOCKS = 32
MAX_AHEAD_BLOCKS = 4

Fetch = Callable[[int, int], bytes]


class RemoteFile:
    """`fetch(offset, length)` gives bytes of the file. At most 16 MiB are held, those that were read last.

    Whoever reads forward gets more at once, up to 2 MiB; whoever jumps gets one block.
    """

    def __init__(self, size_bytes: int, fetch: Fetch) -> None:
        self.size_bytes = size_bytes
        self._fetch = fetch
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._last_fetched = -2
        self._ahead = 1

    def read(self, size: int = -1) -> bytes:
        end = self.size_bytes if size < 0 else min(self._at + size, self.size_bytes)
        if self._at >= end:
            return b""
        block = self._block(self._at // BLOCK_BYTES)
        start = self._at % BLOCK_BYTES
        piece = block[
            start : start + end - self._at
        ]  # fewer than asked for where a block ends: FFmpeg asks on
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("a position before the file")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def _block(self, number: int) -> bytes:
        held = self._blocks.get(number)
        if held is not None:
            self._blocks.move_to_end(number)
            return held
        self._ahead = min(self._ahead * 2, MAX_AHEAD_BLOCKS) if number == self._last_fetched + 1 else 1
        first = number * BLOCK_BYTES
        got = self._fetch(first, min(self._ahead * BLOCK_BYTES, self.size_bytes - first))
        count = -(-len(got) // BLOCK_BYTES)
        for each in range(count):
            self._blocks[number + each] = got[each * BLOCK_BYTES : (each + 1) * BLOCK_BYTES]
        self._last_fetched = number + count - 1
        while len(self._blocks) > HELD_BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]
