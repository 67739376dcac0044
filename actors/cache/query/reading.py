"""Columns of one segment as numpy and Arrow see them, whole or at some rows, copied only where that cannot be
helped.

Hot columns are read from their arrays, which others write to meanwhile; a query that needs a value twice
keeps it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..columns import TIERS, Columns
from ..heat import Heat
from ..index.segment import INVALID, PINNED, TIER_SHIFT, Rows, Segment, Snapshot
from .deadline import Deadline
from .values import Kind, kind_of

__all__ = [
    "At", "Bools", "Numbers", "Reader", "milliseconds", "number_values", "readers", "rows_at", "size_of",
    "text_offsets", "validity",
]  # fmt: skip

Bools = npt.NDArray[np.bool_]
# Some rows of a segment: a range, or ascending row numbers.
At = slice | Rows
# Values and, where some are null, which are not.
Numbers = tuple[npt.NDArray[Any], Bools | None]

MAX_COUNT = np.uint32((1 << 31) - 1)


@cache
def _tier_names() -> pa.StringArray:
    """Made when it is needed: to make an array of Python's own values pyarrow imports pandas where that is
    installed, which takes longer than the rest of a start."""
    return pa.array([*TIERS, None], pa.string())


def readers(snapshot: Snapshot, deadline: Deadline) -> list[Reader]:
    """One for each segment; they live as long as one query."""
    return [Reader(segment, snapshot, deadline) for segment in snapshot.segments]


def size_of(at: At) -> int:
    return int(at.stop - at.start) if isinstance(at, slice) else len(at)


def rows_at(at: At) -> Rows:
    return np.arange(at.start, at.stop, dtype=np.int64) if isinstance(at, slice) else at


def milliseconds(last_s: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Unix times as the timestamps that are shown of them."""
    return np.rint(last_s * 1000.0).astype(np.int64)


