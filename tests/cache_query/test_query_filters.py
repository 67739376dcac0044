"""Random filters over random tables: the index, Arrow and plain Python agree on every row."""

from __future__ import annotations

from cache_query.memory_index import COLUMNS, HEAT, NOW_S, logical_table, passes, small_steps, snapshot_of
from cache_query.random_queries import filters, segments
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cidbus.actors.cache.query import Query, aggregate, explain, expression, parse_filter, run


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(segments(), filters)
def test_a_query_gives_the_live_rows_that_pass_in_row_order(table, filter_):
    parts, rows = table
    with small_steps():
        result = run(Query.parse(COLUMNS, filter=filter_, select=["cid"]), snapshot_of(*parts))
        expected = [row.cid for part in rows for row in part if not row.dead and passes(filter_, row)]
        assert result.cids() == expected
        assert result.rows == len(expected)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(segments(), filters)
def test_the_arrow_expression_gives_the_same_rows(table, filter_):
    _, rows = table
    every = [row for part in rows for row in part]
    made = expression(parse_filter(filter_, COLUMNS), COLUMNS, heat=HEAT, now_s=NOW_S)
    assert logical_table(every).filter(made)["cid"].to_pylist() == [
        r.cid for r in every if passes(filter_, r)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(segments(), filters, st.integers(1, 10), st.booleans())
def test_a_limit_without_order_gives_as_many_rows_that_pass(table, filter_, limit, top_heat):
    parts, rows = table
    with small_steps():
        query = Query.parse(COLUMNS, filter=filter_, limit=limit)
        cids = run(query, snapshot_of(*parts, top_heat=top_heat)).cids()
    passing = {row.cid for part in rows for row in part if not row.dead and passes(filter_, row)}
    assert len(cids) == len(set(cids)) == min(limit, len(passing))
    assert set(cids) <= passing


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(segments(), filters)
def test_explain_and_count_tell_of_the_same_rows(table, filter_):
    parts, rows = table
    with small_steps():
        told = explain(Query.parse(COLUMNS, filter=filter_), snapshot_of(*parts))
        counted = aggregate(snapshot_of(*parts), filter=filter_)
    passing = [sum(not row.dead and passes(filter_, row) for row in part) for part in rows]
    assert [segment["selected"] for segment in told["segments"]] == passing
    assert counted == [{"count": sum(passing)}]
