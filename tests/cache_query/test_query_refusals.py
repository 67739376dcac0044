"""What cannot be answered is refused with the field and the limit, before it costs anything."""

from __future__ import annotations

import contextlib
import json
import math
import time

import numpy as np
import pyarrow as pa
import pytest
from cache_query.memory_index import COLUMNS, HEAT, NOW_S, MemorySegment, Row, cid_of, snapshot_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.cache.columns import Columns
from cidbus.actors.cache.index.segment import Snapshot
from cidbus.actors.cache.query import Query, aggregate, parse_filter, run
from cidbus.schemas.errors import BadRequest


def _refused(filter_: object) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        Query.parse(COLUMNS, filter=filter_)
    return refused.value


def _nested(levels: int) -> dict:
    filter_: dict = {"size_bytes": 1}
    for _ in range(levels):
        filter_ = {"$not": filter_}
    return filter_


def test_a_filter_nested_ten_thousand_deep_is_refused_by_its_limit():
    for deep in (_nested(10_000), {"size_bytes": _nested(10_000)}, {"$and": [_nested(10_000)]}):
        error = _refused(deep)
        assert (error.field, error.limit) == ("filter", 32)


def test_a_filter_that_contains_itself_is_refused():
    filter_: dict = {}
    filter_["$not"] = filter_
    assert _refused(filter_).limit == 32


def test_lists_nested_ten_thousand_deep_are_refused():
    value: list = []
    for _ in range(10_000):
        value = [value]
    assert _refused({"$and": value}).field == "filter"
    assert _refused({"size_bytes": value}).field == "filter.size_bytes"
    assert _refused({"size_bytes": {"$in": value}}).field == "filter.size_bytes"
    assert _refused(value).field == "filter"


def test_nesting_up_to_the_limit_is_understood():
    parse_filter(_nested(31), COLUMNS)
    assert _refused(_nested(32)).limit == 32


def test_more_than_a_thousand_conditions_are_refused():
    parse_filter({"$or": [{"size_bytes": n} for n in range(999)]}, COLUMNS)
    assert _refused({"$or": [{"size_bytes": n} for n in range(1001)]}).limit == 1000
    assert _refused({"$or": [{} for _ in range(100_000)]}).limit == 1000


def test_more_than_ten_thousand_values_after_in_are_refused():
    parse_filter({"size_bytes": {"$in": list(range(10_000))}}, COLUMNS)
    error = _refused({"size_bytes": {"$in": list(range(10_001))}})
    assert (error.field, error.limit) == ("filter.size_bytes", 10_000)


