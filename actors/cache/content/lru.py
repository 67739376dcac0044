"""Least recently used: the plainest policy, and the one that others are measured by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from .policy import Resident

__all__ = ["Lru"]


class Lru:
    """What was asked for last stays."""

    name: Final = "lru"

    def __init__(self, capacity_bytes: int, largest_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self._largest_bytes = capacity_bytes if largest_bytes is None else min(largest_bytes, capacity_bytes)
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, key: object) -> bool:
        return key in self._sizes

    def hit(self, key: str) -> bool:
        if key not in self._sizes:
            return False
        self._sizes.move_to_end(key)
        return True

    def admit(self, key: str, size_bytes: int) -> list[str]:
        if self.hit(key):
            return []
        if size_bytes > self._largest_bytes:
            return [key]
        self._sizes[key] = size_bytes
        self.used_bytes += size_bytes
        gone: list[str] = []
        while self.used_bytes > self.capacity_bytes:
            oldest, freed_bytes = self._sizes.popitem(last=False)
            self.used_bytes -= freed_bytes
            gone.append(oldest)
        return gone

    def wants(self, key: str, size_bytes: int) -> bool:
        return size_bytes <= self._largest_bytes

    def remove(self, key: str) -> bool:
        size_bytes = self._sizes.pop(key, None)
        if size_bytes is None:
            return False
        self.used_bytes -= size_bytes
        return True

    def residents(self) -> list[Resident]:
        return [Resident(key, size_bytes, 1.0) for key, size_bytes in self._sizes.items()]

    def load(self, residents: Iterable[Resident]) -> list[str]:
        return [gone for key, size_bytes, _ in residents for gone in self.admit(key, size_bytes)]

    def facts(self) -> dict[str, float]:
        return {}
