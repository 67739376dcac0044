"""Aggregations: partial results of each piece of each segment, merged; whole numbers are summed exactly.

aggregate(snapshot, group_by=["mimetype"], aggregates={"n": {"$count": {}}, "bytes": {"$sum": "size_bytes"}})
→ [{"mimetype": "image/png", "n": 5, "bytes": 70_000}, …]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ....schemas.errors import BadRequest
from ..index.segment import DEAD, Snapshot
from .deadline import WITHIN_S, Deadline
from .execute import Piece, pieces
from .grouping import Grouped, grouped
from .measures import MAX_GROUPS, Aggregation, Measure
from .order import dense_ranks
from .plan import Plan, planned
from .reading import At, Numbers, Reader, milliseconds, readers, size_of, validity
from .values import kind_of, units_per_second

__all__ = ["Aggregation", "aggregate"]

Key = tuple[Any, ...]
Array = npt.NDArray[Any]
# A sum, a count, an extreme or the counts of bins; what it is merged from is of the same kind.
Part = Any

LOW_BITS = 32
LOW_MASK = (1 << LOW_BITS) - 1


def aggregate(
    snapshot: Snapshot,
    question: Aggregation | None = None,
    *,
    filter: object = None,  # noqa: A002
    group_by: object = None,
    aggregates: object = None,
    within_s: float | None = WITHIN_S,
) -> list[dict[str, Any]]:
    """One dict for each group, by its columns in ascending order, nulls last; without groups, one dict.

    Sums of whole numbers are exact, of any size. Averages and extremes of no value are None. Times are Unix
    seconds. A histogram is {"edges": […], "counts": […]}, its last bin closed on both sides; what lies
    outside of given edges is not counted. Raises BadRequest as `Aggregation.parse` does, and with field
    "group_by" and its limit for more than 10,000 groups; DeadlineExceeded after `within_s` seconds.
    """
    if question is None:
        question = Aggregation.parse(
            snapshot.columns, filter=filter, group_by=group_by, aggregates=aggregates
        )
    deadline = Deadline(within_s)
    plans = [planned(question.filter, reader) for reader in readers(snapshot, deadline)]
    measures = [_with_edges(measure, plans) for measure in question.measures]
    totals: dict[Key, list[Part]] = {}
    # What only reads values in place needs no pieces.
    whole = not question.group_by and all(measure.what in {"count", "sum"} for measure in measures)
    for plan in plans:
        if (
            whole
            and plan.is_everything
            and plan.reader.segment.dead
            and not _has_reals(measures, plan.reader)
        ):
            _add_all_but_dead(totals, plan.reader, measures)
            continue
        for piece in pieces(plan, whole=whole):
            _add_piece(totals, plan.reader, piece, question.group_by, measures)
    if not question.group_by and not totals:
        totals[()] = [_nothing(measure) for measure in measures]
    return [_shown(question, measures, key, totals[key]) for key in sorted(totals, key=_rank)]


def _rank(key: Key) -> list[tuple[bool, Any]]:
    return [(value is None or value != value, value) for value in key]


def _shown(question: Aggregation, measures: Iterable[Measure], key: Key, parts: list[Part]) -> dict[str, Any]:
    values = zip(measures, parts, strict=True)
    shown = {measure.name: _final(measure, part, question) for measure, part in values}
    return dict(zip(question.group_by, key, strict=True)) | shown


def _add_piece(
    totals: dict[Key, list[Part]],
    reader: Reader,
    piece: Piece,
    group_by: tuple[str, ...],
    measures: list[Measure],
) -> None:
    at = piece.at if group_by or any(measure.column for measure in measures) else slice(0, piece.count)
    groups = grouped(reader, group_by, at)
    by_measure = [_PARTS[measure.what](reader, measure, at, groups) for measure in measures]
    for number, key in enumerate(groups.keys):
        parts = [each[number] for each in by_measure]
        before = totals.get(key)
        totals[key] = parts if before is None else list(map(_merged, measures, before, parts))
    if len(totals) > MAX_GROUPS:
        raise BadRequest("group_by", f"gives more than {MAX_GROUPS} groups", limit=MAX_GROUPS)


def _has_reals(measures: list[Measure], reader: Reader) -> bool:
    return any(measure.column is not None and reader.kind(measure.column) == "real" for measure in measures)


def _add_all_but_dead(totals: dict[Key, list[Part]], reader: Reader, measures: list[Measure]) -> None:
    """Counts and exact sums of all rows less those of the dead: quicker than picking the rows that live."""
    dead_rows = np.flatnonzero((reader.hot.flags & DEAD) != 0)
    every: dict[Key, list[Part]] = {}
    dead: dict[Key, list[Part]] = {}
    _add_piece(every, reader, Piece(0, reader.rows), (), measures)
    _add_piece(dead, reader, Piece(0, 0, rows=dead_rows), (), measures)
    parts = [one - other for one, other in zip(every[()], dead[()], strict=True)]
    before = totals.get(())
    totals[()] = parts if before is None else list(map(_merged, measures, before, parts))


def _merged(measure: Measure, one: Part, other: Part) -> Part:
    if measure.what in {"min", "max"}:
        known = [part for part in (one, other) if part is not None]
        return (min if measure.what == "min" else max)(known, default=None)
    if measure.what == "avg":
        return one[0] + other[0], one[1] + other[1]
    return one + other


def _nothing(measure: Measure) -> Part:
    if measure.what == "avg":
        return 0, 0
    if measure.what == "histogram":
        return np.zeros(max(0, len(measure.edges) - 1), np.int64)
    return None if measure.what in {"min", "max"} else 0


def _final(measure: Measure, part: Part, question: Aggregation) -> Any:
    if measure.what == "histogram":
        return {"edges": list(measure.edges), "counts": part.tolist()}
    if measure.what == "avg":
        part = None if not part[1] else part[0] / part[1]
    if part is None or measure.column is None or measure.what in {"count", "sum"}:
        return part
    column_type = question.columns[measure.column].type
    return part / units_per_second(column_type) if kind_of(column_type) == "time" else part


# ---- the partial results of one piece, one for each group ------------------------------------------------


def _count(reader: Reader, measure: Measure, at: At, groups: Grouped) -> list[int]:
    if measure.column is None:
        return groups.counted(None, size_of(at))
    column = reader.columns[measure.column]
    if column.kind == "static":
        return groups.counted(reader.valid(column.name, at), size_of(at))
    some = reader.hot.last_s[at] != 0 if column.name == "last_accessed" else None
    return groups.counted(some, size_of(at))


def _sum(reader: Reader, measure: Measure, at: At, groups: Grouped) -> list[Any]:
    values, valid = _numbers(reader, cast(str, measure.column), at)
    if groups.ids is None:
        some = values if valid is None else values[valid]
        return [_exact_sum(some, reader, cast(str, measure.column))]
    ids = groups.ids
    if valid is not None:
        ids, values = ids[valid], values[valid]
    return _exact_sums(values, ids, len(groups.keys))


def _avg(reader: Reader, measure: Measure, at: At, groups: Grouped) -> list[tuple[Any, int]]:
    _, valid = _numbers(reader, cast(str, measure.column), at)
    counts = groups.counted(valid, size_of(at))
    return list(zip(_sum(reader, measure, at, groups), counts, strict=True))


def _extreme(reader: Reader, measure: Measure, at: At, groups: Grouped) -> list[Any]:
    texts = None
    name = cast(str, measure.column)
    if reader.kind(name) == "text":
        texts = reader.shown(name, at)
        ranks, valid = dense_ranks(texts), validity(texts)
        values: Array = ranks.astype(np.int64)
    else:
        values, valid = _numbers(reader, name, at)
    ids = np.zeros(len(values), np.int64) if groups.ids is None else groups.ids
    where = np.arange(len(values))
    if valid is not None:
        ids, values, where = ids[valid], values[valid], where[valid]
    rows = _extreme_rows(values, ids, len(groups.keys), least=measure.what == "min")
    if texts is not None:
        return [None if row < 0 else texts[int(where[row])].as_py() for row in rows]
    return [None if row < 0 else values[row].item() for row in rows]


def _extreme_rows(values: Array, ids: npt.NDArray[np.int64], groups: int, *, least: bool) -> list[int]:
    """Of each group the place of its least or greatest value, -1 if it has none."""
    if groups == 1:
        if not len(values):
            return [-1]
        return [int(values.argmin() if least else values.argmax())]
    order = np.lexsort((values, ids))
    sorted_ids = ids[order]
    every = np.arange(groups)
    firsts = np.searchsorted(sorted_ids, every, "left")
    stops = np.searchsorted(sorted_ids, every, "right")
    picked = firsts if least else stops - 1
    return [
        int(order[at]) if first < stop else -1 for at, first, stop in zip(picked, firsts, stops, strict=True)
    ]


def _bins(reader: Reader, measure: Measure, at: At, groups: Grouped) -> list[Any]:
    values, valid = _seconds(reader, cast(str, measure.column), at)
    ids = np.zeros(len(values), np.int64) if groups.ids is None else groups.ids
    if valid is not None:
        ids, values = ids[valid], values[valid]
    edges, count = np.array(measure.edges), max(0, len(measure.edges) - 1)
    if not count:
        return [np.zeros(0, np.int64) for _ in groups.keys]
    bins = np.searchsorted(edges, values, "right") - 1
    bins[values == edges[-1]] = count - 1
    inside = (bins >= 0) & (bins < count)
    flat = np.bincount(ids[inside] * count + bins[inside], minlength=len(groups.keys) * count)
    return list(flat.reshape(len(groups.keys), count))


_PARTS: Mapping[str, Callable[[Reader, Measure, At, Grouped], list[Any]]] = {
    "count": _count,
    "sum": _sum,
    "avg": _avg,
    "min": _extreme,
    "max": _extreme,
    "histogram": _bins,
}


# ---- values and exact sums ------------------------------------------------------------------------------


def _numbers(reader: Reader, name: str, at: At) -> Numbers:
    """The values to sum; NaN counts as null, times are in the column's unit."""
    if name == "heat_score":
        return reader.heat.scores(reader.hot.heat[at], reader.now_s).astype(np.float64), None
    if name == "access_count":
        return reader.hot.count[at], None
    if name == "last_accessed":
        last_s = reader.hot.last_s[at]
        return milliseconds(last_s), last_s != 0
    values, valid = reader.numbers(name, at)
    if values.dtype.kind == "f":
        real = ~np.isnan(values)
        return values.astype(np.float64), real if valid is None else valid & real
    return values, valid