@pytest.mark.parametrize(
    ("filter_", "field", "says"),
    [
        ({"sise": 1}, "filter.sise", "size_bytes"),
        ({"mimetype.x": 1}, "filter.mimetype.x", "no such column"),
        ({"properties.": "x"}, "filter.properties.", "no such column"),
        ({"size_bytes": {"$near": 1}}, "filter.size_bytes", "$gte"),
        ({"size_bytes": {"$regex": "1"}}, "filter.size_bytes", "allowed are"),
        ({"size_bytes": {"$gt": 1, "x": 2}}, "filter.size_bytes", "unknown operator x"),
        ({"size_bytes": {}}, "filter.size_bytes", "no operator"),
        ({"$nor": [{}]}, "filter", "$and"),
        ({"$and": {}}, "filter", "list"),
        ({"$and": []}, "filter", "list"),
        ({"$or": [1]}, "filter", "object"),
        ({"$not": []}, "filter", "object"),
        ({5: 1}, "filter", "text"),
        ([], "filter", "object"),
        ("size_bytes", "filter", "object"),
        (0, "filter", "object"),
        (False, "filter", "object"),
        ({"size_bytes": "1"}, "filter.size_bytes", "whole numbers, not text"),
        ({"size_bytes": True}, "filter.size_bytes", "not a truth value"),
        ({"size_bytes": 1.5}, "filter.size_bytes", "fraction"),
        ({"size_bytes": {"$gt": math.nan}}, "filter.size_bytes", "NaN"),
        ({"size_bytes": {"$gt": math.inf}}, "filter.size_bytes", "infinity"),
        ({"size_bytes": math.nan}, "filter.size_bytes", "NaN"),
        ({"size_bytes": {"$gt": None}}, "filter.size_bytes", "null"),
        ({"size_bytes": 2**63}, "filter.size_bytes", "9223372036854775807"),
        ({"size_bytes": -(2**63) - 1}, "filter.size_bytes", "-9223372036854775808"),
        ({"cid_version": 128}, "filter.cid_version", "127"),
        ({"port": -1}, "filter.port", "65535"),
        ({"access_count": {"$gt": 2**31}}, "filter.access_count", "2147483647"),
        ({"access_count": 10**400}, "filter.access_count", "2147483647"),
        ({"quality": 10**400}, "filter.quality", "64 bits"),
        ({"level": 1e300}, "filter.level", "32 bits"),
        ({"quality": "x"}, "filter.quality", "numbers"),
        ({"quality": {"$in": [1, math.nan]}}, "filter.quality", "NaN"),
        ({"heat_score": {"$in": [0.5]}}, "filter.heat_score", "allowed are"),
        ({"heat_score": {"$gt": "hot"}}, "filter.heat_score", "not text"),
        ({"mimetype": 5}, "filter.mimetype", "text, not a number"),
        ({"mimetype": {"$in": "x"}}, "filter.mimetype", "list of values"),
        ({"mimetype": {"$in": ["x", 5]}}, "filter.mimetype", "not a number"),
        ({"mimetype": ["x"]}, "filter.mimetype", "not a list"),
        ({"mimetype": "\ud800"}, "filter.mimetype", "Unicode"),
        ({"mimetype": {"$exists": 1}}, "filter.mimetype", "true or false"),
        ({"mimetype": {"$not": "x"}}, "filter.mimetype", "$not"),
        ({"mimetype": {"$contains": 1}}, "filter.mimetype", "text"),
        ({"is_pinned": 1}, "filter.is_pinned", "true or false"),
        ({"is_pinned": {"$gt": True}}, "filter.is_pinned", "allowed are"),
        ({"tags": 5}, "filter.tags", "text"),
        ({"tags": {"$in": ["a"]}}, "filter.tags", "$contains"),
        ({"properties": "x"}, "filter.properties", "$exists"),
        ({"properties.k": 5}, "filter.properties.k", "text"),
        ({"added_timestamp": "yesterday"}, "filter.added_timestamp", "ISO 8601"),
        ({"added_timestamp": True}, "filter.added_timestamp", "Unix seconds"),
        ({"added_timestamp": math.nan}, "filter.added_timestamp", "NaN"),
        ({"added_timestamp": 1e300}, "filter.added_timestamp", "from"),
        ({"added_timestamp": 10**30}, "filter.added_timestamp", "from"),
        ({"cid": "no cid"}, "filter.cid", "CIDs"),
        ({"cid": {"$gt": cid_of(1)}}, "filter.cid", "allowed are"),
        ({"x" * 5000: 1}, "filter." + "x" * 100 + "…", "no such column"),
    ],
)  # fmt: skip
def test_a_filter_that_means_nothing_names_its_column(filter_, field, says):
    error = _refused(filter_)
    assert error.field == field
    assert says in error.problem
    assert len(str(error)) < 1000


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "a{2}{3}{", "[", "*", r"\pQ"])
def test_a_pattern_that_re2_does_not_know_is_refused(pattern):
    error = _refused({"filename": {"$regex": pattern}})
    assert error.field == "filter.filename"
    assert "RE2" in error.problem


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        ("a" * 257, 256),
        ("a{201}", 200),
        ("a{0,201}", 200),
        ("a{201,}", 200),
        ("(a|b)*a(a|b){900}c", 200),
        ("((a{100}){100}){100}", 200),
        ("(a{20}b){11}", 200),
        ("a{100000}", 200),
        ("(abcdef){200}", 1024),
        (r"(\pL\d){100}", 1024),
        (r"[\pL\pN]{20}", 1024),
    ],
)
def test_a_pattern_that_costs_too_much_is_refused_with_its_limit(pattern, limit):
    error = _refused({"filename": {"$regex": pattern}})
    assert (error.field, error.limit) == ("filter.filename", limit)


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * 256,
        "a{200}",
        "(a{20}){10}",
        "(a|b)*a(a|b){200}c",
        "a{0}b{1}c{0,1}" * 10,
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        r"^\p{Greek}{3,}\.(?i:jpe?g)$",
        r"\Qa{900}\E",
        r"[a{900}]",
        r"a\{900}",
    ],
)
def test_a_pattern_within_the_limits_is_understood(pattern):
    parse_filter({"filename": {"$regex": pattern}}, COLUMNS)