class Reader:
    """Reads one segment; `rows` are always ascending.

    A resident column is read whole and looked at in place; of another only the wanted rows are read, except
    when a range is wanted, where the segment learns that the column is being scanned. `deadline` is for those
    who read in pieces: the reader itself reads what it is asked for.
    """

    def __init__(self, segment: Segment, snapshot: Snapshot, deadline: Deadline) -> None:
        self.segment = segment
        self.deadline = deadline
        self.columns: Columns = snapshot.columns
        self.heat: Heat = snapshot.heat
        self.now_s = snapshot.now_s
        self.rows = segment.rows
        self.hot = segment.hot
        self.in_cid_order = segment.in_cid_order
        self._whole: dict[str, pa.Array] = {}
        self._views: dict[str, Numbers] = {}

    def is_hot(self, name: str) -> bool:
        return name in self.columns and self.columns[name].kind == "hot"

    def is_at_hand(self, name: str) -> bool:
        """Whether reading the column needs no file."""
        if self.is_hot(name) or name in self._whole:
            return True
        return name != "cid" and self.segment.is_resident(name.partition(".")[0] if "." in name else name)

    def kind(self, name: str) -> Kind:
        return kind_of(self.columns[name].type)

    def cids(self, rows: Rows) -> Sequence[str]:
        return self.segment.cids(rows)

    def numbers(self, name: str, at: At) -> Numbers:
        """A static column of numbers, times or truth values."""
        if not isinstance(at, slice) and not self.is_at_hand(name):
            return _number_view(self._logical(name, self.segment.take(name, at)))
        if name not in self._views:
            self._views[name] = _number_view(self.whole(name))
        values, valid = self._views[name]
        return values[at], None if valid is None else valid[at]

    def whole(self, name: str) -> pa.Array:
        """A whole static column, text of few values as a dictionary."""
        if name not in self._whole:
            self._whole[name] = self._logical(name, self.segment.column(name))
        return self._whole[name]

    def arrow(self, name: str, at: At) -> pa.Array:
        """A static column at these rows, text of few values as a dictionary."""
        if isinstance(at, slice):
            return self.whole(name).slice(at.start, at.stop - at.start)
        if self.is_at_hand(name):
            return self.whole(name).take(pa.array(at))
        return self._logical(name, self.segment.take(name, at))

    def codes(self, name: str, at: At) -> Numbers:
        """The codes of a whole column that is kept as a dictionary."""
        if name not in self._views:
            self._views[name] = _number_view(self.whole(name).indices)
        codes, valid = self._views[name]
        return codes[at], None if valid is None else valid[at]

    def text(self, name: str, at: At) -> pa.Array:
        """A text column, a key of a map, or the CIDs; text of few values as a dictionary."""
        if name == "cid":
            return pa.array(self.cids(rows_at(at)), pa.string())
        if name in self.columns:
            return self.arrow(name, at)
        outer, _, key = name.partition(".")
        return pc.map_lookup(self.arrow(outer, at), query_key=pa.scalar(key), occurrence="last")

    def value(self, name: str, row: int) -> Any:
        """One value of a static column, as conditions compare it; None for null and NaN."""
        at = np.array([row], np.int64)
        if self.kind(name) == "text":
            return self.arrow(name, at)[0].as_py()
        values, valid = self.numbers(name, at)
        value = values[0]
        return None if (valid is not None and not valid[0]) or value != value else value

    def valid(self, name: str, at: At) -> Bools | None:
        """Which values of a static column, or of a key of a map, are not null; None if all are."""
        return validity(self.text(name, at))

    def shown(self, name: str, at: At) -> pa.Array:
        """Any column, hot ones and `cid` too, in its logical type."""
        kind = self.columns[name].kind
        if kind == "hot":
            return self._hot_shown(name, at)
        if kind == "key":
            return pa.array(self.cids(rows_at(at)), pa.string())
        array = self.arrow(name, at)
        if isinstance(array.type, pa.DictionaryType):
            return array.dictionary_decode().cast(self.columns[name].type)
        return array

    def _hot_shown(self, name: str, at: At) -> pa.Array:
        hot = self.hot
        if name == "heat_score":
            return pa.array(self.heat.scores(hot.heat[at], self.now_s))
        if name == "access_count":
            return pa.array(np.minimum(hot.count[at], MAX_COUNT).astype(np.int32))
        if name == "last_accessed":
            last_s = hot.last_s[at]
            return pa.array(milliseconds(last_s), mask=last_s == 0).cast(self.columns[name].type)
        flags = hot.flags[at]
        if name == "is_pinned":
            return pa.array((flags & PINNED) != 0)
        if name == "valid":
            return pa.array((flags & INVALID) == 0)
        return _tier_names().take(pa.array((flags >> TIER_SHIFT) & 3))

    def _logical(self, name: str, array: Any) -> pa.Array:
        """One array of the column's own type, or a dictionary; older runs may hold narrower numbers."""
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        wanted = self.columns[name].type
        if array.type == wanted or isinstance(array.type, pa.DictionaryType):
            return array
        return array.cast(wanted)


def validity(array: pa.Array) -> Bools | None:
    """Which values are not null; None if all are."""
    if array.null_count == 0:
        return None
    bits = array.buffers()[0]
    if bits is None or sys.byteorder != "little":
        return np.asarray(pc.is_valid(array).to_numpy(zero_copy_only=False), np.bool_)
    offset = array.offset
    flat = np.frombuffer(bits, np.uint8)[offset // 8 : (offset + len(array) + 7) // 8]
    return np.unpackbits(flat, bitorder="little")[offset % 8 :][: len(array)].view(np.bool_)


def text_offsets(texts: pa.Array) -> npt.NDArray[Any]:
    """Where each text begins in the array's bytes, and where the last one ends."""
    dtype = np.dtype(np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    if not len(texts):
        return np.zeros(1, dtype)
    return np.frombuffer(texts.buffers()[1], dtype, len(texts) + 1, texts.offset * dtype.itemsize)


def number_values(array: pa.Array) -> npt.NDArray[Any]:
    """The values of an array of fixed width in place, whatever stands where nulls are."""
    if pa.types.is_boolean(array.type):
        filled = array.fill_null(False) if array.null_count else array
        return np.asarray(filled.to_numpy(zero_copy_only=False), np.bool_)
    whole = pa.types.is_temporal(array.type)
    dtype = np.dtype(np.int64 if whole else array.type.to_pandas_dtype())
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)


def _number_view(array: pa.Array) -> Numbers:
    return number_values(array), validity(array)
