"""How the heat policy finds its half-life and size exponent: miniatures of itself on a sample of the traffic.

Each miniature runs one setting over the keys whose hash falls in the sample, in the same share of the
capacity (spatial sampling: Waldspurger et al., "Cache modeling and optimization using miniature simulations",
ATC 2017). All see the same requests, so small differences between them are real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .heat_order import HeatOrder, Setting

__all__ = ["DEFAULT", "Tuner"]

HALF_LIVES: Final = (1 << 11, 1 << 14, 1 << 17, 1 << 20)
SIZE_EXPONENTS: Final = (0.3, 0.6, 1.0)
DEFAULT: Final = Setting(1 << 17, 0.6)
# What a hit of all bytes is worth beside a hit of all objects.
BYTES_WEIGHT: Final = 0.25
# An eighth of the keys at first; halved as long as a miniature has more entries than it needs, and room for
# so many of the largest objects that single ones do not decide; or has more entries than we can afford.
FIRST_SHIFT, LAST_SHIFT = 3, 12
ENOUGH_ENTRIES, ENOUGH_LARGEST, MOST_ENTRIES = 320, 8, 4096
EPOCH_REQUESTS: Final = 1024
# How much of the past an epoch keeps, and by how much a setting must be better to be taken.
KEPT, MARGIN = 0.8, 0.003
# Samples of few but large objects say little about bytes: the default is taken when in doubt.
DOUBT: Final = 0.015


@dataclass(slots=True)
class _Miniature:
    order: HeatOrder
    hits: float = 0.0
    hit_bytes: float = 0.0


class Tuner:
    """Tells the setting that serves the traffic best; it wants to hear of keys whose `hash & mask` is 0."""

    def __init__(self, capacity_bytes: int, largest_bytes: int) -> None:
        self.setting = DEFAULT
        self.mask = (1 << FIRST_SHIFT) - 1
        self._capacity_bytes, self._largest_bytes = capacity_bytes, largest_bytes
        self._shift = FIRST_SHIFT
        self._requests = self._largest_seen = 0
        self._seen = self._seen_bytes = 0.0
        # The first line varies the half-life, the second the exponent at the half-life in use.
        self._by_half_life = [
            self._miniature(Setting(half_life, DEFAULT.size_exponent)) for half_life in HALF_LIVES
        ]
        self._by_exponent = [
            self._miniature(Setting(DEFAULT.half_life, a))
            for a in SIZE_EXPONENTS
            if a != DEFAULT.size_exponent
        ]
        self._all = [*self._by_half_life, *self._by_exponent]

    def _miniature(self, setting: Setting) -> _Miniature:
        return _Miniature(HeatOrder(self._capacity_bytes >> self._shift, setting, self._largest_bytes))

    def request(self, key: str, size_bytes: int, now: int) -> bool:
        """Hear of one request of a sampled key; True if `setting` or `mask` changed."""
        self._seen += 1
        if self._largest_seen < size_bytes <= self._largest_bytes:
            self._largest_seen = size_bytes
        self._seen_bytes += size_bytes
        for miniature in self._all:
            order = miniature.order
            if order.touch(key, now):
                miniature.hits += 1
                miniature.hit_bytes += size_bytes
            else:
                order.admit(key, size_bytes, now)
        self._requests += 1
        return self._requests >= EPOCH_REQUESTS and self._end_epoch()

    def _end_epoch(self) -> bool:
        self._requests = 0
        before = self.setting
        by_half_life = {m.order.setting.half_life: self._worth(m) for m in self._by_half_life}
        half_life = _best(by_half_life, before.half_life)
        by_exponent = {m.order.setting.size_exponent: self._worth(m) for m in self._by_exponent}
        by_exponent[DEFAULT.size_exponent] = by_half_life[before.half_life] + DOUBT
        exponent = _best(by_exponent, before.size_exponent)
        self.setting = Setting(half_life, exponent)
        for miniature in self._by_exponent:
            miniature.order.tune(Setting(half_life, miniature.order.setting.size_exponent))
        self._fade()
        return self._sample_less() or self.setting != before

    def _worth(self, miniature: _Miniature) -> float:
        return miniature.hits / self._seen + BYTES_WEIGHT * miniature.hit_bytes / max(1.0, self._seen_bytes)

    def _fade(self) -> None:
        self._seen *= KEPT
        self._seen_bytes *= KEPT
        for miniature in self._all:
            miniature.hits *= KEPT
            miniature.hit_bytes *= KEPT

    def _sample_less(self) -> bool:
        entries = max(len(miniature.order.entries) for miniature in self._all)
        half_bytes = self._capacity_bytes >> (self._shift + 1)
        is_enough = entries > ENOUGH_ENTRIES and half_bytes >= ENOUGH_LARGEST * self._largest_seen
        if self._shift == LAST_SHIFT or not (is_enough or entries > MOST_ENTRIES):
            return False
        self._shift += 1
        self.mask = (1 << self._shift) - 1
        for miniature in self._all:
            miniature.order.keep_only(lambda key: not hash(key) & self.mask)
            miniature.order.set_capacity(self._capacity_bytes >> self._shift, self._largest_bytes)
        return True


def _best(worths: dict[float, float], current: float) -> float:
    best = max(worths, key=lambda setting: worths[setting])
    return best if worths[best] > worths[current] + MARGIN else current