def _seconds(reader: Reader, name: str, at: At) -> Numbers:
    values, valid = _numbers(reader, name, at)
    if reader.kind(name) == "time":
        return values / units_per_second(reader.columns[name].type), valid
    return values, valid


def _exact_sum(values: Array, reader: Reader, name: str) -> int | float:
    if values.dtype.kind == "f":
        return float(values.sum())
    if values.dtype.itemsize < 8 or _fits_64_bits(values, reader, name):
        return int(values.sum(dtype=np.int64))
    return (int((values >> LOW_BITS).sum()) << LOW_BITS) + int((values & LOW_MASK).sum())


def _fits_64_bits(values: Array, reader: Reader, name: str) -> bool:
    """Whether zone maps promise that no sum of these overflows; without them it is not known."""
    zones = reader.segment.zones(name) if reader.columns[name].kind == "static" else None
    if (
        zones is None
        or zones.least is None
        or zones.greatest.dtype.kind not in "iu"
        or not len(zones.greatest)
    ):
        return False
    largest = max(abs(int(cast(Any, zones.least.min()))), abs(int(cast(Any, zones.greatest.max()))))
    return largest * len(values) < 1 << 63


def _exact_sums(values: Array, ids: npt.NDArray[np.int64], groups: int) -> list[Any]:
    """Sums by group. Halves of whole numbers stay exact in the 53 bits of a float for a piece of 2^21
    rows."""
    if values.dtype.kind == "f":
        return list(np.bincount(ids, values, groups).tolist())
    if values.dtype.itemsize < 8 or _fits_a_float(values):
        return [int(total) for total in np.bincount(ids, values, groups)]
    low = np.bincount(ids, values & LOW_MASK, groups)
    high = np.bincount(ids, values >> LOW_BITS, groups)
    return [(int(upper) << LOW_BITS) + int(lower) for upper, lower in zip(high, low, strict=True)]


def _fits_a_float(values: Array) -> bool:
    """Whether every sum of these is exact in the 53 bits of a float."""
    if not len(values):
        return True
    return max(abs(int(values.min())), abs(int(values.max()))) * len(values) < 1 << 53


@dataclass(slots=True)
class _Span:
    low: float
    high: float


def _with_edges(measure: Measure, plans: list[Plan]) -> Measure:
    """A histogram of `bins` equal bins with its edges, for which the values are read once before."""
    if not measure.bins:
        return measure
    span: _Span | None = None
    for plan in plans:
        for piece in pieces(plan):
            values, valid = _seconds(plan.reader, cast(str, measure.column), piece.at)
            values = values if valid is None else values[valid]
            if len(values):
                low, high = float(values.min()), float(values.max())
                span = _Span(min(low, span.low), max(high, span.high)) if span else _Span(low, high)
    if span is None:
        return measure
    if span.low == span.high:
        span = _Span(span.low - 0.5, span.high + 0.5)
    edges = np.linspace(span.low, span.high, measure.bins + 1).tolist()
    return Measure(measure.name, "histogram", measure.column, measure.bins, tuple(edges))