def test_more_than_thirty_two_patterns_are_refused():
    def several(count):
        return {"$or": [{"filename": {"$regex": f"a{n}"}} for n in range(count)]}

    parse_filter(several(32), COLUMNS)
    error = _refused(several(33))
    assert (error.field, error.limit) == ("filter", 32)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, json.loads("1e999")])
@pytest.mark.parametrize("name", [*(column.name for column in COLUMNS), "properties.k"])
def test_what_is_no_finite_number_is_refused_for_every_column(name, number):
    operators = ("$eq", "$ne", "$gt", "$lte", "$exists", "$contains", "$regex", "$not", "$none")
    for condition in (number, [number], *({operator: number} for operator in operators)):
        error = _refused({name: condition})
        assert error.field == f"filter.{name}"
        assert "a finite number" in error.problem
    for condition in ({"$in": [None, number]}, {"$nin": [number]}, {"$not": {"$in": [number]}}):
        assert "a finite number" in _refused({"$not": {name: condition}}).problem


def test_a_column_that_is_not_there_is_told_back_as_it_was_given():
    for ask in ({"sort": ["-"]}, {"sort": ["--cid"]}, {"select": [""]}, {"sort": ["-sise"]}):
        [[asked]] = ask.values()
        with pytest.raises(BadRequest, match=f'no such column: "{asked}";'):
            Query.parse(COLUMNS, **ask)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){25}", "^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_an_exploding_pattern_takes_time_linear_in_the_text(pattern):
    rows = [Row(cid_of(n), {"filename": "a" * 20_000 + "!"}) for n in range(4)]
    began = time.process_time()
    result = run(
        Query.parse(COLUMNS, filter={"filename": {"$regex": pattern}}), snapshot_of(MemorySegment("r", rows))
    )
    assert result.rows == (4 if pattern == "(.*a){25}" else 0)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("ask", "field", "limit"),
    [
        ({"limit": 10**12}, "limit", 1_000_000),
        ({"limit": 0}, "limit", 1),
        ({"limit": -1}, "limit", 1),
        ({"limit": 1.0}, "limit", None),
        ({"limit": True}, "limit", None),
        ({"limit": "10"}, "limit", None),
        ({"select": ["cid", "nothing"]}, "select", None),
        ({"select": []}, "select", None),
        ({"select": "cid"}, "select", None),
        ({"select": ["cid", "cid"]}, "select", None),
        ({"select": ["cid"] * 100}, "select", len(COLUMNS)),
        ({"select": [["cid"]]}, "select", None),
        ({"sort": ["nothing"]}, "sort", None),
        ({"sort": ["--cid"]}, "sort", None),
        ({"sort": "cid"}, "sort", None),
        ({"sort": [5]}, "sort", None),
        ({"sort": ["tags"]}, "sort", None),
        ({"sort": ["properties"]}, "sort", None),
        ({"sort": ["cid"] * 9}, "sort", 8),
    ],
)
def test_a_query_out_of_bounds_names_its_field_and_limit(ask, field, limit):
    with pytest.raises(BadRequest) as refused:
        Query.parse(COLUMNS, **ask)
    assert refused.value.field == field
    assert refused.value.details.get("limit") == limit


@pytest.mark.parametrize(
    ("ask", "field", "limit"),
    [
        ({"group_by": ["nothing"]}, "group_by", None),
        ({"group_by": "mimetype"}, "group_by", None),
        ({"group_by": ["tags"]}, "group_by", None),
        ({"group_by": [1]}, "group_by", None),
        ({"group_by": ["mimetype"] * 5}, "group_by", 4),
        ({"group_by": ["mimetype"], "aggregates": {"mimetype": {"$count": {}}}}, "aggregates", None),
        ({"aggregates": []}, "aggregates", None),
        ({"aggregates": {}}, "aggregates", None),
        ({"aggregates": {1: {"$count": {}}}}, "aggregates", None),
        ({"aggregates": {str(n): {"$count": {}} for n in range(33)}}, "aggregates", 32),
        ({"aggregates": {"a": {"$median": "size_bytes"}}}, "aggregates.a", None),
        ({"aggregates": {"a": {"$sum": "mimetype"}}}, "aggregates.a", None),
        ({"aggregates": {"a": {"$sum": "nothing"}}}, "aggregates.a", None),
        ({"aggregates": {"a": {"$sum": 1}}}, "aggregates.a", None),
        ({"aggregates": {"a": {"$sum": "size_bytes", "$avg": "size_bytes"}}}, "aggregates.a", None),
        ({"aggregates": {"a": {"$histogram": {"column": "size_bytes"}}}}, "aggregates.a", None),
        ({"aggregates": {"a": {"$histogram": {"column": "size_bytes", "bins": 0}}}}, "aggregates.a", None),
        ({"aggregates": {"a": {"$histogram": {"column": "size_bytes", "bins": 1001}}}}, "aggregates.a", 1000),
        ({"aggregates": {"a": {"$histogram": {"column": "size_bytes", "bins": [1]}}}}, "aggregates.a", None),
        (
            {"aggregates": {"a": {"$histogram": {"column": "size_bytes", "bins": [2, 1]}}}},
            "aggregates.a",
            None,
        ),
        (
            {"aggregates": {"a": {"$histogram": {"column": "size_bytes", "bins": [0, math.nan]}}}},
            "aggregates.a",
            None,
        ),
        ({"filter": {"nothing": 1}}, "filter.nothing", None),
    ],
)
def test_an_aggregation_out_of_bounds_names_its_field_and_limit(ask, field, limit):
    with pytest.raises(BadRequest) as refused:
        aggregate(snapshot_of(), **ask)
    assert refused.value.field == field
    assert refused.value.details.get("limit") == limit


