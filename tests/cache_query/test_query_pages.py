"""Order and pages: rows come by the sort keys and then by CID, and pages give each of them once."""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest
from cache_query.memory_index import (
    COLUMNS,
    MemorySegment,
    Row,
    cid_of,
    in_cid_order,
    passes,
    small_steps,
    snapshot_of,
)
from cache_query.random_queries import filters, segments
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.cache.query import Query, run
from cidbus.schemas.errors import BadRequest

SORTABLE = [
    "size_bytes", "mimetype", "filename", "added_timestamp", "quality", "checked", "heat_score", "access_count",
    "last_accessed", "is_pinned", "storage_tier", "cid", "port",
]  # fmt: skip
sorts = st.lists(
    st.tuples(st.sampled_from(SORTABLE), st.booleans()), min_size=1, max_size=3, unique_by=lambda key: key[0]
)


def _in_order(rows: list[Row], keys: list[tuple[str, bool]]) -> list[str]:
    """Sorted by Python, key by key from the last, nulls last."""
    rows = sorted(rows, key=lambda row: in_cid_order(row.cid))
    for name, descending in reversed(keys):
        some = [row for row in rows if _sort_value(row, name) is not None]
        nulls = [row for row in rows if _sort_value(row, name) is None]
        # Python's reverse leaves equal rows in their order.
        some.sort(key=lambda row: _sort_value(row, name), reverse=descending)
        rows = some + nulls
    return [row.cid for row in rows]


def _sort_value(row: Row, name: str):
    if name == "heat_score":
        return row.log
    if name == "cid":
        return in_cid_order(row.cid)
    value = row.logical(name)
    return None if isinstance(value, float) and math.isnan(value) else value


def _sort(keys: list[tuple[str, bool]]) -> list[str]:
    return [("-" if descending else "") + name for name, descending in keys]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(segments(), filters, sorts, st.none() | st.integers(1, 12), st.booleans())
def test_rows_come_by_the_sort_keys_and_then_by_cid(table, filter_, keys, limit, top_heat):
    parts, rows = table
    with small_steps():
        query = Query.parse(COLUMNS, filter=filter_, sort=_sort(keys), limit=limit)
        cids = run(query, snapshot_of(*parts, top_heat=top_heat)).cids()
    passing = [row for part in rows for row in part if not row.dead and passes(filter_, row)]
    assert cids == _in_order(passing, keys)[:limit]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(segments(), filters, sorts | st.just([]), st.integers(1, 7), st.booleans())
def test_pages_give_every_row_once_and_in_order(table, filter_, keys, limit, top_heat):
    parts, rows = table
    snapshot = snapshot_of(*parts, top_heat=top_heat)
    sort = _sort(keys) or None
    seen: list[str] = []
    with small_steps():
        page = run(Query.parse(COLUMNS, filter=filter_, sort=sort, limit=limit, paged=True), snapshot)
        seen += page.cids()
        while page.next_cursor is not None:
            cursor = page.next_cursor
            page = run(Query.parse(COLUMNS, filter=filter_, sort=sort, limit=limit, cursor=cursor), snapshot)
            assert page.rows > 0
            seen += page.cids()
    passing = [row for part in rows for row in part if not row.dead and passes(filter_, row)]
    assert seen == _in_order(passing, keys)


def _snapshot(count: int = 10, **changes: object):
    rows = [
        Row(cid_of(n), {"size_bytes": n % 3, "quality": float(n)}, log=float(n % 4)) for n in range(count)
    ]
    return snapshot_of(MemorySegment("run 0", rows), **changes)


def _cursor(**query: object) -> str:
    cursor = run(Query.parse(COLUMNS, **query), _snapshot()).next_cursor
    assert cursor is not None
    return cursor


def test_nan_is_ordered_like_null_and_pages_pass_it():
    qualities = [math.nan, 1.0, None, 2.0, math.nan, None]
    rows = [Row(cid_of(n), {"quality": quality}) for n, quality in enumerate(qualities)]
    snapshot = snapshot_of(MemorySegment("run 0", rows))
    seen, cursor = [], None
    while True:
        page = run(Query.parse(COLUMNS, sort=["-quality"], limit=1, cursor=cursor), snapshot)
        seen += page.cids()
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen[:2] == [rows[3].cid, rows[1].cid]
    assert seen[2:] == sorted((rows[n].cid for n in (0, 2, 4, 5)), key=in_cid_order)


