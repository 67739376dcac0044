"""Snapshots that know the hottest rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .engine import Engine
from .segment import Snapshot

__all__ = ["IndexSnapshot"]


@dataclass(frozen=True)
class IndexSnapshot(Snapshot):
    """A snapshot of a `CidIndex`."""

    engine: Engine

    def hottest(self, k: int) -> Sequence[tuple[int, int, float]] | None:
        engine = self.engine
        with engine.lock:
            return engine.core.top.hottest(k, engine.core, self.segments)
