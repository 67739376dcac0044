"""Rows that are in no run yet: generations of bounded size, each written as one run some day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .hot import ZONE_SHIFT, HotTable, empty_hot
from .keys import key_of
from .rows import HotState, Static
from .segment import HotColumns, Zones
from .store import Shared
from .text import encode_each

__all__ = ["Generation", "MemorySegment"]

Rows = npt.NDArray[np.int64]

# Columns are made of so many rows at a time, and kept.
CHUNK_ROWS = 4096


class Generation:
    """Rows in the order they came. A row is never changed but by its hot columns; a replaced one is dead.

    `where` has the row of each CID that is or was here; whether it is alive is in the flags.
    """

    def __init__(self, capacity: int, first_record: int) -> None:
        self.capacity, self.first_record = capacity, first_record
        self.table = HotTable(empty_hot(capacity))
        self.keys: list[bytes] = []
        self.static_rows: list[Static] = []
        self.where: dict[bytes, int] = {}
        self._chunks: dict[tuple[int, int], pa.Array] = {}
        self._segment: MemorySegment | None = None

    @property
    def rows(self) -> int:
        return len(self.keys)

    @property
    def live(self) -> int:
        return len(self.keys) - self.table.dead

    @property
    def is_full(self) -> bool:
        return len(self.keys) >= self.capacity

    def add(self, key: bytes, static: Static, state: HotState) -> int:
        """A new row, which is found instead of the one that its CID had here."""
        row = len(self.keys)
        self.table.put(row, *state)
        self.static_rows.append(static)
        self.keys.append(key)
        self.where[key] = row
        return row

    def static(self, row: int, numbers: Sequence[int] | None = None) -> Static:
        """The static values of a row by column number; nulls are left out."""
        return self.static_rows[row]

    def add_many(self, rows: Sequence[tuple[bytes, Static, HotState]]) -> int:
        """New rows of different CIDs; gives the first."""
        first, last = len(self.keys), len(self.keys) + len(rows)
        keys, statics, states = zip(*rows, strict=True)
        self.table.put_many(first, states)
        self.static_rows += statics
        self.keys += keys
        self.where.update(zip(keys, range(first, last), strict=True))
        return first

    def segment(self, shared: Shared) -> MemorySegment:
        """The rows of this moment as a segment."""
        segment = self._segment
        if segment is None or segment.rows != len(self.keys):
            segment = self._segment = MemorySegment(self, len(self.keys), shared)
        return segment

    def chunk(self, number: int, type: pa.DataType, chunk: int, stop: int) -> pa.Array:  # noqa: A002
        """One column of the rows of a chunk, those before `stop`."""
        first, last = chunk * CHUNK_ROWS, min((chunk + 1) * CHUNK_ROWS, stop)
        key = number, chunk
        array = self._chunks.get(key)
        if array is None or len(array) != last - first or array.type != type:
            array = pa.array([values.get(number) for values in self.static_rows[first:last]], type)
            self._chunks[key] = array
        return array


class MemorySegment:
    """The rows of a generation at one moment; a `Segment`."""

    in_cid_order = False

    def __init__(self, generation: Generation, rows: int, shared: Shared) -> None:
        self.generation, self.rows, self._shared = generation, rows, shared
        self.table = generation.table
        self.name = f"memory {generation.table.serial}"
        columns = generation.table.columns
        self._hot = HotColumns(
            columns.last_s[:rows], columns.heat[:rows], columns.count[:rows], columns.flags[:rows]
        )
        self._columns: dict[str, pa.Array] = {}

    @property
    def dead(self) -> int:
        return self.table.dead

    @property
    def hot(self) -> HotColumns:
        return self._hot

    def column(self, name: str) -> pa.Array:
        column = self._shared.columns[name]
        array = self._columns.get(name)
        if array is None or array.type != column.type:
            chunks = range(-(-self.rows // CHUNK_ROWS))
            arrays = [self.generation.chunk(column.number, column.type, chunk, self.rows) for chunk in chunks]
            array = pa.concat_arrays(arrays) if arrays else pa.array([], column.type)
            self._columns[name] = array
        return array

    def take(self, name: str, rows: Rows) -> pa.Array:
        return self.column(name).take(pa.array(rows))

    def is_resident(self, name: str) -> bool:
        return True

    def zones(self, name: str) -> Zones | None:
        if name != "heat":
            return None
        return Zones(1 << ZONE_SHIFT, None, self.table.zones(self.rows))

    def ordered(self, name: str) -> npt.NDArray[np.uint32] | None:
        return None

    def cids(self, rows: Rows) -> Sequence[str]:
        keys = self.generation.keys
        return encode_each([keys[row] for row in rows.tolist()])

    def find(self, cid: str) -> int | None:
        row = self.generation.where.get(key_of(cid))
        return row if row is not None and row < self.rows and self.table.alive(row) else None
