"""The index in memory: its runs and the rows outside them, and the changes that both live writes and recovery
make.

Nothing here is durable; `index.py` logs a change before it is made here. All changes happen under the index's
lock. A CID is alive in at most one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .hot import ZONE_SHIFT, HotTable, empty_hot
from .keys import by_width, group, split
from .memory import Generation
from .rows import HotState, Static, new_tuple
from .run import Run
from .segment import DEAD, Segment
from .store import Shared
from .text import Cids
from .top import Top

__all__ = ["Core", "Holder", "Place"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Holder = Run | Generation
# How a number and a tail are found among the rows of one prefix of one run, and the first of these rows.
Finder = tuple[Callable[[int, bytes], int], int, HotTable, Run]
# What finds most CIDs of the largest run fast, and that run's table.
Largest = tuple[Callable[[bytes], int], HotTable]
NOWHERE: Largest = (lambda key: -1, HotTable(empty_hot(0)))

MOST_LOCATED = 32_768
# As a mask: one of four lookups is remembered.
REMEMBER_ONE_OF = 3
# Lookups until the pages of large key files are let go of: the kernel maps hundreds of KiB for each of them.
MOST_LOOKUPS = 32
# An index of more rows is large: its lookups spare memory and take longer.
SMALL_ROWS = 2_000_000


class Place(NamedTuple):
    """Where a CID is alive."""

    holder: Holder
    table: HotTable
    row: int

    @property
    def state(self) -> HotState:
        table, row = self.table, self.row
        return HotState(table.last[row], table.heat[row], table.count[row], table.flags[row])


class Core:
    """Finds rows and changes them. `version` grows with every change of rows."""

    def __init__(self, shared: Shared, generation_rows: int) -> None:
        self.shared, self._generation_rows = shared, generation_rows
        # The largest first: there most CIDs are.
        self.runs: tuple[Run, ...] = ()
        self._finders: dict[bytes, list[Finder]] = {}
        self._largest = NOWHERE
        self.generations: list[Generation] = []
        self.version = 0
        self._lookups, self._is_large = 0, False
        self.top = Top()
        # Where CIDs were found lately: a place is good until the row there dies.
        self.located: dict[bytes, tuple[HotTable, int]] = {}
        self._segments: tuple[int, tuple[Segment, ...]] = (-1, ())

    # -- reading --------------------------------------------------------------------------------------

    @property
    def record_count(self) -> int:
        runs = sum(run.rows - run.table.dead for run in self.runs)
        return runs + sum(generation.live for generation in self.generations)

    @property
    def memory_rows(self) -> int:
        return sum(generation.rows for generation in self.generations)

    def segments(self) -> tuple[Segment, ...]:
        """All rows of this moment; under the lock."""
        version, segments = self._segments
        if version != self.version:
            memory = [generation.segment(self.shared) for generation in self.generations if generation.rows]
            segments = (*self.runs, *memory)
            self._segments = self.version, segments
        return segments

    def tables(self) -> list[tuple[HotTable, int]]:
        """All hot tables and how many rows each has."""
        runs = [(run.table, run.rows) for run in self.runs]
        return runs + [(generation.table, generation.rows) for generation in self.generations]

    def find(self, key: bytes) -> Place | None:
        """Where a CID is alive; also without the lock."""
        prefix, number, tail = split(key)
        while True:
            version = self.version
            for generation in reversed(self.generations):
                row = generation.where.get(key, -1)
                if row >= 0 and generation.table.alive(row):
                    return Place(generation, generation.table, row)
            for find, first_row, table, run in self._finders.get(prefix, ()):
                row = find(number, tail)
                if row >= 0:
                    row += first_row
                    if table.all_checked or table.checked[row >> ZONE_SHIFT]:
                        if table.flags[row] & DEAD:
                            continue
                    elif not table.alive(row):
                        continue
                    return new_tuple(Place, (run, table, row))
            if version == self.version:  # otherwise the row may have moved to where it was looked for before
                return None

    def locate(self, key: bytes) -> tuple[HotTable, int] | None:
        """Where the hot columns of a CID are, found in less time than by `find`.

        Some places are remembered: those that are asked for often are soon among these, and a scan of all
        CIDs does not take the time to remember each.
        """
        located = self.located  # if runs are swapped meanwhile, this is forgotten
        find, table = self._largest
        row = find(key)
        if row < 0 or not table.all_checked or table.flags[row] & DEAD:
            place = self.find(key)
            if place is None:
                return None
            table, row = place.table, place.row
        self._lookups += 1
        if not self._lookups & REMEMBER_ONE_OF:
            self.looked_up(0)
            if len(located) >= MOST_LOCATED:
                located.clear()
            located[key] = table, row
        return table, row

    def find_many(
        self, keys: Sequence[bytes], matrices: Sequence[Cids] | None = None, *, everywhere: bool = False
    ) -> Iterator[tuple[Holder, Rows, Rows]]:
        """All places of many CIDs, dead ones left out: the holder, rows in it, and their places in `keys`.

        `matrices` are the same keys by width, for those who have them already. `everywhere` is for when a
        CID may be alive in several places, because the log is being replayed.
        """
        for generation in self.generations:
            if generation.where:
                where = generation.where
                rows = np.fromiter(map(where.get, keys, repeat(-1)), np.int64, len(keys))
                places = np.flatnonzero(rows >= 0)
                yield from _alive(generation, rows[places], places)
        if not self.runs:
            return
        self.looked_up(len(keys))
        for unsorted, places in group(by_width(keys) if matrices is None else matrices):
            order = np.argsort(unsorted.numbers)
            wanted, places = unsorted.take(order), places[order]
            for run in self.runs:
                rows = run.keys.find_many(wanted)
                hit = rows >= 0
                if not hit.any():
                    continue
                if not hit.all():
                    rows, found = rows[hit], places[hit]
                else:
                    found = places
                alive = run.table.are_alive(rows)
                if alive.all():
                    yield run, rows, found
                elif alive.any():
                    yield run, rows[alive], found[alive]
                if not everywhere:
                    hit[hit] = alive
                    if hit.all():
                        break
                    if hit.any():
                        wanted, places = wanted.take(~hit), places[~hit]

    def looked_up(self, keys: int) -> None:
        """Lookups make the key files resident page by page; of large ones the pages are let go of in time."""
        self._lookups += keys
        if self._lookups > MOST_LOOKUPS:
            self._lookups = 0
            if self._is_large:
                for run in self.runs:
                    run.keys.release()

    # -- changing, under the lock ---------------------------------------------------------------------

    def insert(self, key: bytes, static: Static, state: HotState, record: int) -> Place:
        """A new row for a CID. The one it replaces is killed after this, so that readers always find one."""
        if not self.generations or self.generations[-1].is_full:
            self.generations.append(Generation(self._generation_rows, record))
        generation = self.generations[-1]
        row = generation.add(key, static, state)
        self.top.rise_one(generation.table, row, state.heat)
        self.version += 1
        return Place(generation, generation.table, row)

    def insert_many(self, rows: Sequence[tuple[bytes, Static, HotState]], record: int) -> None:
        """New rows of different CIDs, no more than there is room for."""
        if not self.generations or self.generations[-1].is_full:
            self.generations.append(Generation(self._generation_rows, record))
        generation = self.generations[-1]
        first = generation.add_many(rows)
        heats = generation.table.columns.heat[first : first + len(rows)]
        self.top.rise(generation.table, np.arange(first, first + len(rows)), heats)
        self.version += 1

    @property
    def room(self) -> int:
        """How many rows the youngest generation takes before there is another."""
        if self.generations and not self.generations[-1].is_full:
            return self.generations[-1].capacity - self.generations[-1].rows
        return self._generation_rows

    def kill(self, table: HotTable, rows: Rows) -> None:
        """Rows that were replaced or deleted, each once."""
        if len(rows):
            table.kill(rows)
            self.top.fall()
            self.version += 1

    def touch(self, table: HotTable, rows: Rows, counts: Rows, lasts: Floats) -> None:
        """Accesses of rows of one table, which may repeat: `counts` of them at `lasts` each."""
        heat = self.shared.heat
        with np.errstate(divide="ignore"):
            heats = heat.decay * (lasts - heat.epoch_s) + np.log(counts)
        if len(rows) > 1:
            rows, counts, lasts, heats = _merged(rows, counts, lasts, heats)
        self.top.rise(table, rows, table.touch(rows, counts, lasts, heats))

    def set_state(self, table: HotTable, row: int, state: HotState) -> None:
        """The whole hot state of a row."""
        cooled = state.heat < table.heat[row]
        table.put(row, *state)
        if cooled:
            self.top.forget()
        else:
            self.top.rise_one(table, row, state.heat)

    def swap(self, gone: Sequence[Run], come: Sequence[Run], written: Sequence[Generation] = ()) -> None:
        """Other runs and generations hold the rows from now on."""
        runs = [run for run in self.runs if run not in gone] + list(come)
        self.runs = tuple(sorted(runs, key=lambda run: run.rows, reverse=True))
        self.find_anew()
        self.generations = [generation for generation in self.generations if generation not in written]
        self._segments = -1, ()
        self.located = {}
        self.top.forget()
        self.version += 1

    def find_anew(self) -> None:
        """The runs, or key files of them, are others than before."""
        finders: dict[bytes, list[Finder]] = {}
        self._is_large = sum(run.rows for run in self.runs) > SMALL_ROWS
        for run in self.runs:
            run.keys.spares_memory = self._is_large
            for prefix, first_row, find in run.keys.finders:
                finders.setdefault(prefix, []).append((find, first_row, run.table, run))
        self._finders = finders
        if self.runs and not self._is_large:  # the fast finder reads tails through the map
            self._largest = self.runs[0].keys.finder(), self.runs[0].table
        else:
            self._largest = NOWHERE

    def shift_heat(self, delta: float) -> None:
        """Add a constant to every L."""
        for table, _ in self.tables():
            table.shift(delta)
        self.top.forget()


def _alive(holder: Holder, rows: Rows, places: Rows) -> Iterator[tuple[Holder, Rows, Rows]]:
    if not len(rows):
        return
    alive = holder.table.are_alive(rows)
    if alive.all():
        yield holder, rows, places
    elif alive.any():
        yield holder, rows[alive], places[alive]


def _merged(rows: Rows, counts: Rows, lasts: Floats, heats: Floats) -> tuple[Rows, Rows, Floats, Floats]:
    """Accesses of one row together, rows ascending."""
    steps = np.diff(rows)
    if (steps < 0).any():
        order = np.argsort(rows, kind="stable")
        rows, counts, lasts, heats = rows[order], counts[order], lasts[order], heats[order]
        steps = np.diff(rows)
    if (steps > 0).all():
        return rows, counts, lasts, heats
    starts = np.concatenate([[0], np.flatnonzero(steps) + 1])
    return (
        rows[starts],
        np.add.reduceat(counts, starts),
        np.maximum.reduceat(lasts, starts),
        np.logaddexp.reduceat(heats, starts),
    )
