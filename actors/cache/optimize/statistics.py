"""What the values of the columns are like, measured from samples in bounded time.

Rows lie in the order of their CIDs, which are hashes, so any block of neighbouring rows is a random sample of
every other column; blocks from all over the index even out what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ....schemas.errors import DamagedIndex
from ..index.segment import DEAD, Segment, Snapshot
from .footers import StoredBytes, stored_bytes

__all__ = ["ColumnFacts", "ColumnStatistics", "distinct_values"]

SAMPLE_ROWS = 16_384
BLOCK_ROWS = 1024
TIME_S = 1.0

Block = tuple[Segment, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column.

    Attributes:
        rows: how many rows there are; `sampled` of them were looked at.
        null_share: the share of nulls, from 0 to 1.
        distinct: how many values differ, nulls aside; an estimate if not all rows were looked at, None for
            lists and maps.
        decoded_bytes: bytes a row in memory; `stored_bytes`: bytes a row in Parquet, compressed, None if
            unknown.
    """

    type: pa.DataType
    rows: int
    sampled: int
    null_share: float
    distinct: int | None
    decoded_bytes: float
    stored_bytes: float | None = None

    @property
    def is_text(self) -> bool:
        return bool(pa.types.is_string(self.type) or pa.types.is_large_string(self.type))

    @property
    def is_nested(self) -> bool:
        return bool(pa.types.is_nested(self.type))


@dataclass(frozen=True)
class ColumnStatistics:
    """The static columns of an index by name; `complete` is false where time ran out before all of them."""

    rows: int
    columns: Mapping[str, ColumnFacts] = field(default_factory=dict)
    complete: bool = True

    def __getitem__(self, name: str) -> ColumnFacts:
        """The facts of a column; raises KeyError if it was not measured."""
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    @classmethod
    def of_snapshot(
        cls,
        snapshot: Snapshot,
        *,
        files: Iterable[Path] = (),
        sample_rows: int = SAMPLE_ROWS,
        time_s: float = TIME_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Measured from about `sample_rows` live rows, and the footers of the Parquet `files`.

        After `time_s` no further column is begun; smaller samples cost less, larger ones tell rare values
        apart.
        """
        ends = clock() + time_s
        blocks = list(_blocks(snapshot.segments, sample_rows))
        rows = sum(segment.rows - segment.dead for segment in snapshot.segments)
        stored = stored_bytes(files, snapshot.columns)
        found: dict[str, ColumnFacts] = {}
        for column in snapshot.columns.static:
            if found and clock() > ends:
                return cls(rows, found, complete=False)
            values = _values(blocks, column.name, column.type)
            found[column.name] = _facts(values, rows, stored.get(column.name))
        return cls(rows, found)

    @classmethod
    def of_table(cls, table: pa.Table, *, stored: StoredBytes | None = None) -> Self:
        """Measured from every row of a table."""
        facts = {
            name: _facts(
                _decoded(table.column(name).combine_chunks()), table.num_rows, (stored or {}).get(name)
            )
            for name in table.column_names
        }
        return cls(table.num_rows, facts)


def distinct_values(sampled: int, found: int, single: int, rows: int) -> int:
    """How many distinct values `rows` rows have, of which a sample of `sampled` shows `found`, `single` of
    them
    once: the estimator Duj1 of Haas and Stokes (IBM RJ 10025, 1996), which PostgreSQL uses as well."""
    if sampled <= 0 or found <= 0:
        return 0
    if sampled >= rows:
        return found
    estimate = sampled * found / (sampled - single + single * sampled / rows)
    return int(min(max(round(estimate), found), rows))


def _blocks(segments: Sequence[Segment], sample_rows: int) -> Iterator[Block]:
    """Live rows from blocks that are spread evenly over all segments; all rows if they are few."""
    total = sum(segment.rows for segment in segments)
    count = max(sample_rows // BLOCK_ROWS, 1)
    starts = np.concatenate([[0], np.cumsum([segment.rows for segment in segments])]).astype(np.int64)
    wanted = np.arange(0, total, BLOCK_ROWS)
    if total > sample_rows:
        wanted = ((np.arange(count) + 0.5) * (total / count)).astype(np.int64)
    for number, segment in enumerate(segments):
        inside = wanted[(wanted >= starts[number]) & (wanted < starts[number + 1])] - starts[number]
        firsts = np.unique(inside // BLOCK_ROWS) * BLOCK_ROWS
        if total <= sample_rows:
            firsts = np.arange(0, segment.rows, BLOCK_ROWS)
        for first in firsts:
            rows = np.arange(first, min(first + BLOCK_ROWS, segment.rows), dtype=np.int64)
            rows = rows[(segment.hot.flags[rows] & DEAD) == 0]
            if rows.size:
                yield segment, rows


def _values(blocks: Sequence[Block], name: str, kind: pa.DataType) -> pa.Array:
    found = []
    for segment, rows in blocks:
        try:
            found.append(_decoded(segment.take(name, rows)).cast(kind))
        except DamagedIndex:
            continue  # `verify` reports and mends it; the sample is smaller
    return pa.concat_arrays(found) if found else pa.nulls(0, kind)


def _decoded(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _facts(values: pa.Array, rows: int, stored: float | None) -> ColumnFacts:
    sampled = len(values)
    return ColumnFacts(
        type=values.type,
        rows=rows,
        sampled=sampled,
        null_share=values.null_count / sampled if sampled else 0.0,
        distinct=_distinct(values, rows),
        decoded_bytes=values.nbytes / sampled if sampled else 0.0,
        stored_bytes=stored,
    )


def _distinct(values: pa.Array, rows: int) -> int | None:
    if pa.types.is_nested(values.type):
        return None
    present = values.drop_null()
    if not len(present):
        return 0
    counts = pc.value_counts(present).field("counts")
    single = pc.sum(pc.equal(counts, 1)).as_py()
    with_value = max(round(rows * len(present) / len(values)), len(present))
    return distinct_values(len(present), len(counts), single, with_value)
