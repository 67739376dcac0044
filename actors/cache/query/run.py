"""Running queries: from the top-heat structure where that is enough, else segment by segment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np

from ....schemas.errors import BadRequest
from ..index.segment import Snapshot
from .deadline import WITHIN_S, Deadline
from .execute import matching
from .expression import heat_bound
from .filter import EVERYTHING, Compare, columns_of
from .order import ROW_BITS, Ordered, ordered, places_of, ties_by_cid
from .plan import Plan, planned
from .query import Query
from .reading import Reader, readers
from .result import Result
from .values import field_named, shortened

__all__ = ["hottest", "run"]

# Segment number, row, and L.
Spot = tuple[int, int, float]


def run(query: Query, snapshot: Snapshot, *, within_s: float | None = WITHIN_S) -> Result:
    """Finds the rows of the answer; their columns are read when they are asked for.

    Raises DeadlineExceeded when they are not found within `within_s` seconds (None: however long it takes),
    and BadRequest for a query of columns that are no more.
    """
    if query.columns is not snapshot.columns:
        _check_columns(query, snapshot)
    if query.by_heat:
        result = hottest(query, snapshot)
        if result is not None:
            return result
    every = readers(snapshot, Deadline(within_s))
    plans = [planned(query.whole_filter, reader) for reader in every]
    if not query.order:
        return _any_order(query, snapshot, every, plans)
    rows = [matching(plan) for plan in plans]
    found = ordered(every, rows, query.order, query.limit)
    more = query.limit is not None and sum(map(len, rows)) > query.limit
    return Result(query, snapshot, found, more=more, every=every)


def _check_columns(query: Query, snapshot: Snapshot) -> None:
    """A query that was understood before the columns changed must still find its own."""
    used = {*columns_of(query.filter), *query.select, *(key.column for key in query.order)}
    for name in sorted(used):
        try:
            now, then = field_named(snapshot.columns, name), field_named(query.columns, name)
        except KeyError:
            raise BadRequest("columns", f"{shortened(name)} is no column any more; ask again") from None
        if now.type != then.type:
            raise BadRequest("columns", f"{shortened(name)} has another type now; ask again")


def _any_order(query: Query, snapshot: Snapshot, every: list[Reader], plans: list[Plan]) -> Result:
    parts, left = [], query.limit
    for number, plan in enumerate(plans):
        rows = matching(plan, left)
        parts.append(places_of(number, rows))
        if left is not None:
            left -= len(rows)
            if left <= 0:
                break
    places = parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty(0, np.int64)])
    return Result(query, snapshot, Ordered(places), ascending=True, every=every)


def hottest(query: Query, snapshot: Snapshot) -> Result | None:
    """The answer from the top-heat structure to a query `by_heat`; None where it cannot give all of it."""
    limit = cast(int, query.limit)
    spots = snapshot.hottest(limit + 1)
    if spots is None:
        return None
    if query.filter is not EVERYTHING and query.filter != EVERYTHING:
        bound = heat_bound(cast(Compare, query.filter), snapshot.heat, snapshot.now_s)
        if isinstance(bound, bool):
            return None
        log, inclusive = float(bound[1]), bound[0] == "gte"
        spots = [spot for spot in spots if spot[2] > log or (inclusive and spot[2] == log)]
    if not query.order:
        found = sorted([segment << ROW_BITS | row for segment, row, _ in spots[:limit]])
        return Result(query, snapshot, Ordered(np.array(found, np.int64)), ascending=True, by_heat=True)
    return _hottest_first(query, snapshot, spots)


def _hottest_first(query: Query, snapshot: Snapshot, hottest: Sequence[Spot]) -> Result | None:
    limit = cast(int, query.limit)
    if len(hottest) > limit and hottest[limit - 1][2] == hottest[limit][2]:
        return None  # which of the equally hot rows belong to the page is a question of all of them
    logs = [log for _, _, log in hottest[:limit]]
    places = np.array([segment << ROW_BITS | row for segment, row, _ in hottest[:limit]], np.int64)
    if len(set(logs)) < len(logs):
        equal = np.array([log == next_ for log, next_ in pairwise(logs)], np.bool_)
        places = ties_by_cid(places, equal, query.order[-1], readers(snapshot, Deadline()))
    last = (logs[-1],) if logs else ()
    return Result(query, snapshot, Ordered(places, last), more=len(hottest) > limit, by_heat=True)
