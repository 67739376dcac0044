"""The memory tier: content as bytes, bounded with what each entry costs beside its content."""

from __future__ import annotations

from typing import Final, NamedTuple

from .policies import make_policy
from .stats import TierStats

__all__ = ["ENTRY_BYTES", "LARGEST_SHARE", "Evicted", "MemoryTier"]

# A key's and a value's headers, their places in three dicts, the policy's entry and its share of the
# miniatures: measured with tracemalloc under `heat`, CPython 3.11.
ENTRY_BYTES: Final = 640
# One entry takes at most this part of the tier: something larger would push out all that is warm.
LARGEST_SHARE: Final = 8
# Of many reads elsewhere, told together, the policy hears so many.
MOST_HEARD: Final = 16


class Evicted(NamedTuple):
    """What the tier let go, or did not take."""

    key: str
    data: bytes


class MemoryTier:
    """Bytes by key under a policy; never more than `capacity_bytes`, costs included.

    Beside that a policy may keep a history of keys, a sixteenth of the capacity at most. Not for threads.
    """

    def __init__(self, capacity_bytes: int, policy: str) -> None:
        self.capacity_bytes = capacity_bytes
        self.stats = TierStats()
        self._values: dict[str, bytes] = {}
        self._policy = make_policy(policy, capacity_bytes, capacity_bytes // LARGEST_SHARE)

    @property
    def policy(self) -> str:
        return self._policy.name

    @property
    def used_bytes(self) -> int:
        return self._policy.used_bytes

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def keys(self) -> list[str]:
        return list(self._values)

    def holds(self, size_bytes: int) -> bool:
        """Whether content of this size may enter at all."""
        return size_bytes + ENTRY_BYTES <= self.capacity_bytes // LARGEST_SHARE

    def get(self, key: str) -> bytes | None:
        """The content, counted as a hit; None is not counted as anything."""
        data = self._values.get(key)
        if data is not None:
            self._policy.hit(key)
            self.stats.hits += 1
        return data

    def heard(self, key: str, times: int) -> None:
        """Content was read elsewhere; more than a few times at once make it no hotter."""
        if key in self._values:
            for _ in range(min(times, MOST_HEARD)):
                self._policy.hit(key)

    def peek(self, key: str) -> bytes | None:
        """The content, without counting."""
        return self._values.get(key)

    def wants(self, key: str, size_bytes: int) -> bool:
        """Whether content would stay if it were put now; a no counts as a request of it."""
        return self._policy.wants(key, _cost(key, size_bytes))

    def put(self, key: str, data: bytes) -> list[Evicted]:
        """Offer content; what goes for it, the content itself if it is refused."""
        if key in self._values:
            return []
        self._values[key] = data
        gone = self._policy.admit(key, _cost(key, len(data)))
        evicted = [Evicted(name, self._values.pop(name)) for name in gone]
        refused = key not in self._values
        self.stats.refused += refused
        self.stats.evictions += len(evicted) - refused
        return evicted

    def remove(self, key: str) -> bool:
        """Drop content; False if there was none."""
        self._policy.remove(key)
        return self._values.pop(key, None) is not None

    def hottest(self) -> list[Evicted]:
        """All content, the hottest first."""
        return [Evicted(key, self._values[key]) for key, _, _ in reversed(self._policy.residents())]

    def set_policy(self, name: str) -> list[Evicted]:
        """Go on under another policy, with what is there; what finds no room under it."""
        policy = make_policy(name, self.capacity_bytes, self.capacity_bytes // LARGEST_SHARE)
        gone = policy.load(self._policy.residents())
        self._policy = policy
        self.stats.evictions += len(gone)
        return [Evicted(key, self._values.pop(key)) for key in gone]

    def clear(self) -> list[str]:
        """Drop everything; the keys that were there."""
        keys = list(self._values)
        self._values.clear()
        self._policy = make_policy(self.policy, self.capacity_bytes, self.capacity_bytes // LARGEST_SHARE)
        return keys

    def report(self) -> TierStats:
        """The numbers as of now."""
        return self.stats.as_of(self.used_bytes, len(self), self.capacity_bytes, self._policy)


def _cost(key: str, size_bytes: int) -> int:
    return size_bytes + len(key) + ENTRY_BYTES
