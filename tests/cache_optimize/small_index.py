"""The least that can be optimized: one run of two Parquet files, laid out as a Layout says, that counts what it
reads. The real index keeps the same promises; here nothing but the layout can explain a difference."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cidbus.actors.cache.columns import BUILT_IN, Columns
from cidbus.actors.cache.heat import Heat
from cidbus.actors.cache.index.layout import Layout
from cidbus.actors.cache.index.segment import HotColumns, Snapshot, Zones

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0
ROWS = 20_000


def table_of(rows: int = ROWS, seed: int = 1) -> pa.Table:
    """Rows like those of a node: few types, many names, sizes all over, notes that are long."""
    rng = np.random.default_rng(seed)
    types = np.array(["image/png", "text/html", "video/mp4", "application/json"])
    values: dict[str, Any] = {
        "cid": pa.array([f"cid-{number:08d}" for number in range(rows)]),
        "size_bytes": pa.array(rng.integers(0, 1_000_000, rows), pa.int64()),
        "mimetype": pa.array(types[rng.integers(0, 4, rows)]),
        "filename": pa.array([f"file-{number:08d}" for number in rng.integers(0, 10**8, rows)]),
        "added_timestamp": pa.array(rng.integers(0, 10**6, rows) * 1000, pa.timestamp("ms", "UTC")),
        "source_details": pa.array(
            [f"a long note about {number}" for number in rng.integers(0, 10**9, rows)]
        ),
        "properties": pa.array([[("author", f"a{number % 7}")] for number in range(rows)], BUILT_IN[18].type),
    }
    columns = [values.get(c.name, pa.nulls(rows, c.type)) for c in BUILT_IN]
    return pa.table(columns, schema=Columns().schema())


class ParquetSegment:
    """A run in `folder`: what is cold in a file of its own, indexes beside it."""

    name = "run 1"
    in_cid_order = True

    def __init__(self, table: pa.Table, layout: Layout, folder: Path, dead: Sequence[int] = ()) -> None:
        self.rows, self.dead, self._layout = table.num_rows, len(dead), layout
        self.groups_read: list[str] = []
        self._resident: dict[str, pa.Array] = {}
        flags = np.zeros(self.rows, np.uint8)
        flags[list(dead)] = 1
        self.hot = HotColumns(
            np.zeros(self.rows), np.zeros(self.rows, np.float32), np.zeros(self.rows, np.uint32), flags
        )
        static = [column.name for column in Columns().static]
        families = {"main": [n for n in static if n not in layout.cold], "cold": list(layout.cold)}
        families["main"].insert(0, "cid")
        self._files = {}
        for family, names in families.items():
            if names:
                path = folder / f"{family}.parquet"
                pq.write_table(
                    table.select(names), path, row_group_size=layout.row_group_rows,
                    compression=layout.compression, use_dictionary=list(layout.dictionary),
                )  # fmt: skip
                self._files |= dict.fromkeys(names, pq.ParquetFile(path))
        for name in layout.indexes:
            np.save(folder / f"{name}.npy", np.argsort(table.column(name).to_numpy()).astype(np.uint32))
        self._folder = folder

    def column(self, name: str) -> pa.Array:
        if name not in self._resident:
            self.groups_read += [name] * self._files[name].num_row_groups
            values = self._files[name].read(columns=[name]).column(0).combine_chunks()
            if name not in self._layout.resident:
                return values
            self._resident[name] = values
        return self._resident[name]

    def take(self, name: str, rows: np.ndarray) -> pa.Array:
        size, found = self._layout.row_group_rows, []
        for group in np.unique(rows // size):
            self.groups_read.append(name)
            values = self._files[name].read_row_group(int(group), columns=[name]).column(0).combine_chunks()
            found.append(values.take(pa.array(rows[rows // size == group] % size)))
        return (
            pa.concat_arrays(found) if found else pa.nulls(0, self._files[name].schema_arrow.field(name).type)
        )

    def is_resident(self, name: str) -> bool:
        return name in self._resident

    def zones(self, name: str) -> Zones | None:
        return None

    def ordered(self, name: str) -> np.ndarray | None:
        return np.load(self._folder / f"{name}.npy") if name in self._layout.indexes else None

    def cids(self, rows: np.ndarray) -> list[str]:
        return self.take("cid", rows).to_pylist()

    def find(self, cid: str) -> int | None:
        return int(cid.removeprefix("cid-"))


class SmallIndex:
    """One segment, rewritten by `compact` in the layout that was set."""

    def __init__(self, table: pa.Table, folder: Path, layout: Layout | None = None) -> None:
        self._table, self._folder, self.layout = table, folder, layout or Layout()
        self.compactions = 0
        self.broken: OSError | None = None
        self.compact(full=True)

    def compact(self, *, full: bool = False) -> None:
        if self.broken:
            raise self.broken
        self.compactions += 1
        for old in self._folder.iterdir():
            old.unlink()
        self.segment = ParquetSegment(self._table, self.layout, self._folder)

    def set_layout(self, layout: Layout) -> None:
        self.layout = layout

    def snapshot(self) -> Snapshot:
        return Snapshot(Columns(), Heat(DAY_S, NOW_S), [self.segment], NOW_S, 1)

    def get(self, cid: str) -> dict[str, object] | None:
        row = np.array([self.segment.find(cid)])
        names = [column.name for column in Columns().static]
        return {name: self.segment.take(name, row)[0].as_py() for name in names}

    def stats(self) -> dict[str, Any]:
        return {"total_size_bytes": sum(file.stat().st_size for file in self.files())}

    def files(self) -> Iterator[Path]:
        return self._folder.iterdir()

    def ask(self, request: Mapping[str, Any]) -> tuple[float, int]:
        """Answers `{"filter": {column: {"$gt": value}}}`; gives the seconds and the rows that were read."""
        started = time.perf_counter()
        ((name, condition),) = request["filter"].items()
        order, least = self.segment.ordered(name), condition["$gt"]
        if order is None:
            read = (
                len(pc.indices_nonzero(pc.greater(self.segment.column(name), least))) * 0 + self.segment.rows
            )
        else:  # from the greatest down, until one is too small
            read = 0
            for row in order[::-1]:
                read += 1
                if self.segment.take(name, np.array([row]))[0].as_py() <= least:
                    break
        return time.perf_counter() - started, read
