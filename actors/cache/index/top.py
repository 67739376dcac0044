"""The hottest rows without a scan.

L only grows where it is. So with a threshold T, all rows above T at one moment, and all rows that rose to T
since, contain the hottest rows of every later moment, as many as there are live ones of them at T or above.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .hot import HotTable
from .segment import DEAD, Segment

__all__ = ["Top"]

Rows = npt.NDArray[np.int64]
Logs = npt.NDArray[np.float32]

# How many rows are kept, and for how many at most.
MEMBERS = 1024
MOST = 16_384
# Risen rows beyond this mean that nobody asks: they are forgotten.
MOST_RISEN = 1 << 16


class HasTables(Protocol):
    def tables(self) -> list[tuple[HotTable, int]]:
        """All hot tables and how many rows each has."""


class Top:
    """The rows at or above the threshold. Everything here happens under the index's lock."""

    def __init__(self) -> None:
        self._threshold = np.inf  # nothing is collected until somebody asks
        self._is_built = False
        self._members: dict[int, Rows] = {}
        self._risen: list[tuple[HotTable, Rows]] = []
        self._risen_rows = 0
        self._is_sorted = False
        self._sorted: tuple[npt.NDArray[np.int64], Rows, Logs] | None = None
        self._answers: list[tuple[int, int, float]] = []
        self._answered: Sequence[Segment] = ()

    # -- told by the index ----------------------------------------------------------------------------

    def rise(self, table: HotTable, rows: Rows, heats: Logs) -> None:
        """These rows have these Ls now."""
        if not self._is_built:
            return
        high = heats >= self._threshold
        if high.any():
            self._collect(table, rows[high])

    def rise_one(self, table: HotTable, row: int, heat: float) -> None:
        if self._is_built and heat >= self._threshold:
            self._collect(table, np.array([row]))

    def fall(self) -> None:
        """Some rows died."""
        self._is_sorted = False

    def forget(self) -> None:
        """Rows moved, or Ls were changed otherwise: look again when somebody asks."""
        self._is_built = self._is_sorted = False
        self._threshold = np.inf
        self._members, self._risen, self._risen_rows = {}, [], 0

    # -- asked by queries -----------------------------------------------------------------------------

    def hottest(
        self, k: int, now: HasTables, segments: Sequence[Segment]
    ) -> Sequence[tuple[int, int, float]] | None:
        """See `Snapshot.hottest`; `segments` are those of the snapshot."""
        if self._is_sorted and segments is self._answered and k <= len(self._answers):
            return self._answers[:k]
        if k > MOST:
            return None
        tables = now.tables()
        if not self._is_built:
            self._build(max(MEMBERS, k), tables)
        by_serial = {table.serial: table for table, _ in tables}
        if not self._is_sorted:
            self._sort(by_serial)
        if not self._suffices(k):
            self._build(min(max(MEMBERS, 4 * k), MOST), tables)
            self._sort(by_serial)
        return self._answer(k, segments)

    def _suffices(self, k: int) -> bool:
        found = 0 if self._sorted is None else len(self._sorted[0])
        return found >= k or self._threshold == -np.inf

    def _build(self, wanted: int, tables: Sequence[tuple[HotTable, int]]) -> None:
        found: list[tuple[int, Rows, Logs]] = []
        live = 0
        for table, rows in tables:
            columns = table.columns
            heat, flags = columns.heat[:rows], columns.flags[:rows]
            chosen, alive = _hottest_of(heat, flags, wanted)
            live += alive
            found.append((table.serial, chosen, heat[chosen]))
        heats = np.concatenate([part[2] for part in found]) if found else np.empty(0, np.float32)
        if live <= wanted:
            self._threshold = -np.inf
        else:
            self._threshold = float(np.partition(heats, len(heats) - wanted)[len(heats) - wanted])
        self._members = {serial: rows[part >= self._threshold] for serial, rows, part in found}
        self._risen, self._risen_rows = [], 0
        self._is_built, self._is_sorted = True, False

    def _collect(self, table: HotTable, rows: Rows) -> None:
        self._is_sorted = False
        self._risen.append((table, rows))
        self._risen_rows += len(rows)
        if self._risen_rows > MOST_RISEN:
            self.forget()

    def _sort(self, by_serial: dict[int, HotTable]) -> None:
        for table, rows in self._risen:
            held = self._members.get(table.serial)
            self._members[table.serial] = rows if held is None else np.concatenate([held, rows])
        self._risen, self._risen_rows = [], 0
        serials, rows_found, heats = [], [], []
        for serial, rows in self._members.items():
            rows = np.unique(rows)
            columns = by_serial[serial].columns
            rows = rows[(columns.flags[rows] & DEAD) == 0]
            self._members[serial] = rows
            serials.append(np.full(len(rows), serial))
            rows_found.append(rows)
            heats.append(columns.heat[rows])
        if not heats:
            self._sorted = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        else:
            all_heats = np.concatenate(heats)
            order = np.argsort(-all_heats, kind="stable")
            self._sorted = np.concatenate(serials)[order], np.concatenate(rows_found)[order], all_heats[order]
            if len(order) > 4 * MOST:
                self._trim()
        self._answers, self._answered, self._is_sorted = [], (), True

    def _trim(self) -> None:
        assert self._sorted is not None
        serials, rows, heats = self._sorted[0][:MOST], self._sorted[1][:MOST], self._sorted[2][:MOST]
        self._threshold = float(heats[-1])
        self._members = {serial: rows[serials == serial] for serial in np.unique(serials).tolist()}
        self._sorted = serials, rows, heats

    def _answer(self, k: int, segments: Sequence[Segment]) -> Sequence[tuple[int, int, float]] | None:
        assert self._sorted is not None
        numbers = {segment.table.serial: number for number, segment in enumerate(segments)}  # type: ignore[attr-defined]
        limits = [segment.rows for segment in segments]
        answers: list[tuple[int, int, float]] = []
        serials, rows, heats = (part[: 2 * k + 64].tolist() for part in self._sorted)
        for serial, row, heat in zip(serials, rows, heats, strict=True):
            number = numbers.get(serial)
            if number is None:
                return None  # the snapshot is older than a flush or a compaction
            if row < limits[number]:
                answers.append((number, row, heat))
        if len(answers) < k and len(serials) < len(self._sorted[0]):
            return None
        self._answers, self._answered = answers, segments
        return answers[:k]


def _hottest_of(heat: Logs, flags: npt.NDArray[np.uint8], wanted: int) -> tuple[Rows, int]:
    """At least the `wanted` hottest live rows, if there are so many, and how many are alive."""
    dead = np.flatnonzero(flags & DEAD)
    alive = len(heat) - len(dead)
    if alive <= wanted:
        return np.flatnonzero((flags & DEAD) == 0), alive
    masked = heat
    if len(dead):
        masked = heat.copy()
        masked[dead] = -np.inf
    least = np.partition(masked, len(masked) - wanted)[len(masked) - wanted]
    chosen = np.flatnonzero(masked > least)
    if len(chosen) < wanted:
        ties = np.flatnonzero((masked == least) & ((flags & DEAD) == 0))
        chosen = np.concatenate([chosen, ties[: wanted - len(chosen)]])
    return chosen, alive
