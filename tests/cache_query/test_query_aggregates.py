"""Aggregates are what Python computes from the rows: exact for whole numbers, in every group."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cache_query.memory_index import COLUMNS, MemorySegment, Row, cid_of, passes, small_steps, snapshot_of
from cache_query.random_queries import filters, segments
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.cache.query import Aggregation, aggregate, observed

MEASURES = {
    "n": {"$count": {}},
    "sized": {"$count": "size_bytes"},
    "named": {"$count": "filename"},
    "seen": {"$count": "last_accessed"},
    "bytes": {"$sum": "size_bytes"},
    "counts": {"$sum": "access_count"},
    "ports": {"$sum": "port"},
    "least": {"$min": "size_bytes"},
    "most": {"$max": "size_bytes"},
    "first": {"$min": "added_timestamp"},
    "last": {"$max": "last_accessed"},
    "a_name": {"$min": "filename"},
    "z_type": {"$max": "mimetype"},
    "z_cid": {"$max": "cid"},
    "mean": {"$avg": "access_count"},
    "levels": {"$sum": "level"},
    "sizes": {"$histogram": {"column": "port", "bins": [0, 80, 1000]}},
}
GROUPABLE = ["mimetype", "filename", "is_pinned", "storage_tier", "access_count", "checked", "day", "port"]


def _values(rows: list[Row], name: str) -> list:
    return [row.logical(name) for row in rows if row.logical(name) is not None]


def _expected(rows: list[Row]) -> dict:
    def seconds(units: int | None) -> float | None:
        return None if units is None else units / 1000

    ports, counts = _values(rows, "port"), _values(rows, "access_count")
    return {
        "n": len(rows),
        "sized": len(_values(rows, "size_bytes")),
        "named": len(_values(rows, "filename")),
        "seen": len(_values(rows, "last_accessed")),
        "bytes": sum(_values(rows, "size_bytes")),
        "counts": sum(counts),
        "ports": sum(ports),
        "least": min(_values(rows, "size_bytes"), default=None),
        "most": max(_values(rows, "size_bytes"), default=None),
        "first": seconds(min(_values(rows, "added_timestamp"), default=None)),
        "last": seconds(max(_values(rows, "last_accessed"), default=None)),
        "a_name": min(_values(rows, "filename"), default=None),
        "z_type": max(_values(rows, "mimetype"), default=None),
        "z_cid": max(_values(rows, "cid"), default=None),
        "mean": sum(counts) / len(counts) if counts else None,
        "levels": float(sum(_values(rows, "level"))),
        "sizes": {
            "edges": [0, 80, 1000],
            "counts": [sum(0 <= p < 80 for p in ports), sum(80 <= p <= 1000 for p in ports)],
        },
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(segments(), filters, st.lists(st.sampled_from(GROUPABLE), max_size=3, unique=True))
def test_aggregates_are_those_of_the_rows_that_pass(table, filter_, group_by):
    parts, rows = table
    with small_steps():
        given_ = aggregate(snapshot_of(*parts), filter=filter_, group_by=group_by, aggregates=MEASURES)
    groups: dict[tuple, list[Row]] = {} if group_by else {(): []}
    for row in (row for part in rows for row in part if not row.dead and passes(filter_, row)):
        groups.setdefault(tuple(row.logical(name) for name in group_by), []).append(row)
    expected = [dict(zip(group_by, key, strict=True)) | _expected(some) for key, some in groups.items()]

    def key(group: dict) -> list:
        return [(group[name] is None, group[name]) for name in group_by]

    assert given_ == sorted(expected, key=key)


def _sizes(*sizes: int | None) -> list[Row]:
    return [Row(cid_of(n), {"size_bytes": size, "mimetype": "x"}) for n, size in enumerate(sizes)]


@pytest.mark.parametrize("group_by", [[], ["mimetype"]])
@pytest.mark.parametrize("zone_rows", [0, 2])
def test_a_sum_beyond_64_bits_is_exact(group_by, zone_rows):
    sizes = [2**63 - 1, 2**63 - 1, 2**63 - 3, None, -(2**63), 5, 2**53 + 1]
    snapshot = snapshot_of(MemorySegment("r", _sizes(*sizes), zone_rows=zone_rows))
    [group] = aggregate(snapshot, group_by=group_by, aggregates={"bytes": {"$sum": "size_bytes"}})
    assert group["bytes"] == sum(size for size in sizes if size is not None)


def test_an_average_of_large_numbers_does_not_overflow():
    snapshot = snapshot_of(MemorySegment("r", _sizes(2**63 - 1, 2**63 - 1)))
    assert aggregate(snapshot, aggregates={"a": {"$avg": "size_bytes"}}) == [{"a": float(2**63 - 1)}]


def test_nothing_has_counts_and_sums_of_zero_and_no_extremes():
    measures = {"n": {"$count": {}}, "s": {"$sum": "size_bytes"}, "m": {"$min": "size_bytes"}} | {
        "a": {"$avg": "size_bytes"}, "h": {"$histogram": {"column": "size_bytes", "bins": 3}},
    }  # fmt: skip
    empty = {"n": 0, "s": 0, "m": None, "a": None, "h": {"edges": [], "counts": []}}
    assert aggregate(snapshot_of(), aggregates=measures) == [empty]
    snapshot = snapshot_of(MemorySegment("r", _sizes(1, 2)))
    assert aggregate(snapshot, filter={"size_bytes": 3}, aggregates=measures) == [empty]
    assert aggregate(snapshot, filter={"size_bytes": 3}, group_by=["mimetype"], aggregates=measures) == []


def test_a_histogram_of_equal_bins_spans_from_the_least_to_the_greatest_of_all_segments():
    parts = [MemorySegment("a", _sizes(0, 1, 2)), MemorySegment("b", _sizes(3, None, 10))]
    [told] = aggregate(
        snapshot_of(*parts), aggregates={"h": {"$histogram": {"column": "size_bytes", "bins": 5}}}
    )
    counts, edges = np.histogram([0, 1, 2, 3, 10], bins=5)
    assert told["h"] == {"edges": edges.tolist(), "counts": counts.tolist()}


def test_a_histogram_of_one_value_has_a_bin_around_it():
    snapshot = snapshot_of(MemorySegment("r", _sizes(7, 7)))
    [told] = aggregate(snapshot, aggregates={"h": {"$histogram": {"column": "size_bytes", "bins": 1}}})
    assert told["h"] == {"edges": [6.5, 7.5], "counts": [2]}


def test_times_are_unix_seconds_and_scores_lie_between_zero_and_one():
    rows = [Row(cid_of(n), {"added_timestamp": n * 1500}, log=0.0) for n in range(3)]
    measures = {
        "t": {"$avg": "added_timestamp"},
        "h": {"$histogram": {"column": "added_timestamp", "bins": [0, 1.5, 4]}},
        "s": {"$max": "heat_score"},
    }
    [told] = aggregate(snapshot_of(MemorySegment("r", rows)), aggregates=measures)
    assert told["t"] == 1.5
    assert told["h"]["counts"] == [1, 2]
    assert 0 < told["s"] < 1


def test_nan_is_left_out_like_null():
    rows = [Row(cid_of(n), {"quality": value}) for n, value in enumerate([1.0, math.nan, 3.0, None])]
    measures = {"s": {"$sum": "quality"}, "a": {"$avg": "quality"}, "m": {"$max": "quality"}}
    assert aggregate(snapshot_of(MemorySegment("r", rows)), aggregates=measures) == [
        {"s": 4.0, "a": 2.0, "m": 3.0}
    ]


def test_what_an_aggregation_uses_is_told():
    question = Aggregation.parse(
        COLUMNS,
        filter={
            "properties.author": "x",
            "$or": [{"size_bytes": {"$gt": 1}}, {"heat_score": {"$not": {"$lt": 0.5}}}],
        },
        group_by=["mimetype"],
        aggregates={"n": {"$count": {}}, "s": {"$sum": "size_bytes"}},
    )
    told = observed(question)
    assert told.filtered == (("properties", "equal"), ("size_bytes", "range"), ("heat_score", "range"))
    assert (told.grouped_by, told.aggregated) == (("mimetype",), ("size_bytes",))


def test_counts_and_sums_of_everything_leave_out_the_dead():
    rows = _sizes(2**62, 2**62, 2**62, 5, None, None)
    for n in (0, 3, 5):
        rows[n].dead = True
    measures = {"n": {"$count": {}}, "sized": {"$count": "size_bytes"}, "bytes": {"$sum": "size_bytes"}}
    told = aggregate(
        snapshot_of(MemorySegment("a", rows), MemorySegment("b", _sizes(7))), aggregates=measures
    )
    assert told == [{"n": 4, "sized": 3, "bytes": 2**63 + 7}]
