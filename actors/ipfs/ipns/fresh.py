"""A small cache whose entries end at a moment: what was asked of others is not asked again before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from .moments import SECOND_NS

__all__ = ["FreshCache", "Fresh", "NowNs"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Nanoseconds since 1970, as `time.time_ns`.
NowNs = Callable[[], int]

MAX_ENTRIES = 4096
# Whoever signs a record or serves a zone chooses its ttl: none holds an answer for longer than this.
MAX_FRESH_NS = 3600 * SECOND_NS


class Fresh(NamedTuple, Generic[V]):
    """Something, and for how long from now it may be taken as it is."""

    value: V
    fresh_ns: int


class FreshCache(Generic[K, V]):
    """At most `max_entries` values, each for as long as it was said to be fresh but at most an hour; the one
    put longest ago goes first."""

    def __init__(self, now_ns: NowNs, *, max_entries: int = MAX_ENTRIES) -> None:
        self._now_ns = now_ns
        self._max_entries = max_entries
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> Fresh[V] | None:
        """The value, and how long it stays fresh; None if it is not here or no longer fresh."""
        value, until_ns = self._entries.get(key, (None, 0))
        left_ns = until_ns - self._now_ns()
        if value is None or left_ns <= 0:
            self.drop(key)
            return None
        return Fresh(value, left_ns)

    def put(self, key: K, value: V, fresh_ns: int) -> Fresh[V]:
        """Remember a value; returns it with the time that it is kept for."""
        kept = Fresh(value, min(fresh_ns, MAX_FRESH_NS))
        self.drop(key)
        if kept.fresh_ns > 0:
            self._entries[key] = (value, self._now_ns() + kept.fresh_ns)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return kept

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)
