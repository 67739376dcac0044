"""The answer to a query: which rows it has is known, their columns are read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from ..index.segment import Snapshot
from .cursor import Cursor
from .deadline import Deadline
from .order import ROW_BITS, Ordered, Places, SortKey, by_segment
from .query import Query
from .reading import Reader, readers

__all__ = ["Result"]


class Result:
    """The answer to a query: `rows` says how many rows will come.

    What is kept is eight bytes a row; hot columns are read as they are when their batch is made.
    """

    def __init__(
        self,
        query: Query,
        snapshot: Snapshot,
        found: Ordered,
        *,
        more: bool = False,
        ascending: bool = False,
        every: list[Reader] | None = None,
        by_heat: bool = False,
    ) -> None:
        self.query = query
        self.snapshot = snapshot
        self._found = found
        self._more = more
        self._ascending = ascending
        self._every = every
        self.by_heat = by_heat  # whether the top-heat structure gave it

    @property
    def rows(self) -> int:
        return len(self._found.places)

    @property
    def schema(self) -> pa.Schema:
        """The selected columns in their logical types, in the order of the selection."""
        return self.query.schema

    @cached_property
    def next_cursor(self) -> str | None:
        """Where the next page begins; None on the last page and for queries without order or limit."""
        if not self._more or not self.query.order or not self.rows:
            return None
        keys = self.query.order[:-1]
        values = [_kept(key, value, self.snapshot) for key, value in zip(keys, self._found.last, strict=True)]
        return Cursor(tuple(values), self._cids(self._found.places[-1:])[0]).encode(self.query.hash)

    def cids(self) -> list[str]:
        """The CIDs of all rows, in order."""
        return self._cids(self._found.places)

    def batches(self, max_rows: int = 8192) -> Iterator[pa.RecordBatch]:
        """The rows in order, at most so many at a time."""
        places = self._found.places
        for first in range(0, len(places), max_rows):
            yield self._batch(places[first : first + max_rows])

    def _readers(self) -> list[Reader]:
        if self._every is None:
            self._every = readers(self.snapshot, Deadline())
        return self._every

    def _cids(self, places: Places) -> list[str]:
        segments = self.snapshot.segments
        if self._ascending:
            parts = [segments[number].cids(rows) for number, rows in by_segment(places)]
            return list(parts[0]) if len(parts) == 1 else [cid for part in parts for cid in part]
        order = np.argsort(places)
        texts = [cid for number, rows in by_segment(places[order]) for cid in segments[number].cids(rows)]
        cids: list[str] = [""] * len(texts)
        for at, text in zip(order.tolist(), texts, strict=True):
            cids[at] = text
        return cids

    def _batch(self, places: Places) -> pa.RecordBatch:
        back = None
        if not self._ascending and not self._in_any_order(places):
            order = np.argsort(places)
            places, back = places[order], np.empty_like(order)
            back[order] = np.arange(len(order))
        parts, every = by_segment(places), self._readers()
        arrays = []
        for name in self.query.select:
            pieces = [every[number].shown(name, rows) for number, rows in parts]
            array = pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)
            arrays.append(array if back is None else array.take(pa.array(back)))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _in_any_order(self, places: Places) -> bool:
        """Whether the selected columns can be read without sorting the places: CIDs and hot ones of one
        segment can."""
        columns = self.query.columns
        if any(columns[name].kind == "static" for name in self.query.select):
            return False
        return len(places) > 0 and bool((places >> ROW_BITS == places[0] >> ROW_BITS).all())


def _kept(key: SortKey, value: Any, snapshot: Snapshot) -> Any:
    """A sort value as cursors keep it."""
    if key.column != "heat_score":
        return value
    log = float(value) + snapshot.heat.decay * snapshot.heat.epoch_s
    return None if np.isneginf(log) else log
