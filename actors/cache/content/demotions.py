"""Demotions: content on its way from the memory tier to the disk tier, written in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from .disk import DiskTier
from .memory import Evicted

__all__ = ["Demotions"]

# What may wait to be written; the memory tier is evicting faster than the disk writes if it is not enough.
WAITING_BYTES: Final = 16 << 20
AT_ONCE: Final = 64


class Demotions:
    """Content stays readable here until it is on disk; `done(key, kept)` is called then."""

    def __init__(self, disk: DiskTier, done: Callable[[str, bool], None]) -> None:
        self.written = self.dropped = 0
        self._disk = disk
        self._done = done
        self._waiting: dict[str, bytes] = {}
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None

    def keys(self) -> list[str]:
        """What waits to be written."""
        return list(self._waiting)

    def get(self, key: str) -> bytes | None:
        """Content that is not on disk yet."""
        return self._waiting.get(key)

    def offer(self, evicted: Evicted) -> bool:
        """Have content written; False if it is too large for the disk or too much waits already."""
        key, data = evicted
        if key in self._waiting:
            return True
        if not self._disk.holds(len(data)):
            return False
        if self._waiting_bytes + len(data) > WAITING_BYTES:
            self.dropped += 1
            return False
        self._waiting[key] = data
        self._waiting_bytes += len(data)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write(), name="cache demotions")
        return True

    def remove(self, key: str) -> bool:
        """Do not keep this after all; False if it does not wait."""
        data = self._waiting.pop(key, None)
        if data is None:
            return False
        self._waiting_bytes -= len(data)
        return True

    def clear(self) -> list[str]:
        """Keep nothing of what waits; the keys."""
        keys = list(self._waiting)
        for key in keys:
            self.remove(key)
        return keys

    async def settled(self) -> None:
        """Wait until everything is written."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _write(self) -> None:
        while self._waiting:
            batch = list(self._waiting.items())[:AT_ONCE]
            await asyncio.gather(*(self._write_one(key, data) for key, data in batch))

    async def _write_one(self, key: str, data: bytes) -> None:
        kept = await self._disk.put(key, data)
        if self._waiting.get(key) is not data:
            self._disk.remove(key)  # It was taken back while it was written.
            return
        self.remove(key)
        self.written += kept
        self._done(key, kept)