def test_a_page_by_heat_goes_on_when_the_scale_of_heat_has_moved():
    snapshot = _snapshot(top_heat=True)
    cursor = run(Query.parse(COLUMNS, sort=["-heat_score"], limit=4), snapshot).next_cursor
    heat, added = snapshot.heat.rebased(snapshot.heat.epoch_s + 5000)
    snapshot.segments[0].hot.heat[:] += np.float32(added)
    moved = type(snapshot)(COLUMNS, heat, snapshot.segments, snapshot.now_s, 2)
    rest = run(Query.parse(COLUMNS, sort=["-heat_score"], limit=100, cursor=cursor), moved).cids()
    whole = run(Query.parse(COLUMNS, sort=["-heat_score"]), moved).cids()
    assert rest == whole[4:]


def test_a_page_does_not_depend_on_where_compaction_has_moved_the_rows():
    rows = [Row(cid_of(n)) for n in range(9)]
    before = snapshot_of(MemorySegment("run 0", rows[:5]), MemorySegment("run 1", rows[5:]))
    after = snapshot_of(MemorySegment("run 2", rows[::-1]))
    first = run(Query.parse(COLUMNS, limit=4, paged=True), before)
    second = run(Query.parse(COLUMNS, limit=100, cursor=first.next_cursor), after)
    assert first.cids() + second.cids() == sorted((row.cid for row in rows), key=in_cid_order)


def test_an_unsorted_query_that_is_not_paged_has_no_cursor():
    assert run(Query.parse(COLUMNS, limit=2), _snapshot()).next_cursor is None


def test_the_selected_columns_do_not_bind_a_cursor():
    cursor = _cursor(sort=["size_bytes"], limit=2)
    Query.parse(COLUMNS, sort=["size_bytes"], limit=5, select=["cid", "mimetype"], cursor=cursor)


@pytest.mark.parametrize(
    "other",
    [
        {"sort": ["-size_bytes"]},
        {"sort": ["size_bytes", "quality"]},
        {"sort": ["size_bytes"], "filter": {"size_bytes": 1}},
        {"sort": None},
    ],
)
def test_a_cursor_of_another_query_is_refused(other):
    with pytest.raises(BadRequest, match="belongs to another query") as refused:
        Query.parse(COLUMNS, limit=2, cursor=_cursor(sort=["size_bytes"], limit=2), **other)
    assert refused.value.field == "cursor"


def _forged(body: bytes) -> str:
    import zlib

    return base64.urlsafe_b64encode(zlib.crc32(body).to_bytes(4, "big") + body).decode().rstrip("=")


@pytest.mark.parametrize(
    "garbage",
    [
        "", "x", "####", "é", "A" * 70_000, 5, ["a"], _forged(b"[]"), _forged(b"{}"), _forged(b"[1,2,3,4]"),
        _forged(b'[1,"q",[],"no cid"]'), _forged(b"[" * 5000), _forged(b'[1,"q",[],7]'),
    ],
)  # fmt: skip
def test_garbage_is_no_cursor(garbage):
    with pytest.raises(BadRequest) as refused:
        Query.parse(COLUMNS, sort=["size_bytes"], limit=2, cursor=garbage)
    assert refused.value.field == "cursor"


@pytest.mark.parametrize("values", [["text"], [None, 1], [], [1.5], [True], [{"a": 1}], [2**70]])
def test_a_forged_cursor_with_values_of_other_types_is_refused(values):
    import orjson

    query = Query.parse(COLUMNS, sort=["size_bytes"], limit=2)
    body = [1, query.hash, values, cid_of(1)]
    if values == [2**70]:
        text = _forged(orjson.dumps([1, query.hash, [0], cid_of(1)]).replace(b"[0]", b"[%d]" % 2**70))
    else:
        text = _forged(orjson.dumps(body))
    with pytest.raises(BadRequest) as refused:
        Query.parse(COLUMNS, sort=["size_bytes"], limit=2, cursor=text)
    assert refused.value.field == "cursor"


def test_every_changed_character_of_a_cursor_is_noticed():
    cursor = _cursor(sort=["size_bytes"], limit=2)
    for at in range(len(cursor) - 1):
        changed = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        with pytest.raises(BadRequest):
            Query.parse(COLUMNS, sort=["size_bytes"], limit=2, cursor=changed)
