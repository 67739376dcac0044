"""The heat policy: keeps what is asked for most, of late, for its size; tunes itself to the traffic."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp
from typing import Final

from .heat_order import HeatOrder, Setting
from .heat_tuning import DEFAULT, Tuner
from .policy import Resident

__all__ = ["HeatPolicy"]


class HeatPolicy:
    """Decayed heat, weighed by size, against a history of what is not resident: see `heat_order.py`.

    Half-life and size exponent follow the traffic: see `heat_tuning.py`; `setting` fixes them. The clock is
    the number of requests.
    """

    name: Final = "heat"

    def __init__(
        self, capacity_bytes: int, largest_bytes: int | None = None, *, setting: Setting | None = None
    ) -> None:
        self._order = HeatOrder(capacity_bytes, setting or DEFAULT, largest_bytes)
        self._entries = self._order.entries
        self._tuner = None if setting else Tuner(capacity_bytes, self._order.largest_bytes)
        # Keys whose hash ends in so many zeros go to the tuner; -1 has no key do so.
        self._mask = self._tuner.mask if self._tuner else -1
        self._now = 0

    @property
    def capacity_bytes(self) -> int:
        return self._order.capacity_bytes

    @property
    def used_bytes(self) -> int:
        return self._order.used_bytes

    @property
    def setting(self) -> Setting:
        """The half-life and the size exponent in use."""
        return self._order.setting

    def __len__(self) -> int:
        return len(self._order.entries)

    def __contains__(self, key: object) -> bool:
        return key in self._order.entries

    def hit(self, key: str) -> bool:
        # `HeatOrder.touch`, written out: this is the hot path.
        entry = self._entries.get(key)
        if entry is None:
            return False
        self._now = now = self._now + 1
        entry.heat = 1.0 + entry.heat * exp(self._order.decay * (entry.last - now))
        entry.last = now
        if not hash(key) & self._mask:
            self._tune(key, entry.size_bytes)
        return True

    def admit(self, key: str, size_bytes: int) -> list[str]:
        if key in self._entries:
            self.hit(key)
            return []
        self._now += 1
        if not hash(key) & self._mask:
            self._tune(key, size_bytes)
        return self._order.admit(key, size_bytes, self._now)

    def wants(self, key: str, size_bytes: int) -> bool:
        if key in self._entries or self._order.wants(key, size_bytes, self._now + 1):
            return True
        self._now += 1
        if not hash(key) & self._mask:
            self._tune(key, size_bytes)
        return False

    def remove(self, key: str) -> bool:
        return self._order.remove(key)

    def residents(self) -> list[Resident]:
        order = self._order
        return [
            Resident(key, order.entries[key].size_bytes, order.heat(order.entries[key], self._now))
            for key in order.ranked()
        ]

    def load(self, residents: Iterable[Resident]) -> list[str]:
        gone: list[str] = []
        for key, size_bytes, heat in residents:
            self._now += 1  # So that equal heats keep their order.
            if size_bytes > self._order.largest_bytes:
                gone.append(key)
            else:
                self._order.place(key, size_bytes, max(heat, 1e-9), self._now)
        self._order.settle(gone)
        return gone

    def facts(self) -> dict[str, float]:
        return {
            "half_life_requests": self.setting.half_life,
            "size_exponent": self.setting.size_exponent,
            "history_entries": self._order.history_entries,
        }

    def _tune(self, key: str, size_bytes: int) -> None:
        tuner = self._tuner
        if tuner is not None and tuner.request(key, size_bytes, self._now):
            self._order.tune(tuner.setting)
            self._mask = tuner.mask