def test_more_than_ten_thousand_groups_are_refused():
    rows = [Row(cid_of(n), {"size_bytes": n}) for n in range(10_001)]
    aggregate(snapshot_of(MemorySegment("r", rows[:-1])), group_by=["size_bytes"])
    for parts in ([rows], [rows[:5000], rows[5000:]]):
        segments = [MemorySegment("r", part) for part in parts]
        with pytest.raises(BadRequest) as refused:
            aggregate(snapshot_of(*segments), group_by=["size_bytes"])
        assert (refused.value.field, refused.value.limit) == ("group_by", 10_000)


def test_a_query_that_was_refused_is_not_taken_for_one_that_looks_like_it():
    Query.parse(COLUMNS, filter={"quality": None})
    for wrong in (math.nan, math.inf):
        assert _refused({"quality": wrong}).field == "filter.quality"
    Query.parse(COLUMNS, filter={"size_bytes": 1})
    assert _refused({"size_bytes": True}).field == "filter.size_bytes"
    Query.parse(COLUMNS, limit=1)
    with pytest.raises(BadRequest):
        Query.parse(COLUMNS, limit=True)


def test_values_that_json_has_not_are_refused_as_others_are():
    assert _refused({"size_bytes": np.int64(5)}).field == "filter.size_bytes"
    assert _refused({"size_bytes": object()}).field == "filter.size_bytes"
    assert _refused({"mimetype": pa.scalar("x")}).field == "filter.mimetype"


def test_a_query_of_columns_that_have_changed_meanwhile_is_refused():
    without = Columns(tuple(column for column in COLUMNS if column.name != "port"))
    snapshot = Snapshot(without, HEAT, [MemorySegment("r", [Row(cid_of(1))])], NOW_S, 2)
    assert run(Query.parse(COLUMNS, select=["cid"]), snapshot).rows == 1
    for ask in (
        {"filter": {"port": 1}, "select": ["cid"]},
        {"select": ["port"]},
        {"sort": ["port"], "select": ["cid"]},
    ):
        with pytest.raises(BadRequest, match="port is no column any more"):
            run(Query.parse(COLUMNS, **ask), snapshot)


_names = st.sampled_from(
    [*COLUMNS.names, "properties.k", "$and", "$or", "$not", "$in", "$gt", "$eq", "$regex", "$exists", ""]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(_names, _json, max_size=2), _json, _json, _json)
def test_whatever_is_asked_is_understood_or_refused(filter_, sort, limit, aggregates):
    for ask in ({"filter": filter_}, {"sort": sort}, {"limit": limit}, {"select": sort}, {"cursor": sort}):
        with contextlib.suppress(BadRequest):
            run(Query.parse(COLUMNS, **ask), _ONE_ROW)
    with contextlib.suppress(BadRequest):
        aggregate(_ONE_ROW, group_by=sort, aggregates=aggregates)


_ONE_ROW = snapshot_of(MemorySegment("r", [Row(cid_of(1), {"size_bytes": 1})]))


@pytest.mark.parametrize("at", [2**53, -(2**53), 9e15, -9e15])
def test_times_beyond_all_calendars_are_compared_and_match_nothing_wrong(at):
    for op in ("$gt", "$lt", "$gte", "$lte", "$eq"):
        for name in ("last_accessed", "added_timestamp"):
            run(Query.parse(COLUMNS, filter={name: {op: at}}), _ONE_ROW)
