"""Queries: parsed once, run on a snapshot, answered lazily.

    query = Query.parse(columns, filter={"heat_score": {"$gt": 0.7}}, select=["cid"], limit=10)
    result = run(query, index.snapshot())
    result.cids()

Order. With `sort`, rows come by its keys, nulls last, and then by the bytes of the CID. Without it, and
without a limit, they come segment by segment in row order; with a limit it is any `limit` rows that pass, in
no promised order, so that the work ends with the last of them.

Pages. A sorted query with a limit gives a `next_cursor`. An unsorted one does so only when it is parsed with
`paged=True` or with a cursor, and is then ordered by CID: compaction moves rows between segments, so that
their positions would not survive from one page to the next, while CIDs do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import orjson
import pyarrow as pa

from ....schemas.errors import BadRequest
from ..columns import Columns
from .cursor import Cursor, query_hash
from .filter import EVERYTHING, And, Compare, Node, parse_filter
from .order import SortKey
from .values import kind_of, shortened

__all__ = ["MAX_LIMIT", "MAX_SORT_KEYS", "Query"]

MAX_LIMIT = 1_000_000
MAX_SORT_KEYS = 8
# As many rows are asked of the top-heat structure at most.
MAX_HOTTEST = 4096
CACHED_QUERIES = 256
# Longer requests are understood anew each time.
MAX_CACHED_BYTES = 4096


@dataclass(frozen=True)
class Query:
    """A query that was understood; make it with `parse`.

    `order` ends with `cid`, or is empty where no order was asked for. `after` is the filter of what a cursor
    leaves to come.
    """

    columns: Columns = field(repr=False)
    filter: Node
    select: tuple[str, ...]
    order: tuple[SortKey, ...] = ()
    limit: int | None = None
    after: Node | None = None

    @staticmethod
    def parse(
        columns: Columns,
        *,
        filter: object = None,  # noqa: A002
        select: object = None,
        sort: object = None,
        limit: object = None,
        cursor: object = None,
        paged: bool = False,
    ) -> Query:
        """Reads a query; `select` and `sort` are lists of names, in `sort` with `-` for descending.

        Raises BadRequest with the field (filter, select, sort, limit, cursor): unknown columns, a limit
        outside 1..1,000,000, more than 8 sort keys, whatever `parse_filter` refuses, cursors of other
        queries.
        """
        key = _cache_key(filter, select, sort, limit, paged or cursor is not None)
        found = None if key is None else _parsed.get((id(columns), key))
        if found is None or found.columns is not columns:
            found = _parse(columns, filter, select, sort, limit, paged=paged or cursor is not None)
            if key is not None:
                _remember((id(columns), key), found)
        return found if cursor is None else found._from(cursor)

    @cached_property
    def hash(self) -> str:
        """What a cursor of this query carries."""
        return query_hash(self.filter, self.order)

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(name, self.columns[name].type) for name in self.select])

    @cached_property
    def by_heat(self) -> bool:
        """Whether the hottest rows alone answer it: few are wanted, and no other condition stands."""
        if self.limit is None or self.limit > MAX_HOTTEST or self.after is not None:
            return False
        asked = self.filter
        warm = isinstance(asked, Compare) and asked.column == "heat_score" and asked.op in {"gt", "gte"}
        hottest_first = self.order == (SortKey("heat_score", True), SortKey("cid"))
        return (warm and not self.order) or (hottest_first and (warm or asked == EVERYTHING))

    @property
    def whole_filter(self) -> Node:
        """The filter and what the cursor adds to it."""
        if self.after is None:
            return self.filter
        parts = self.filter.parts if isinstance(self.filter, And) else (self.filter,)
        return And((*parts, self.after))

    def _from(self, cursor: object) -> Query:
        at = Cursor.decode(cursor, self.hash, self.order, self.columns)
        return replace(self, after=at.rest(self.order, self.columns))


_parsed: dict[tuple[int, bytes], Query] = {}


def _cache_key(filter_: object, select: object, sort: object, limit: object, paged: bool) -> bytes | None:
    """The request in canonical bytes; None if it has none, or holds what JSON writes as null (such as
    NaN)."""
    given: dict[str, object] = {"paged": paged}
    for name, part in (("filter", filter_), ("select", select), ("sort", sort), ("limit", limit)):
        if part is not None:
            given[name] = part
    try:
        key = orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
    except (TypeError, RecursionError):
        return None
    return None if b"null" in key or len(key) > MAX_CACHED_BYTES else key


def _remember(key: tuple[int, bytes], query: Query) -> None:
    while len(_parsed) >= CACHED_QUERIES:
        _parsed.pop(next(iter(_parsed), key), None)
    _parsed[key] = query


def _parse(
    columns: Columns, filter_: object, select: object, sort: object, limit: object, *, paged: bool
) -> Query:
    return Query(
        columns,
        parse_filter(filter_, columns),
        _selected(select, columns),
        _order(sort, columns, paged=paged),
        _limit(limit),
    )


def _selected(select: object, columns: Columns) -> tuple[str, ...]:
    if select is None:
        return columns.names
    if not isinstance(select, list | tuple) or not select:
        raise BadRequest("select", "is a list of at least one column")
    if len(select) > len(columns):
        raise BadRequest("select", f"names at most {len(columns)} columns", limit=len(columns))
    for name in select:
        _check_known("select", name, columns)
    if len(set(select)) < len(select):
        raise BadRequest("select", "names a column twice")
    return tuple(select)


def _order(sort: object, columns: Columns, *, paged: bool) -> tuple[SortKey, ...]:
    if sort is None:
        return (SortKey("cid"),) if paged else ()
    if not isinstance(sort, list | tuple):
        raise BadRequest("sort", 'is a list of columns, such as ["-heat_score", "cid"]')
    if len(sort) > MAX_SORT_KEYS:
        raise BadRequest("sort", f"takes at most {MAX_SORT_KEYS} columns", limit=MAX_SORT_KEYS)
    keys: dict[str, SortKey] = {}
    for text in sort:
        name = text.removeprefix("-") if isinstance(text, str) else text
        _check_known("sort", name, columns, given=text)
        if kind_of(columns[name].type) in {"list", "map", "other"}:
            raise BadRequest("sort", f"{name} has no order")
        keys.setdefault(name, SortKey(name, text != name))
    order = [*keys.values(), SortKey("cid")] if keys or paged else []
    # Nothing is left to decide after the CID.
    return tuple(order[: 1 + next((at for at, key in enumerate(order) if key.column == "cid"), 0)])


def _check_known(what: str, name: object, columns: Columns, *, given: object = None) -> None:
    """Refuses what is no column, and tells it back as it was `given`."""
    if not isinstance(name, str) or name not in columns:
        text = name if given is None else given
        shown = f'"{shortened(text)}"' if isinstance(text, str) else "what is not text"
        raise BadRequest(what, f"no such column: {shown}; there are {', '.join(columns.names)}")


def _limit(limit: object) -> int | None:
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise BadRequest("limit", "is a whole number")
    if limit < 1:
        raise BadRequest("limit", "is at least 1", limit=1)
    if limit > MAX_LIMIT:
        raise BadRequest("limit", f"is at most {MAX_LIMIT}", limit=MAX_LIMIT)
    return limit
