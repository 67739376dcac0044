"""The bounds of a content cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["MIB", "CacheOptions"]

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """A tier of 0 bytes is off.

    `fetch_memory_bytes` bounds what running fetches keep in memory, and what promotions do; `spool_bytes`
    what fetches keep in temporary files, as much again as the disk tier by default. Closing spends up to
    `close_s` on saving memory to disk.
    """

    memory_bytes: int = 100 * MIB
    disk_bytes: int = 1024 * MIB
    policy: str = "heat"
    fetch_memory_bytes: int = 32 * MIB
    spool_bytes: int | None = None
    negative_life_s: float = 10.0
    negative_limit: int = 10_000
    close_s: float = 5.0
