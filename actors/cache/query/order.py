"""The order of rows: by sort keys, nulls last, then by the bytes of the CID, over all segments.

A place is a segment number and a row in 64 bits. With a limit each segment first gives up all but its own
smallest rows, without sorting the others; CIDs are read only of rows that the keys leave equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..index.segment import Rows
from .cids import cid_keys
from .reading import At, Bools, Numbers, Reader, milliseconds, number_values, validity

__all__ = [
    "ROW_BITS", "Ordered", "Places", "SortKey", "by_segment", "dense_ranks", "ordered", "places_of",
    "ties_by_cid",
]  # fmt: skip

Places = npt.NDArray[np.int64]

ROW_BITS = 40
ROW_MASK = (1 << ROW_BITS) - 1
# CIDs are compared so many at a time.
CID_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class SortKey:
    column: str
    descending: bool = False


@dataclass(slots=True)
class Ordered:
    """Places in order, and the sort values of the last of them (without its CID); L for heat, None for
    null."""

    places: Places
    last: tuple[Any, ...] = ()


def places_of(segment: int, rows: Rows) -> Places:
    return rows | (segment << ROW_BITS) if segment else rows


def by_segment(places: Places) -> list[tuple[int, Rows]]:
    """The rows of ascending places, segment by segment."""
    segments = places >> ROW_BITS
    if len(places) and segments[0] == segments[-1]:
        return [(int(segments[0]), places & ROW_MASK)]
    cuts = np.flatnonzero(np.diff(segments)) + 1
    parts = np.split(places, cuts) if len(places) else []
    return [(int(part[0] >> ROW_BITS), part & ROW_MASK) for part in parts]


def ordered(
    readers: Sequence[Reader], rows: Sequence[Rows], keys: Sequence[SortKey], limit: int | None
) -> Ordered:
    """These rows of each segment by the keys, the last of which is `cid`; the first `limit` of them."""
    if limit is not None:
        rows = [_smallest(reader, some, keys, limit) for reader, some in zip(readers, rows, strict=True)]
    places = np.concatenate(
        [places_of(number, some) for number, some in enumerate(rows)] or [np.empty(0, np.int64)]
    )
    if len(places) == 0:
        return Ordered(places)
    columns = [_gathered(readers, rows, key.column) for key in keys[:-1]]
    places, columns = _sorted(places, columns, keys, readers)
    if limit is not None:
        places = places[:limit]
    return Ordered(places, tuple(_value(column[len(places) - 1]) for column in columns))


def _sorted(
    places: Places, columns: list[pa.Array], keys: Sequence[SortKey], readers: Sequence[Reader]
) -> tuple[Places, list[pa.Array]]:
    equal = np.ones(max(0, len(places) - 1), np.bool_)
    if columns:
        names = [str(number) for number in range(len(columns))]
        order = pc.sort_indices(
            pa.table(dict(zip(names, columns, strict=True))),
            sort_keys=[(name, _direction(key)) for name, key in zip(names, keys, strict=False)],
        )
        places, columns = places[order.to_numpy()], [column.take(order) for column in columns]
        for column in columns:
            equal &= _equal_to_next(column)
    return ties_by_cid(places, equal, keys[-1], readers), columns


def _direction(key: SortKey) -> str:
    return "descending" if key.descending else "ascending"


def _equal_to_next(column: pa.Array) -> Bools:
    one, next_ = column.slice(0, len(column) - 1), column.slice(1)
    same = pc.fill_null(pc.equal(one, next_), False).to_numpy(zero_copy_only=False)
    if column.null_count:
        same = same | pc.and_(one.is_null(), next_.is_null()).to_numpy(zero_copy_only=False)
    return cast(Bools, np.asarray(same, np.bool_))


def ties_by_cid(places: Places, equal: Bools, key: SortKey, readers: Sequence[Reader]) -> Places:
    """Puts runs of equal rows into the order of their CIDs, some whole runs at a time."""
    if not equal.any():
        return places
    places = places.copy()
    groups = np.concatenate(([0], np.cumsum(~equal)))
    tied = np.flatnonzero(np.concatenate(([False], equal)) | np.concatenate((equal, [False])))
    first = 0
    while first < len(tied):
        readers[0].deadline.check()
        stop = min(first + CID_ROWS, len(tied))
        stop = int(np.searchsorted(groups[tied], groups[tied[stop - 1]], "right"))
        at = tied[first:stop]
        table = pa.table({"group": groups[at], "cid": cid_keys(_cids(readers, places[at]))})
        order = pc.sort_indices(table, sort_keys=[("group", "ascending"), ("cid", _direction(key))])
        places[at] = places[at][order.to_numpy()]
        first = stop
    return places


def _cids(readers: Sequence[Reader], places: Places) -> pa.Array:
    order = np.argsort(places)
    parts = [readers[number].shown("cid", rows) for number, rows in by_segment(places[order])]
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(parts).take(pa.array(back))


def _gathered(readers: Sequence[Reader], rows: Sequence[Rows], name: str) -> pa.Array:
    parts = [
        _sort_values(reader, name, some) for reader, some in zip(readers, rows, strict=True) if len(some)
    ]
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def _sort_values(reader: Reader, name: str, rows: Rows) -> pa.Array:
    """Values whose order is the column's: L for scores, whole numbers for times, null for NaN."""
    at = _at(reader, rows)
    if reader.kind(name) in {"text", "bool"}:
        return reader.shown(name, at)
    values, valid = _numbers(reader, name, at)
    return pa.array(values, mask=None if valid is None else ~valid)


