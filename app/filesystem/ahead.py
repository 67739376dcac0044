"""How much is fetched for a read of an open file: what is asked for, and more the longer the reads follow on.

Programs that jump about (a Parquet reader) then fetch little that they do not need. Programs that go through
a file from its start to its end soon ask for large parts, each of which is on its way while they work on the
one before.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from fsspec.caching import BaseCache, Fetcher, register_cache

__all__ = ["AHEAD", "AheadCache"]

AHEAD = "cidbus-ahead"
# Asking for less takes as long.
LEAST_BYTES = 64 * 1024
# Reads that follow on so far are taken for a way through the whole file.
STEADY_BYTES = 1 << 20

# Begins to fetch from a start up to an end.
Begin = Callable[[int, int], "Future[bytes]"]


class AheadCache(BaseCache):
    """Holds what was fetched last, at most `blocksize` more than a read has asked for, and with `begin` has
    as much on its way."""

    name = AHEAD
    begin: Begin | None = None

    def __init__(self, blocksize: int, fetcher: Fetcher, size: int) -> None:
        super().__init__(blocksize, fetcher, size)
        self._start = 0
        self._held = b""
        self._ahead = 0
        self._coming: Future[bytes] | None = None

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        first, last = start or 0, self.size if stop is None else min(stop, self.size)
        if first >= last:
            return b""
        end = self._start + len(self._held)
        follows = self._start <= first <= end
        if follows and last <= end:
            self.hit_count += 1
        else:
            self.miss_count += 1
            self._go_on(first, last, end) if follows else self._jump(first, last)
        return self._held[first - self._start : last - self._start]

    def _jump(self, first: int, last: int) -> None:
        self.close()
        self._ahead = 0
        self._held = self._get(first, min(self.size, max(last, first + LEAST_BYTES)))
        self._start = first

    def _go_on(self, first: int, last: int, end: int) -> None:
        """Keep what is held of the read, and add what follows: what is on its way, or else is fetched now."""
        self._ahead = min(self.blocksize, max(LEAST_BYTES, 2 * self._ahead))
        parts = [self._held[first - self._start :]]
        coming, self._coming = self._coming, None
        if coming is not None:
            parts.append(self._counted(coming.result()))
            end += len(parts[-1])
        if end < last:
            until = min(self.size, last + self._ahead)
            parts.append(self._get(end, until))
            end = until
        self._start, self._held = first, b"".join(parts)
        if self.begin is not None and self._ahead >= STEADY_BYTES and end < self.size:
            self._coming = self.begin(end, min(self.size, end + self._ahead))

    def _get(self, start: int, end: int) -> bytes:
        return self._counted(self.fetcher(start, end))

    def _counted(self, fetched: bytes) -> bytes:
        self.total_requested_bytes += len(fetched)
        return fetched

    def close(self) -> None:
        """Call off what is on its way."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.cancel()


register_cache(AheadCache)
