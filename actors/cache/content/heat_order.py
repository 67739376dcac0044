"""The order in which the heat policy lets entries go: decayed heat, weighed by size.

The heat of an entry is the sum of 2^(-age/h) over its requests, with a half-life h counted in requests. With
λ = ln 2 / h, entries are ranked at every moment by

    P = ln(heat at its last request) + λ·(time of that request) - a·ln(size)

which does not change until the entry is asked for again, and then only grows. So a heap whose stored
priorities are lower bounds finds the coldest entry exactly: what lies on top is right, or goes back
higher up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

__all__ = ["Entry", "HeatOrder", "Setting"]

# The history: so many keys for each resident, and no more than fit a sixteenth of the capacity.
GHOSTS_PER_ENTRY: Final = 4
FEWEST_GHOSTS: Final = 1024
GHOST_BYTES: Final = 256

_exp, _log = math.exp, math.log


@dataclass(frozen=True, slots=True)
class Setting:
    """`half_life` in requests; `size_exponent` a: 0 serves bytes, 1 serves objects."""

    half_life: float
    size_exponent: float

    @property
    def decay(self) -> float:
        """λ, per request."""
        return math.log(2) / self.half_life


class Entry:
    """One key's heat at its last request; in the history it is the same."""

    __slots__ = ("heat", "last", "size_bytes", "weight")

    def __init__(self, heat: float, last: int, size_bytes: int, weight: float) -> None:
        self.heat = heat
        self.last = last
        self.size_bytes = size_bytes
        self.weight = weight  # a·ln(size)


