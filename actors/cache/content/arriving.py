"""Content while it arrives: whole in memory or in a temporary file, both with a bound over all that run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from .disk import DiskTier
from .source import PIECE_BYTES
from .spool import Spool

__all__ = ["Arrivals", "Arriving", "Buffered", "Spooled"]


# How long no temporary file is tried after one could not be written.
PAUSE_S: Final = 60.0
_log = logging.getLogger(__name__)


class Arriving(Protocol):
    """Written in order by one, read behind it by many; `close` gives the room back."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def written(self) -> int:
        """How much may be read."""

    async def write(self, data: bytes | memoryview) -> None: ...

    async def read(self, offset: int, length: int) -> bytes | memoryview: ...

    def close(self) -> None: ...


class Arrivals:
    """Gives what arrives a place: memory up to `buffer_bytes` each, the disk tier's folder otherwise.

    `memory_bytes` and `spool_bytes` bound all that are open at once.
    """

    def __init__(
        self, *, buffer_bytes: int, memory_bytes: int, spool_bytes: int, disk: DiskTier | None
    ) -> None:
        self.memory_used = self.spool_used = 0
        self._buffer_bytes = buffer_bytes
        self._memory_bytes = memory_bytes
        self._spool_bytes = spool_bytes
        self._disk = disk
        self._spools_again_at = 0.0

    async def make(self, size_bytes: int) -> Arriving | None:
        """A place for content of this size; None if there is no room now or no tier could keep it."""
        fits_memory = self.memory_used + size_bytes <= self._memory_bytes
        if fits_memory and size_bytes <= self._buffer_bytes:
            self.memory_used += size_bytes
            return Buffered(size_bytes, self._give_memory_back)
        if self._disk is None or not self._disk.holds(size_bytes):
            return None
        if asyncio.get_running_loop().time() < self._spools_again_at:
            return None
        if self.spool_used + size_bytes > self._spool_bytes:
            return None
        self.spool_used += size_bytes
        try:
            return Spooled(self._disk, await self._disk.new_spool(), size_bytes, self._give_spool_back)
        except OSError as error:
            self.cannot_write(error)
            self.spool_used -= size_bytes
            return None
        except BaseException:
            self.spool_used -= size_bytes
            raise

    def cannot_write(self, error: OSError) -> None:
        """The disk is full, or worse: content passes through for a while, so that it is served at all."""
        _log.error("the cache cannot write to its folder: %s", error)
        self._spools_again_at = asyncio.get_running_loop().time() + PAUSE_S

    def _give_memory_back(self, size_bytes: int) -> None:
        self.memory_used -= size_bytes

    def _give_spool_back(self, size_bytes: int) -> None:
        self.spool_used -= size_bytes


class Buffered:
    """Content in memory."""

    def __init__(self, size_bytes: int, give_back: Callable[[int], None]) -> None:
        self.size_bytes = size_bytes
        self.written = 0
        self._data: bytearray | bytes = bytearray(size_bytes)
        self._give_back: Callable[[int], None] | None = give_back

    async def write(self, data: bytes | memoryview) -> None:
        assert isinstance(self._data, bytearray)
        self._data[self.written : self.written + len(data)] = data
        self.written += len(data)

    async def read(self, offset: int, length: int) -> bytes:
        return bytes(memoryview(self._data)[offset : offset + length])

    def whole(self) -> bytes:
        """All of it, once it is all here; readers share it from now on."""
        if isinstance(self._data, bytearray):
            self._data = bytes(self._data)
        return self._data

    def close(self) -> None:
        if self._give_back is not None:
            self._give_back(self.size_bytes)
            self._give_back = None
            self._data = b""


class Spooled:
    """Content in a temporary file of the disk tier.

    What was written last is at hand too, up to 512 KiB: who keeps up with the writer needs no file for it.
    """

    def __init__(
        self, disk: DiskTier, spool: Spool, size_bytes: int, give_back: Callable[[int], None]
    ) -> None:
        self.size_bytes = size_bytes
        self.written = 0
        self.spool = spool
        self._last: memoryview | bytes = b""
        self._disk = disk
        self._give_back: Callable[[int], None] | None = give_back

    async def write(self, data: bytes | memoryview) -> None:
        await self._disk.run(self.spool.write, data)
        self._last = data[-PIECE_BYTES:]
        self.written = self.spool.size_bytes

    async def read(self, offset: int, length: int) -> bytes:
        start = offset - (self.written - len(self._last))
        if start >= 0:
            return bytes(self._last[start : start + length])
        return await self._disk.run(self.spool.read, offset, length)

    def close(self) -> None:
        if self._give_back is not None:
            self._give_back(self.size_bytes)
            self._give_back = None
            self._last = b""
            self.spool.close()
