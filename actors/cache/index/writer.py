"""Writes a run: Parquet partitions, key file, hot file and orders, from rows that come sorted by binary
CID."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...disk import sync_folder
from ..columns import TIERS, Column, Columns
from ..heat import Heat
from .files import checksum, file_checksum, fill, step
from .hotfile import HotFileWriter
from .keyfile import KeyFileWriter
from .keys import Group
from .layout import Layout
from .manifest import FileEntry, RunEntry
from .partition import Chunks, write_partition
from .run import HOT_PART_ROWS, Run
from .runfiles import plain, run_folder
from .segment import INVALID, PINNED, TIER_SHIFT, HotColumns
from .text import encode_cids

__all__ = ["RunWriter", "hot_file_entry", "shown_hot", "write_orders"]

# Longer constants are stored with the rows.
MAX_CONSTANT_CHARS = 1024


class RunWriter:
    """A run in the making. `add` takes rows in order; nothing names the files before the manifest does."""

    def __init__(
        self, folder: Path, number: int, layout: Layout, columns: Columns, heat: Heat, now_s: float,
        shapes: Sequence[tuple[bytes, int, int]],
    ) -> None:  # fmt: skip
        """`shapes`: prefix, digest bytes and rows of each group of keys; `columns` are written as they
        are."""
        step("mkdir")
        self._folder = run_folder(folder, number)
        self._folder.mkdir(mode=0o700)
        self._number, self._layout, self._columns = number, layout, columns
        self._heat, self._now_s = heat, now_s
        self._rows = sum(rows for _, _, rows in shapes)
        self._part_rows = max(1, layout.partition_rows // layout.row_group_rows) * layout.row_group_rows
        self._keys = KeyFileWriter(self._folder / "keys", shapes)
        self._hot = HotFileWriter(self._folder / "hot.0", self._rows)
        static = [column.name for column in columns.static]
        self._cold_names = [name for name in layout.cold if name in static]
        self._schema = pa.schema([field for field in columns.schema() if field.name not in self._cold_names])
        self._cold_schema = pa.schema([columns.schema().field(name) for name in self._cold_names])
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._constants: dict[int, Any] | None = None
        self._parts: list[FileEntry] = []
        self._cold: list[FileEntry] = []
        self._chunks: list[Chunks] = []
        self._cold_chunks: list[Chunks] = []

    @property
    def part_rows(self) -> int:
        """How many rows a partition has: `add` costs least with so many."""
        return self._part_rows

    def add(self, groups: Sequence[Group], static: dict[int, pa.Array], hot: HotColumns) -> None:
        """The next rows: their keys by group, static columns by number, hot columns."""
        texts = []
        for group in groups:
            self._keys.append(group)
            texts.append(encode_cids(group.matrix()))
        self._hot.append(hot)
        cid = pa.concat_arrays(texts) if len(texts) != 1 else texts[0]
        shown = shown_hot(hot, self._heat, self._now_s) | {"cid": cid}
        arrays = []
        for column in self._columns:
            array = static[column.number] if column.kind == "static" else shown[column.name]
            arrays.append(array if array.type == column.type else array.cast(column.type))
        self._note_constants(static)
        self._waiting.append(pa.table(arrays, schema=self._columns.schema()))
        self._waiting_rows += len(cid)
        while self._waiting_rows >= self._part_rows:
            self._write_part(self._part_rows)

    def finish(self, boundary: int) -> RunEntry:
        """Write what is left, sync everything, and give the run's entry: its hot columns are those of the
        record `boundary` of the log."""
        if self._waiting_rows:
            self._write_part(self._waiting_rows)
        self._keys.finish()
        dead = self._hot.finish()
        chunks = b"".join(part.tobytes() for part in [*self._chunks, *self._cold_chunks])
        fill(self._folder / "chunks", chunks)
        names = {column.number: column.name for column in self._columns}
        entry = RunEntry(
            number=self._number,
            uid=secrets.token_hex(8),
            rows=self._rows,
            part_rows=self._part_rows,
            row_group_rows=self._layout.row_group_rows,
            names=names,
            constants=self._constants or {},
            dictionary=self._numbers(self._layout.dictionary, text=True),
            resident=self._numbers(self._layout.resident),
            cold_columns=[self._columns[name].number for name in self._cold_names],
            parts=self._parts,
            cold=self._cold,
            keys=_entry(self._folder / "keys"),
            chunks=FileEntry("chunks", len(chunks), checksum(chunks)),
            hot=_entry(self._folder / "hot.0"),
            dead=dead,
            boundaries=[boundary] * -(-self._rows // HOT_PART_ROWS),
            written_s=self._now_s,
        )
        sync_folder(self._folder)
        sync_folder(self._folder.parent)
        return entry

    def _numbers(self, names: Sequence[str], *, text: bool = False) -> list[int]:
        known = [self._columns[name] for name in names if name in self._columns]
        return [column.number for column in known if not text or column.type == pa.string()]

    def _write_part(self, rows: int) -> None:
        table = pa.concat_tables(self._waiting) if len(self._waiting) > 1 else self._waiting[0]
        part, rest = table.slice(0, rows), table.slice(rows)
        self._waiting, self._waiting_rows = [rest] if len(rest) else [], len(rest)
        name = f"-{len(self._parts):04d}.parquet"
        main = part.select(self._schema.names).cast(self._schema)
        entry, chunks = write_partition(self._folder / f"part{name}", main, self._layout)
        self._parts.append(entry)
        self._chunks.append(chunks)
        if self._cold_names:
            cold = part.select(self._cold_names).cast(self._cold_schema)
            entry, chunks = write_partition(self._folder / f"cold{name}", cold, self._layout)
            self._cold.append(entry)
            self._cold_chunks.append(chunks)

    def _note_constants(self, static: dict[int, pa.Array]) -> None:
        candidates = static.keys() if self._constants is None else self._constants.keys()
        by_number = {column.number: column for column in self._columns}
        found = {}
        for number in candidates:
            is_constant, value = _constant(by_number[number], static[number])
            if is_constant and (self._constants is None or self._constants[number] == value):
                found[number] = value
        self._constants = found


def _constant(column: Column, array: pa.Array) -> tuple[bool, Any]:
    """Whether all rows have one value, and which, as rows keep it."""
    if array.null_count == len(array):
        return True, None
    if array.null_count or pa.types.is_nested(column.type):
        return False, None
    array = plain(array) if len(array) < 2 or array[0] == array[-1] else array
    if array[0] != array[-1] or not pc.all(pc.equal(array, array[0])).as_py():
        return False, None
    if pa.types.is_timestamp(column.type):
        return True, array[0].value
    value = array[0].as_py()
    return not (isinstance(value, str) and len(value) > MAX_CONSTANT_CHARS), value


def shown_hot(hot: HotColumns, heat: Heat, now_s: float) -> dict[str, pa.Array]:
    """Hot columns as other readers of the files see them: as of now."""
    last_ms = np.round(hot.last_s * 1000).astype(np.int64)
    tiers = np.minimum(hot.flags >> TIER_SHIFT & 3, len(TIERS) - 1).astype(np.int8)
    return {
        "storage_tier": pa.DictionaryArray.from_arrays(pa.array(tiers), pa.array(TIERS)).dictionary_decode(),
        "is_pinned": pa.array(hot.flags & PINNED != 0),
        "valid": pa.array(hot.flags & INVALID == 0),
        "last_accessed": pa.array(last_ms, pa.int64(), mask=hot.last_s == 0).cast(pa.timestamp("ms", "UTC")),
        "access_count": pa.array(hot.count.astype(np.int32)),
        "heat_score": pa.array(heat.scores(hot.heat, now_s)),
    }


def _entry(path: Path) -> FileEntry:
    size, total = file_checksum(path)
    return FileEntry(path.name, size, total)


def hot_file_entry(run: Run, name: str) -> FileEntry:
    """The entry of a hot file that has just been written."""
    return _entry(run.folder / name)


def write_orders(run: Run, columns: Sequence[str]) -> None:
    """Secondary indexes of a run: the row numbers in the order of each column's values, nulls last."""
    for name in columns:
        if name not in run.shared.columns:
            continue
        column = run.shared.columns[name]
        if column.kind != "static" or pa.types.is_nested(column.type):
            continue
        values = plain(run.column(name))
        order = pc.array_sort_indices(values).to_numpy().astype(np.uint32)
        data = order.tobytes()
        file = f"order.{column.number}"
        fill(run.folder / file, data)
        run.entry.orders[column.number] = FileEntry(file, len(data), checksum(data))