class HeatOrder:
    """Which keys are resident, and who goes when another comes; the clock is the caller's.

    A newcomer must be hotter than everything that would have to go for it. What went, or was refused, is
    remembered for a while with its heat, so that what keeps coming back gets in. (A FIFO window before this
    contest was measured and made nothing better.)
    """

    def __init__(self, capacity_bytes: int, setting: Setting, largest_bytes: int | None = None) -> None:
        self.used_bytes = 0
        self.entries: dict[str, Entry] = {}
        self.setting = setting
        self.decay = setting.decay
        self._history: dict[str, Entry] = {}
        self._heap: list[tuple[float, str]] = []
        self.set_capacity(capacity_bytes, largest_bytes)

    def set_capacity(self, capacity_bytes: int, largest_bytes: int | None = None) -> None:
        """Another bound from the next admission on; `largest_bytes` is the largest entry, all by default."""
        self.capacity_bytes = capacity_bytes
        self.largest_bytes = capacity_bytes if largest_bytes is None else min(largest_bytes, capacity_bytes)
        self._most_ghosts = capacity_bytes // 16 // GHOST_BYTES

    def tune(self, setting: Setting) -> None:
        """Rank by another setting; every entry keeps the heat that it had at its last request."""
        if setting == self.setting:
            return
        self.setting = setting
        self.decay = setting.decay
        for entry in (*self.entries.values(), *self._history.values()):
            entry.weight = self._weight(entry.size_bytes)
        self._rank_anew()

    def touch(self, key: str, now: int) -> bool:
        """Count a request; False if the key is not resident."""
        entry = self.entries.get(key)
        if entry is None:
            return False
        entry.heat = 1.0 + entry.heat * _exp(self.decay * (entry.last - now))
        entry.last = now
        return True

    def admit(self, key: str, size_bytes: int, now: int) -> list[str]:
        """Count a request of a key that is not resident and let it in; the keys that go, itself perhaps."""
        entry = self._asked(key, size_bytes, now)
        excess = self.used_bytes + size_bytes - self.capacity_bytes
        if size_bytes > self.largest_bytes:
            self._remember(key, entry)
            return [key]
        if excess <= 0:
            self._insert(key, entry, self._priority(entry))
            return []
        return self._contest(key, entry, excess)

    def wants(self, key: str, size_bytes: int, now: int) -> bool:
        """Whether a key that is not resident would be let in; a no counts as a request of it."""
        entry = self._asked(key, size_bytes, now)
        if size_bytes <= self.largest_bytes:
            coldest = self._coldest()
            fits = self.used_bytes + size_bytes <= self.capacity_bytes
            if fits or (coldest is not None and self._priority(entry) > coldest[0]):
                entry.heat -= 1.0  # Its admission counts the request.
                if entry.heat > 0:
                    self._history[key] = entry
                return True
        self._remember(key, entry)
        return False

    def place(self, key: str, size_bytes: int, heat: float, now: int) -> None:
        """Make a key resident with a heat of its own; `settle` is to follow."""
        entry = Entry(heat, now, size_bytes, self._weight(size_bytes))
        self._insert(key, entry, self._priority(entry))

    def settle(self, gone: list[str]) -> None:
        """Let go what is too much, the coldest first, adding it to `gone`."""
        while self.used_bytes > self.capacity_bytes and self._coldest() is not None:
            self._lose(heappop(self._heap)[1], gone)

    def remove(self, key: str) -> bool:
        """Take a key out and forget it, history included; False if it was not resident."""
        self._history.pop(key, None)
        entry = self.entries.get(key)
        if entry is None:
            return False
        self._drop(key, entry)
        return True

    def keep_only(self, wanted: Callable[[str], bool]) -> None:
        """Take out and forget every key that is not wanted."""
        for key in [key for key in (*self.entries, *self._history) if not wanted(key)]:
            self.remove(key)

    @property
    def history_entries(self) -> int:
        return len(self._history)

    def heat(self, entry: Entry, now: int) -> float:
        """The heat of an entry as of now."""
        return entry.heat * _exp(self.decay * (entry.last - now))

    def ranked(self) -> list[str]:
        """The residents, coldest first."""
        return sorted(self.entries, key=lambda key: self._priority(self.entries[key]))

    def _asked(self, key: str, size_bytes: int, now: int) -> Entry:
        """The entry of a key that is not resident, from the history if it is there, with one more request."""
        entry = self._history.pop(key, None)
        if entry is None or entry.size_bytes != size_bytes:
            return Entry(1.0, now, size_bytes, self._weight(size_bytes))
        entry.heat = 1.0 + entry.heat * _exp(self.decay * (entry.last - now))
        entry.last = now
        return entry

    def _weight(self, size_bytes: int) -> float:
        return self.setting.size_exponent * _log(size_bytes or 1)

    def _priority(self, entry: Entry) -> float:
        return _log(entry.heat) + self.decay * entry.last - entry.weight

    def _contest(self, key: str, entry: Entry, excess: int) -> list[str]:
        priority = self._priority(entry)
        losers: list[tuple[float, str]] = []
        while excess > 0:
            coldest = self._coldest()
            if coldest is None or coldest[0] >= priority:
                for loser in losers:
                    heappush(self._heap, loser)
                self._remember(key, entry)
                return [key]
            losers.append(heappop(self._heap))
            excess -= self.entries[coldest[1]].size_bytes
        gone: list[str] = []
        for _, loser_key in losers:
            self._lose(loser_key, gone)
        self._insert(key, entry, priority)
        return gone

    def _coldest(self) -> tuple[float, str] | None:
        """The top of the heap, made right; it stays there."""
        heap, entries, decay = self._heap, self.entries, self.decay
        while heap:
            coldest = heap[0]
            entry = entries.get(coldest[1])
            if entry is None:
                heappop(heap)  # Left behind by a key that was removed.
                continue
            priority = _log(entry.heat) + decay * entry.last - entry.weight
            if priority <= coldest[0]:
                return coldest
            heapreplace(heap, (priority, coldest[1]))
        return None

    def _insert(self, key: str, entry: Entry, priority: float) -> None:
        self.entries[key] = entry
        self.used_bytes += entry.size_bytes
        heappush(self._heap, (priority, key))

    def _lose(self, key: str, gone: list[str]) -> None:
        entry = self.entries[key]
        self._drop(key, entry)
        self._remember(key, entry)
        gone.append(key)

    def _drop(self, key: str, entry: Entry) -> None:
        del self.entries[key]
        self.used_bytes -= entry.size_bytes
        if len(self._heap) > 2 * len(self.entries) + 64:
            self._rank_anew()

    def _rank_anew(self) -> None:
        self._heap = [(self._priority(entry), key) for key, entry in self.entries.items()]
        heapify(self._heap)

    def _remember(self, key: str, entry: Entry) -> None:
        history = self._history
        history[key] = entry
        ghosts = len(history)
        if ghosts > self._most_ghosts or (
            ghosts > FEWEST_GHOSTS and ghosts > GHOSTS_PER_ENTRY * len(self.entries)
        ):
            del history[next(iter(history))]
