"""A run: an immutable set of rows in the order of their binary CIDs, with hot columns that change in
place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..columns import Column
from .cells import Cells
from .files import checksum
from .hotfile import HotFile
from .keyfile import BLOCK_ROWS, KeyFile
from .keys import key_of, split
from .manifest import FileEntry, RunEntry
from .rows import Static
from .runfiles import RunFiles, one_array, plain, run_folder
from .segment import HotColumns, Zones
from .store import Shared
from .text import encode_cids, encode_each

__all__ = ["HOT_PART_ROWS", "Run"]

Rows = npt.NDArray[np.int64]

# The hot columns are copied so many rows at a time while writers wait: some milliseconds.
HOT_PART_ROWS = 1 << 18
# Text columns with more distinct values than one in so many rows are not kept as dictionaries.
DISTINCT_ONE_IN = 4
# Of so many rows at a time the CIDs are remembered as text: the hottest ones are asked for again and again.
FEW, MOST_TEXTS = 128, 4096


class Run:
    """An open run; a `Segment`. Opening it maps files and reads none but the directory of its keys."""

    in_cid_order = True

    def __init__(self, folder: Path, entry: RunEntry, shared: Shared) -> None:
        self.entry, self.name, self.folder = entry, f"run {entry.number}", run_folder(folder, entry.number)
        self.shared = shared
        self.rows = entry.rows
        self.open_keys()
        self.hot_file = HotFile(
            self.folder / entry.hot.name,
            f"{self.folder.name}/{entry.hot.name}",
            entry.rows,
            entry.dead,
            shared.damages,
        )
        self.table = self.hot_file.table
        self.parquet = RunFiles(folder, entry, shared)
        self._texts: dict[int, str] = {}
        self._zones: dict[int, Zones | None] = {}
        self._plan: tuple[Any, list[int], Static] | None = None
        self._orders: dict[int, npt.NDArray[np.uint32]] = {}
        # False while the hot columns must be written before the run may be named by a manifest.
        self.is_saved = True

    def open_keys(self) -> None:
        """Map the key file, anew after a repair."""
        name = f"{self.folder.name}/{self.entry.keys.name}"
        self.keys = KeyFile(self.folder / self.entry.keys.name, name, self.shared.damages)

    # -- the segment ----------------------------------------------------------------------------------

    @property
    def dead(self) -> int:
        return self.table.dead

    @property
    def hot(self) -> HotColumns:
        return self.table.columns

    def find(self, cid: str) -> int | None:
        row = self.keys.find(*split(key_of(cid)))
        return row if row >= 0 and self.table.alive(row) else None

    def cids(self, rows: Rows) -> Sequence[str]:
        if len(rows) < FEW:
            return self._few_cids(rows.tolist())
        order = None
        if (rows[1:] < rows[:-1]).any():
            order = np.argsort(rows, kind="stable")
            rows = rows[order]
        texts: list[str] = []
        for group in self.keys.take(rows):
            texts += encode_cids(group.matrix()).to_pylist()
        if order is None:
            return texts
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return [texts[at] for at in back.tolist()]

    def _few_cids(self, rows: list[int]) -> list[str]:
        known = self._texts
        found = [known.get(row) for row in rows]
        if None in found:
            missing = [row for row, text in zip(rows, found, strict=True) if text is None]
            new = dict(zip(missing, encode_each(self.keys.keys(missing)), strict=True))
            if len(known) > MOST_TEXTS:
                known.clear()
            known.update(new)
            found = [text or new[row] for row, text in zip(rows, found, strict=True)]
        return cast("list[str]", found)

    def column(self, name: str) -> pa.Array:
        column = self.shared.columns[name]
        array = self._fixed(column, self.rows)
        if array is None:
            key = (self.entry.uid, column.number)
            array = self.shared.decoded.get(key)
            if array is None:
                array = self._decode(column)
                self.shared.decoded.put(key, array, array.get_total_buffer_size())
        return _as_type(array, column.type)

    def take(self, name: str, rows: Rows) -> pa.Array:
        column = self.shared.columns[name]
        array = self._fixed(column, len(rows))
        if array is not None:
            return plain(array)
        group_rows = self.entry.row_group_rows
        groups, firsts = np.unique(rows // group_rows, return_index=True)
        if self.is_resident(name) or len(groups) * 4 > self.rows // group_rows + 4:
            return plain(self.column(name).take(pa.array(rows)))
        stops = [*firsts[1:].tolist(), len(rows)]
        found = []
        for group, start, stop in zip(groups.tolist(), firsts.tolist(), stops, strict=True):
            array = self._group(group, (column.number,))[column.number].array
            found.append(plain(array.take(pa.array(rows[start:stop] - group * group_rows))))
        return _as_type(pa.concat_arrays(found), column.type) if found else pa.array([], column.type)

    def is_resident(self, name: str) -> bool:
        number = self.shared.columns[name].number
        return not self._is_stored(number) or (self.entry.uid, number) in self.shared.decoded

    def zones(self, name: str) -> Zones | None:
        if name == "heat":
            return Zones(BLOCK_ROWS, None, self.table.zones(self.rows))
        column = self.shared.columns[name]
        if column.number not in self._zones:
            self._zones[column.number] = self._static_zones(column)
        return self._zones[column.number]

    def ordered(self, name: str) -> npt.NDArray[np.uint32] | None:
        number = self.shared.columns[name].number
        entry = self.entry.orders.get(number)
        if entry is None:
            return None
        if number not in self._orders:
            path = self.folder / entry.name
            raw = path.read_bytes() if path.exists() else b""
            order: npt.NDArray[np.uint32] = np.frombuffer(raw[: len(raw) // 4 * 4], np.uint32)
            if len(raw) != entry.size or checksum(raw) != entry.checksum:
                raise self.shared.damages.found(f"{self.folder.name}/{entry.name}", "content")
            self._orders[number] = order
        return self._orders[number]

    # -- whole rows -----------------------------------------------------------------------------------

    def static(self, row: int, numbers: Sequence[int] | None = None) -> Static:
        """The static values of a row by column number, or some of them; nulls are left out."""
        stored, fixed = self._whole_rows()
        if numbers is not None:
            stored = [number for number in stored if number in numbers]
        values = dict(fixed)
        if stored:
            held = self._group(row // self.entry.row_group_rows, stored)
            at = row % self.entry.row_group_rows
            for number in stored:
                value = held[number].value(at)
                if value is not None:
                    values[number] = value
        return values

    def _whole_rows(self) -> tuple[list[int], Static]:
        """The static columns that are stored, and the values of the others."""
        columns = self.shared.columns
        if self._plan is None or self._plan[0] is not columns:
            entry, static = self.entry, [column.number for column in columns.static]
            stored = [number for number in static if self._is_stored(number)]
            fixed = {number: entry.constants[number] for number in static if number in entry.constants}
            self._plan = (
                columns,
                stored,
                {number: value for number, value in fixed.items() if value is not None},
            )
        return self._plan[1:]

    def _group(self, group: int, wanted: Sequence[int]) -> dict[int, Cells]:
        """Columns of one row group by number."""
        key = (self.entry.uid, group)
        held: dict[int, Cells] = self.shared.groups.get(key) or {}
        missing = [number for number in wanted if number not in held]
        if missing:
            read = self.parquet.read_group(group, missing)
            held = held | {number: Cells(one_array(chunks)) for number, chunks in read.items()}
            size_bytes = sum(cells.array.get_total_buffer_size() for cells in held.values())
            self.shared.groups.put(key, held, size_bytes)
        return held

    def read_rows(self, numbers: Sequence[int], start: int, stop: int) -> dict[int, pa.Array]:
        """Static columns at consecutive rows, straight from the files; for rewriting."""
        columns = {column.number: column for column in self.shared.columns}
        found = self.parquet.read_rows([number for number in numbers if self._is_stored(number)], start, stop)
        for number in numbers:
            if number not in found:
                found[number] = _as_type(
                    plain(self._fixed(columns[number], stop - start)), columns[number].type
                )
        return found

    def _is_stored(self, number: int) -> bool:
        return number in self.entry.names and number not in self.entry.constants

    def _fixed(self, column: Column, rows: int) -> pa.Array | None:
        """The column where all rows have one value, null included."""
        if self._is_stored(column.number):
            return None
        value = self.entry.constants.get(column.number)
        if value is None:
            return pa.nulls(rows, column.type)
        if column.type == pa.string():
            zeros = pa.array(np.zeros(rows, np.int8))
            return pa.DictionaryArray.from_arrays(zeros, pa.array([value]))
        return pa.repeat(pa.scalar(value, column.type), rows)

    def _decode(self, column: Column) -> pa.Array:
        parts, name = self.parquet.of(column.number), self.entry.names[column.number]
        per_group, chunks = self.entry.row_group_rows, []
        for part in parts:
            groups = range(-(-part.entry.rows // per_group))
            chunks += part.read([name], groups, threads=True).column(name).chunks
        array = pa.chunked_array(chunks)
        if pa.types.is_dictionary(array.type):
            return _small(array.unify_dictionaries().combine_chunks())
        return one_array(array)

    def _static_zones(self, column: Column) -> Zones | None:
        numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        if not (numeric or pa.types.is_timestamp(column.type)) or not self._is_stored(column.number):
            return None
        kind: Any = np.float64 if pa.types.is_floating(column.type) else np.int64
        if pa.types.is_uint64(column.type):
            kind = np.uint64
        parts = self.parquet.of(column.number)
        limits = np.finfo(kind) if kind is np.float64 else np.iinfo(kind)
        # A group without values has a least value above its greatest: nothing is in it.
        empty = (limits.max, limits.min)
        name = self.entry.names[column.number]
        bounds = [found or empty for part in parts for found in part.bounds(name)]
        least, greatest = np.array(bounds, kind).T
        return Zones(self.entry.row_group_rows, np.ascontiguousarray(least), np.ascontiguousarray(greatest))

    @property
    def files(self) -> list[FileEntry]:
        entry = self.entry
        return [*entry.parts, *entry.cold, entry.keys, entry.chunks, entry.hot, *entry.orders.values()]


def _small(array: pa.Array) -> pa.Array:
    """A dictionary array with indices no wider than needed, or no dictionary at all."""
    distinct = len(array.dictionary)
    if distinct * DISTINCT_ONE_IN > len(array):
        return array.dictionary_decode()
    kind = pa.int8() if distinct < 1 << 7 else pa.int16() if distinct < 1 << 15 else pa.int32()
    return pa.DictionaryArray.from_arrays(array.indices.cast(kind), array.dictionary)


def _as_type(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if array.type == wanted or pa.types.is_dictionary(array.type):
        return array
    return array.cast(wanted)
