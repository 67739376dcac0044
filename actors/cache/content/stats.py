"""What the content cache counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .policy import Policy

__all__ = ["CacheStats", "TierStats"]


@dataclass
class TierStats:
    """One tier since it was opened. The disk tier is asked only for what the memory tier has not.

    `refused` counts content that the policy did not let in, `arrivals` what came from the other tier
    (promotions into memory, demotions onto disk), `bad` entries that were damaged or not ours and dropped.
    """

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    refused: int = 0
    arrivals: int = 0
    bad: int = 0
    failed_writes: int = 0
    used_bytes: int = 0
    capacity_bytes: int = 0
    entries: int = 0
    policy: dict[str, float] = field(default_factory=dict)

    def as_of(self, used_bytes: int, entries: int, capacity_bytes: int, policy: Policy) -> TierStats:
        """A copy with what a tier holds now."""
        return replace(
            self,
            used_bytes=used_bytes,
            entries=entries,
            capacity_bytes=capacity_bytes,
            policy=policy.facts(),
        )

    @property
    def hit_ratio(self) -> float:
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


@dataclass
class CacheStats:
    """The whole cache. A tier that is off is None."""

    policy: str
    memory: TierStats | None
    disk: TierStats | None
    promotions: int
    demotions: int
    dropped_demotions: int
    fetches: int
    running_fetches: int
    coalesced_readers: int
    passed_through: int
    failed_fetches: int
    negative_hits: int
    negative_entries: int
    fetch_memory_bytes: int
    spool_bytes: int
