"""Results: rows come lazily, in bounded batches, with the selected columns; explain tells what was done."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from cache_query.memory_index import COLUMNS, MemorySegment, Row, cid_of, logical_table, snapshot_of
from cache_query.random_queries import segments, sorts_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.cache.query import Query, explain, json_rows, observed, run

ROWS = [
    Row(cid_of(n), {"size_bytes": n, "mimetype": f"m/{n % 3}", "filename": f"f{n}"}, log=n / 10)
    for n in range(100)
]


def _told(segment: MemorySegment, **query: object) -> dict:
    return explain(Query.parse(COLUMNS, **query), snapshot_of(segment))


def _only(told: dict) -> dict:
    [segment] = told["segments"]
    return segment


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(segments(), sorts_of, st.integers(1, 9))
def test_batches_hold_the_rows_of_the_index_column_by_column(table, sort, max_rows):
    parts, rows = table
    result = run(Query.parse(COLUMNS, sort=sort), snapshot_of(*parts))
    batches = list(result.batches(max_rows))
    assert all(0 < batch.num_rows <= max_rows for batch in batches)
    assert sum(batch.num_rows for batch in batches) == result.rows
    given_ = pa.Table.from_batches(batches, result.schema)
    alive = {row.cid: row for part in rows for row in part if not row.dead}
    expected = logical_table([alive[cid] for cid in result.cids()]).select(COLUMNS.names)
    assert given_["cid"].to_pylist() == result.cids()
    assert given_.equals(expected)


def test_only_the_selected_columns_are_read_and_only_of_the_rows_that_pass():
    segment = MemorySegment("run", ROWS, resident=["size_bytes"])
    query = Query.parse(COLUMNS, filter={"size_bytes": {"$lt": 5}}, select=["filename", "cid"])
    result = run(query, snapshot_of(segment))
    assert segment.reads == {}
    [batch] = result.batches()
    assert batch.schema == result.schema == pa.schema([("filename", pa.string()), ("cid", pa.string())])
    assert segment.reads == {"filename": 5}


def test_a_limit_without_order_stops_reading():
    segment = MemorySegment("run", [Row(cid_of(n), {"filename": "x"}) for n in range(30_000)])
    result = run(Query.parse(COLUMNS, filter={"filename": "x"}, limit=3), snapshot_of(segment))
    assert result.rows == 3
    assert segment.reads["filename"] < 10_000


def test_json_rows_are_plain_values_without_nulls():
    row = Row(
        cid_of(1),
        {
            "added_timestamp": 1500,
            "properties": {"k": "v"},
            "tags": ["a"],
            "quality": 0.1,
            "checked": False,
            "day": 60,
        },
        log=0.0,
        last_s=2.25,
        count=3,
    )
    [batch] = run(Query.parse(COLUMNS), snapshot_of(MemorySegment("run", [row]))).batches()
    [given_] = json_rows(batch)
    assert given_.pop("heat_score") == pytest.approx(row.logical("heat_score"), abs=1e-6)
    assert given_ == {
        "cid": row.cid, "added_timestamp": 1.5, "properties": {"k": "v"}, "tags": ["a"], "quality": 0.1,
        "checked": False, "day": 60.0, "last_accessed": 2.25, "access_count": 3, "is_pinned": False, "valid": True,
        "storage_tier": "ipfs",
    }  # fmt: skip
    assert json.loads(json.dumps(given_)) == given_


def test_a_score_that_was_shown_finds_its_row():
    segment = MemorySegment("run", ROWS)
    [batch] = run(Query.parse(COLUMNS, select=["heat_score", "cid"]), snapshot_of(segment)).batches()
    for shown in json_rows(batch)[::10]:
        found = run(Query.parse(COLUMNS, filter={"heat_score": shown["heat_score"]}), snapshot_of(segment))
        assert shown["cid"] in found.cids()


def test_numbers_that_json_has_not_are_left_out():
    rows = [Row(cid_of(n), {"quality": value}) for n, value in enumerate([float("nan"), float("inf"), 1.0])]
    [batch] = run(Query.parse(COLUMNS, select=["quality"]), snapshot_of(MemorySegment("run", rows))).batches()
    assert json_rows(batch) == [{}, {}, {"quality": 1.0}]


def test_explain_counts_the_zones_that_are_really_skipped():
    segment = MemorySegment("run", ROWS, resident=["size_bytes"], zone_rows=10)
    told = _only(_told(segment, filter={"size_bytes": {"$gte": 33, "$lt": 47}}))
    assert told["start"] == {"means": "zone map", "rows": 20, "zones": {"skipped": 8, "of": 10}}
    assert told["selected"] == 14


def test_explain_tells_that_heat_skips_zones_too():
    segment = MemorySegment("run", ROWS, zone_rows=10)
    told = _only(_told(segment, filter={"heat_score": {"$gt": 0.9999}}))
    assert told["start"]["zones"]["skipped"] == 9
    assert told["steps"][0]["means"] == "heat in memory"


def test_explain_tells_the_index_that_answers():
    segment = MemorySegment("run", ROWS, resident=["size_bytes"], indexes=["size_bytes"])
    told = _only(_told(segment, filter={"size_bytes": {"$gte": 10, "$lt": 13}, "mimetype": "m/1"}))
    assert told["start"] == {"means": "secondary index", "rows": 3, "column": "size_bytes"}
    assert [step["rows"] for step in told["steps"]] == [1]


def test_explain_tells_that_the_key_index_finds_cids():
    told = _only(_told(MemorySegment("run", ROWS), filter={"cid": {"$in": [cid_of(3), cid_of(1000)]}}))
    assert told["start"] == {"means": "key index", "rows": 1, "column": "cid"}
    assert told["steps"] == []


def test_explain_tells_the_order_and_means_of_conditions_and_what_each_leaves():
    segment = MemorySegment("run", ROWS, resident=["size_bytes", "mimetype"])
    told = _only(
        _told(segment, filter={"filename": {"$regex": "5$"}, "mimetype": "m/2", "size_bytes": {"$gt": 20}})
    )
    assert told["start"] == {"means": "all rows", "rows": 100}
    means = [step["means"] for step in told["steps"]]
    assert set(means[:2]) == {"numbers of a resident column", "codes of a resident dictionary"}
    assert means[2:] == ["read from the run"]
    counts = [step["rows"] for step in told["steps"]]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == told["selected"] == sum(n > 20 and n % 3 == 2 and n % 10 == 5 for n in range(100))
    assert segment.reads["filename"] == counts[1]


def test_explain_tells_which_columns_are_read_for_the_answer():
    segment = MemorySegment("run", ROWS, resident=["size_bytes"])
    told = _told(segment, select=["cid", "size_bytes", "filename", "heat_score"])
    assert _only(told)["materialised"] == {
        "cid": "memory", "size_bytes": "memory", "filename": "read from the run", "heat_score": "memory",
    }  # fmt: skip


def test_explain_tells_when_the_hottest_rows_are_the_answer():
    for ask in (
        {"filter": {"heat_score": {"$gt": 0.7}}, "limit": 10},
        {"sort": ["-heat_score"], "limit": 10},
    ):
        query = Query.parse(COLUMNS, **ask)
        segment = MemorySegment("run", ROWS)
        assert explain(query, snapshot_of(segment, top_heat=True))["answered_by"] == "top-heat"
        assert explain(query, snapshot_of(segment))["answered_by"] == "segments"


def test_explain_shows_the_filter_as_arrow_writes_it():
    told = _told(MemorySegment("run", ROWS), filter={"size_bytes": {"$gt": 5}, "mimetype": "m/1"})
    assert told["expression"] == '((size_bytes > 5) and (mimetype == "m/1"))'


def test_what_a_query_uses_is_told():
    query = Query.parse(
        COLUMNS,
        filter={"mimetype": "x", "tags": {"$contains": "a"}, "filename": None},
        sort=["-heat_score", "size_bytes"],
        select=["cid"],
    )
    told = observed(query)
    assert told.filtered == (("mimetype", "equal"), ("tags", "text"), ("filename", "exists"))
    assert (told.sorted_by, told.selected) == (("heat_score", "size_bytes"), ("cid",))
    assert observed(Query.parse(COLUMNS)).selected is None


def test_what_is_unequal_is_not_told_as_equal():
    told = observed(Query.parse(COLUMNS, filter={"mimetype": {"$ne": "x"}, "filename": {"$exists": True}}))
    assert told.filtered == (("mimetype", "other"), ("filename", "exists"))
    told = observed(
        Query.parse(COLUMNS, filter={"mimetype": {"$nin": ["x", "y"]}, "source": {"$in": ["a", "b"]}})
    )
    assert told.filtered == (("mimetype", "other"), ("source", "in"))


def test_the_same_request_is_understood_once():
    ask = {"filter": {"size_bytes": {"$gt": 5}}, "sort": ["cid"], "limit": 3}
    assert Query.parse(COLUMNS, **ask) is Query.parse(COLUMNS, **json.loads(json.dumps(ask)))


def test_an_index_without_rows_answers():
    for parts in ([], [MemorySegment("empty", [])]):
        snapshot = snapshot_of(*parts)
        for ask in (
            {},
            {"limit": 5},
            {"sort": ["size_bytes"]},
            {"limit": 5, "paged": True, "filter": {"tags": "a"}},
        ):
            result = run(Query.parse(COLUMNS, **ask), snapshot)
            assert (result.rows, result.cids(), list(result.batches()), result.next_cursor) == (
                0,
                [],
                [],
                None,
            )