def _at(reader: Reader, rows: Rows) -> At:
    """All rows as a range, which is read in place."""
    return slice(0, len(rows)) if len(rows) == reader.rows else rows


def _numbers(reader: Reader, name: str, rows: At) -> Numbers:
    if name == "heat_score":
        return reader.hot.heat[rows], None
    if name == "access_count":
        return reader.hot.count[rows], None
    if name == "last_accessed":
        last_s = reader.hot.last_s[rows]
        return milliseconds(last_s), last_s != 0
    if reader.is_hot(name):
        array = reader.shown(name, rows)
        return number_values(array), validity(array)
    values, valid = reader.numbers(name, rows)
    if values.dtype.kind == "f":
        real = ~np.isnan(values)
        valid = real if valid is None else valid & real
    return values, valid


def _value(scalar: Any) -> Any:
    return scalar.as_py()


def _smallest(reader: Reader, rows: Rows, keys: Sequence[SortKey], limit: int) -> Rows:
    """The first `limit` rows by the keys, in no order: a selection key by key, each among the last one's
    ties."""
    kept: list[Rows] = []
    for key in keys:
        if len(rows) <= limit or limit <= 0:
            break
        if key.column == "cid":
            rows = _smallest_cids(reader, rows, key, limit)
            break
        values, valid = _ranks(reader, key.column, rows)
        if valid is not None and not valid.all():
            some = rows[valid]
            if len(some) <= limit:
                # Nulls come last: all others are taken, and the nulls are each other's ties.
                kept.append(some)
                rows, limit = rows[~valid], limit - len(some)
                continue
            rows, values = some, values[valid]
        sure, tied = _partitioned(values, limit, descending=key.descending)
        kept.append(rows[sure])
        rows, limit = rows[tied], limit - len(kept[-1])
    return np.sort(np.concatenate([*kept, rows[: max(0, limit)]]))


def _partitioned(values: npt.NDArray[Any], limit: int, *, descending: bool) -> tuple[Bools, Bools]:
    """The values before the last of the first `limit`, and those equal to it."""
    sample = values[: max(4 * limit, CID_ROWS)]
    if len(sample) < len(values):
        # The limit-th of some is no better than that of all: what is beyond it cannot be among the first.
        bound = _nth(sample, limit, descending=descending)
        values_left = values[values >= bound] if descending else values[values <= bound]
    else:
        values_left = values
    last = _nth(values_left, limit, descending=descending)
    return (values > last) if descending else (values < last), values == last


def _nth(values: npt.NDArray[Any], limit: int, *, descending: bool) -> Any:
    at = len(values) - limit if descending else limit - 1
    return np.partition(values, at)[at]


def _ranks(reader: Reader, name: str, rows: Rows) -> Numbers:
    """Numbers in the order of the column's values, comparable within these rows."""
    at = _at(reader, rows)
    if reader.kind(name) != "text":
        return _numbers(reader, name, at)
    if not reader.is_hot(name) and reader.is_at_hand(name):
        whole = reader.whole(name)
        if isinstance(whole.type, pa.DictionaryType):
            codes, valid = reader.codes(name, at)
            return dense_ranks(whole.dictionary).take(codes, mode="clip"), valid
    array = reader.shown(name, at)
    return dense_ranks(array), validity(array)


def dense_ranks(texts: pa.Array) -> npt.NDArray[Any]:
    return cast("npt.NDArray[Any]", pc.rank(texts, "ascending", tiebreaker="dense").to_numpy())


def _smallest_cids(reader: Reader, rows: Rows, key: SortKey, limit: int) -> Rows:
    """The rows of the first CIDs, in pieces so that only some CIDs are text at a time."""
    if reader.in_cid_order:
        return rows[-limit:] if key.descending else rows[:limit]
    best = rows[:0]
    step = max(CID_ROWS, limit)
    for first in range(0, len(rows), step):
        reader.deadline.check()
        best = np.concatenate((best, rows[first : first + step]))
        if len(best) > limit:
            order = pc.array_sort_indices(cid_keys(reader.shown("cid", best)), order=_direction(key))
            best = np.sort(best[order.to_numpy()[:limit]])
    return best
