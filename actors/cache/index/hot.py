"""The columns that change in place: heat, counts, last accesses and flags of one run or of rows in memory.

Changes happen in memory, under the index's lock, and are durable through the log; a run's columns are written
anew now and then (`hotfile.py`). In a run they are mapped copy-on-write, and each block of rows is checked
before its first use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .files import view_of
from .segment import DEAD, HotColumns

__all__ = ["Checks", "HotTable", "MAX_COUNT", "ZONE_SHIFT", "empty_hot"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Counts are int32 in Parquet.
MAX_COUNT = 2**31 - 1
# A zone of heat, and a block that is checked together, is 4096 rows.
ZONE_SHIFT = 12
# From so many rows on, everything is checked at once.
MANY = 256

# Checks a block, or all of them (None), and raises DamagedIndex.
Checks = Callable[[int | None], None]


def empty_hot(rows: int) -> HotColumns:
    """Columns of rows that were never used."""
    return HotColumns(
        np.zeros(rows, np.float64),
        np.full(rows, -np.inf, np.float32),
        np.zeros(rows, np.uint32),
        np.zeros(rows, np.uint8),
    )


class HotTable:
    """Hot columns with what their owner needs to know of them.

    Attributes:
        serial: a number of the table that no other table of the process has.
        dead: rows that are dead; `dirty` says that something changed since the columns were last written.
        watch: while not None, the rows that change are appended to it: whoever copies the columns
            elsewhere meanwhile copies these again.
    """

    _serials = 0

    def __init__(self, columns: HotColumns, dead: int = 0, check: Checks | None = None) -> None:
        HotTable._serials += 1
        self.serial = HotTable._serials
        self._columns, self.dead, self.dirty = columns, dead, False
        self.watch: list[Rows] | None = None
        self._check = check
        self.checked = bytearray(-(-len(columns.flags) >> ZONE_SHIFT))
        if check is None:
            self.checked = bytearray(b"\1") * len(self.checked)
        self.all_checked = check is None
        self.views()
        self._zones: npt.NDArray[np.float32] | None = None
        self._zone_lock = threading.Lock()

    def views(self) -> None:
        """Memory views, which read single values faster than arrays."""
        columns = self._columns
        self.last: Any
        self.heat: Any
        self.last, self.heat = view_of(columns.last_s), view_of(columns.heat)
        self.count, self.flags = view_of(columns.count), view_of(columns.flags)

    @property
    def columns(self) -> HotColumns:
        """The whole columns, checked."""
        if not self.all_checked:
            self.need_all()
        return self._columns

    @property
    def raw(self) -> HotColumns:
        """The columns, checked or not: for repair."""
        return self._columns

    def need(self, row: int) -> None:
        """Check what is read or written at a row."""
        if not self.all_checked and not self.checked[row >> ZONE_SHIFT]:
            self._check(row >> ZONE_SHIFT)  # type: ignore[misc]

    def need_all(self) -> None:
        self._check(None)  # type: ignore[misc]

    def need_rows(self, rows: Rows) -> None:
        """Check what is read or written at some rows."""
        if self.all_checked:
            return
        if len(rows) > MANY:
            self.need_all()
            return
        for block in np.unique(rows >> ZONE_SHIFT).tolist():
            if not self.checked[block]:
                self._check(block)  # type: ignore[misc]

    def alive(self, row: int) -> bool:
        if not self.all_checked:
            self.need(row)
        return not self.flags[row] & DEAD

    def are_alive(self, rows: Rows) -> npt.NDArray[np.bool_]:
        self.need_rows(rows)
        alive: npt.NDArray[np.bool_] = (self._columns.flags[rows] & DEAD) == 0
        return alive

    # -- changes, all under the index's lock ----------------------------------------------------------

    def touch(self, rows: Rows, counts: Counts, lasts: Floats, heats: Floats) -> npt.NDArray[np.float32]:
        """Accesses of rows, each row once: add counts and heats (as L), raise last accesses. Gives the Ls."""
        self.need_rows(rows)
        columns = self._columns
        new = np.logaddexp(columns.heat[rows], heats.astype(np.float32))
        columns.heat[rows] = new
        columns.last_s[rows] = np.maximum(columns.last_s[rows], lasts)
        columns.count[rows] = np.minimum(columns.count[rows] + counts, MAX_COUNT)
        self._raise_zones(rows, new)
        self._changed(rows)
        return new

    def put(self, row: int, last_s: float, heat: float, count: int, flags: int) -> None:
        """The whole hot state of a row."""
        self.need(row)
        self.last[row], self.heat[row], self.count[row] = last_s, heat, min(count, MAX_COUNT)
        self.dead += (flags & DEAD) - (self.flags[row] & DEAD)
        self.flags[row] = flags
        if self._zones is not None:
            self._raise_zones(np.array([row]), np.array([self.heat[row]], np.float32))
        self._changed(row)

    def put_many(self, first: int, states: Sequence[tuple[float, float, int, int]]) -> None:
        """The whole hot states of consecutive rows, new and alive ones, of a table without a file."""
        where, columns = slice(first, first + len(states)), self._columns
        columns.last_s[where], columns.heat[where], columns.count[where], columns.flags[where] = zip(
            *states, strict=True
        )
        self._zones = None
        self._changed(np.arange(first, first + len(states)))

    def overwrite(self, rows: Rows, source: HotColumns, source_rows: Rows) -> None:
        """Copy the whole state of rows of another table, each row once."""
        if not len(rows):
            return
        self.need_rows(rows)
        mine = self._columns
        self.dead -= int(np.count_nonzero(mine.flags[rows] & DEAD))
        for name in ("last_s", "heat", "count", "flags"):
            getattr(mine, name)[rows] = getattr(source, name)[source_rows]
        self.dead += int(np.count_nonzero(mine.flags[rows] & DEAD))
        self._raise_zones(rows, mine.heat[rows])
        self._changed(rows)

    def kill(self, rows: Rows) -> None:
        """These rows, alive and each once, are dead from now on."""
        self.need_rows(rows)
        self._columns.flags[rows] |= DEAD
        self.dead += len(rows)
        self._changed(rows)

    def shift(self, delta: float, start: int = 0, stop: int | None = None) -> None:
        """Another epoch or half-life: add a constant to every L, or to those of some rows."""
        heat = self.columns.heat
        heat[start:stop] += np.float32(delta)
        self._zones = None
        self._changed(np.arange(len(heat))[start:stop])

    def _raise_zones(self, rows: Rows, heats: npt.NDArray[np.float32]) -> None:
        with self._zone_lock:
            if self._zones is not None:
                np.maximum.at(self._zones, rows >> ZONE_SHIFT, heats)

    def _changed(self, rows: Rows | int) -> None:
        self.dirty = True
        if self.watch is not None:
            self.watch.append(np.atleast_1d(np.asarray(rows, np.int64)))

    # -- what queries skip by -------------------------------------------------------------------------

    def zones(self, rows: int) -> npt.NDArray[np.float32]:
        """The greatest L of each zone; it may be too high, never too low."""
        zones = self._zones
        if zones is None:
            # Changes from here on raise what they must; what they did before is read.
            zones = np.full(len(self.checked), -np.inf, np.float32)
            heat = self.columns.heat
            self._zones = zones
            if rows:
                starts = np.arange(0, rows, 1 << ZONE_SHIFT)
                found = np.maximum.reduceat(heat[:rows], starts)
                with self._zone_lock:
                    np.maximum(zones[: len(starts)], found, out=zones[: len(starts)])
        return zones[: -(-rows >> ZONE_SHIFT)]
