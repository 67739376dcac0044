"""All rows of a snapshot as Arrow, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .memory import MemorySegment
from .run import Run
from .segment import DEAD, HotColumns, Segment, Snapshot
from .writer import shown_hot

__all__ = ["export_batches"]

BATCH_ROWS = 16_384


def export_batches(snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
    """See `CidIndex.export_batches`."""
    schema = snapshot.columns.schema()
    for segment in snapshot.segments:
        order = _by_key(segment)
        for start in range(0, segment.rows, BATCH_ROWS):
            stop = min(start + BATCH_ROWS, segment.rows)
            rows = np.arange(start, stop) if order is None else order[start:stop]
            rows = rows[(segment.hot.flags[rows] & DEAD) == 0]
            if len(rows):
                arrays = _arrays(segment, snapshot, start, stop, rows)
                yield pa.record_batch([arrays[name] for name in schema.names], schema=schema)


def _by_key(segment: Segment) -> npt.NDArray[np.int64] | None:
    """The rows in the order of their CIDs; None if they are in it."""
    if not isinstance(segment, MemorySegment):
        return None
    keys = segment.generation.keys
    return np.array(sorted(range(segment.rows), key=keys.__getitem__), np.int64)


def _arrays(
    segment: Any, snapshot: Snapshot, start: int, stop: int, rows: npt.NDArray[np.int64]
) -> dict[str, pa.Array]:
    hot = segment.hot
    some = HotColumns(hot.last_s[rows], hot.heat[rows], hot.count[rows], hot.flags[rows])
    arrays = shown_hot(some, snapshot.heat, snapshot.now_s)
    arrays["cid"] = pa.array(segment.cids(rows), pa.string())
    static = snapshot.columns.static
    if isinstance(segment, Run):
        read = segment.read_rows([column.number for column in static], start, stop)
        places = pa.array(rows - start)
        every = len(rows) == stop - start
        for column in static:
            array = read[column.number]
            arrays[column.name] = array if every else array.take(places)
    else:
        for column in static:
            arrays[column.name] = segment.take(column.name, rows)
    return arrays
