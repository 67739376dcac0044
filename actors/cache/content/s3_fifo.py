"""S3-FIFO, weighed by bytes: a small queue on probation, a main queue, and the names of what failed.

Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .policy import Resident

__all__ = ["S3Fifo"]

SMALL_SHARE: Final = 0.1
MOST_COUNTED: Final = 3


class _Entry:
    __slots__ = ("is_main", "requests", "size_bytes")

    def __init__(self, size_bytes: int, is_main: bool, requests: int = 0) -> None:
        self.size_bytes = size_bytes
        self.is_main = is_main
        self.requests = requests


class S3Fifo:
    """One hit in the small queue, or coming back soon after leaving it, earns a place in the main one."""

    name: Final = "s3-fifo"

    def __init__(self, capacity_bytes: int, largest_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self._largest_bytes = capacity_bytes if largest_bytes is None else min(largest_bytes, capacity_bytes)
        self._small_capacity = int(capacity_bytes * SMALL_SHARE)
        self._small_bytes = self._main_bytes = 0
        self._entries: dict[str, _Entry] = {}
        self._small: dict[str, None] = {}
        self._main: dict[str, None] = {}
        self._ghosts: dict[str, None] = {}

    @property
    def used_bytes(self) -> int:
        return self._small_bytes + self._main_bytes

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def hit(self, key: str) -> bool:
        entry = self._entries.get(key)
        if entry is None:
            return False
        if entry.requests < MOST_COUNTED:
            entry.requests += 1
        return True

    def admit(self, key: str, size_bytes: int) -> list[str]:
        if self.hit(key):
            return []
        if size_bytes > self._largest_bytes:
            return [key]
        self._place(key, size_bytes, is_main=key in self._ghosts)
        self._ghosts.pop(key, None)
        return self._trim()

    def wants(self, key: str, size_bytes: int) -> bool:
        return size_bytes <= self._largest_bytes

    def remove(self, key: str) -> bool:
        self._ghosts.pop(key, None)
        if key not in self._entries:
            return False
        self._take(key)
        return True

    def residents(self) -> list[Resident]:
        entries = self._entries
        return [
            Resident(key, entries[key].size_bytes, entries[key].requests + 1.0)
            for key in (*self._small, *self._main)
        ]

    def load(self, residents: Iterable[Resident]) -> list[str]:
        for key, size_bytes, heat in residents:
            if size_bytes <= self._largest_bytes:
                self._place(key, size_bytes, is_main=True, requests=min(MOST_COUNTED, round(heat) - 1))
        return self._trim()

    def facts(self) -> dict[str, float]:
        return {"small_bytes": self._small_bytes}

    def _place(self, key: str, size_bytes: int, *, is_main: bool, requests: int = 0) -> None:
        self._entries[key] = _Entry(size_bytes, is_main, max(0, requests))
        if is_main:
            self._main[key] = None
            self._main_bytes += size_bytes
        else:
            self._small[key] = None
            self._small_bytes += size_bytes

    def _take(self, key: str) -> _Entry:
        entry = self._entries.pop(key)
        if entry.is_main:
            del self._main[key]
            self._main_bytes -= entry.size_bytes
        else:
            del self._small[key]
            self._small_bytes -= entry.size_bytes
        return entry

    def _trim(self) -> list[str]:
        gone: list[str] = []
        while self.used_bytes > self.capacity_bytes:
            if self._small and (self._small_bytes > self._small_capacity or not self._main):
                self._leave_small(gone)
            else:
                self._leave_main(gone)
        return gone

    def _leave_small(self, gone: list[str]) -> None:
        key = next(iter(self._small))
        entry = self._take(key)
        if entry.requests:
            self._place(key, entry.size_bytes, is_main=True)
            return
        gone.append(key)
        self._ghosts[key] = None
        if len(self._ghosts) > max(64, len(self._main)):
            del self._ghosts[next(iter(self._ghosts))]

    def _leave_main(self, gone: list[str]) -> None:
        key = next(iter(self._main))
        entry = self._take(key)
        if entry.requests:
            self._place(key, entry.size_bytes, is_main=True, requests=entry.requests - 1)
        else:
            gone.append(key)
