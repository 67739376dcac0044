"""Negative entries: what was not found a moment ago and is not asked for again so soon."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Negatives"]


class Negatives:
    """At most `limit` keys, each for `life_s` seconds; the oldest make room. A life of 0 keeps none."""

    def __init__(
        self, *, life_s: float = 10.0, limit: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._life_s = life_s
        self._limit = limit
        self._clock = clock
        self._ends: dict[str, float] = {}  # In the order of their ends, as all live equally long.

    def __len__(self) -> int:
        return len(self._ends)

    def __contains__(self, key: str) -> bool:
        if key not in self._ends:
            return False
        self._forget_old()
        return key in self._ends

    def add(self, key: str) -> None:
        """The key was not found just now."""
        self._forget_old()
        self._ends.pop(key, None)
        if self._life_s > 0 and self._limit > 0:
            self._ends[key] = self._clock() + self._life_s
            if len(self._ends) > self._limit:
                del self._ends[next(iter(self._ends))]

    def discard(self, key: str) -> None:
        """The key is there after all."""
        self._ends.pop(key, None)

    def clear(self) -> None:
        self._ends.clear()

    def _forget_old(self) -> None:
        now = self._clock()
        while self._ends:
            oldest = next(iter(self._ends))
            if self._ends[oldest] > now:
                return
            del self._ends[oldest]
