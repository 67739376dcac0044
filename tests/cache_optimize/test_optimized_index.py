"""The whole way on a real index: observe, measure, propose, apply; what changes can be counted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cidbus.actors.cache.index.index import CidIndex, IndexOptions
from cidbus.actors.cache.optimize.measure import apply
from cidbus.actors.cache.optimize.observed import Observed
from cidbus.actors.cache.optimize.optimizer import SchemaOptimizer
from cidbus.actors.cache.optimize.propose import propose
from cidbus.actors.cache.optimize.question import question_of_query
from cidbus.actors.cache.optimize.statistics import ColumnStatistics
from cidbus.actors.cache.optimize.workload import WorkloadType
from cidbus.actors.cache.query.aggregate import Aggregation, aggregate
from cidbus.actors.cache.query.explain import explain
from cidbus.actors.cache.query.observed import observed as query_observed
from cidbus.actors.cache.query.query import Query
from cidbus.actors.cache.query.run import run
from cidbus.schemas.cid import CID

from .small_index import DAY_S, NOW_S, table_of

ROWS = 30_000
LARGE = {"filter": {"size_bytes": {"$gt": 999_000}}, "select": ["cid", "size_bytes"]}
BY_TYPE = {"group_by": ["mimetype"], "aggregates": {"n": {"$count": {}}}}


def cids(rows: int) -> pa.Array:
    digests = (hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(rows))
    return pa.array([b"\x01\x55\x12\x20" + digest for digest in digests], pa.binary())


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    table = table_of(ROWS).select(
        ["size_bytes", "mimetype", "filename", "added_timestamp", "source_details", "properties"]
    )
    return table.append_column("cid", cids(ROWS))


@pytest.fixture
def index(rows: pa.Table, tmp_path: Path) -> Iterator[CidIndex]:
    index = CidIndex.open(tmp_path, IndexOptions(), clock=lambda: NOW_S)
    index.ingest(rows)
    yield index
    index.close()


def ask(index: CidIndex, request: Mapping[str, Any]) -> tuple[float, int]:
    """Answers a request; gives the seconds and the rows that were tested."""
    started, snapshot = time.perf_counter(), index.snapshot()
    if "aggregates" in request:
        aggregate(snapshot, group_by=request["group_by"], aggregates=request["aggregates"])
        return time.perf_counter() - started, sum(segment.rows for segment in snapshot.segments)
    query = Query.parse(index.columns, **request)
    run(query, snapshot).cids()
    seconds = time.perf_counter() - started
    return seconds, sum(segment["start"]["rows"] for segment in explain(query, snapshot)["segments"])


def observe(index: CidIndex) -> Observed:
    """Three days in which sizes are searched and types are grouped; nobody looks at the notes."""
    observed = Observed()
    query, groups = Query.parse(index.columns, **LARGE), Aggregation.parse(index.columns, **BY_TYPE)
    share = run(query, index.snapshot()).rows / index.record_count
    for at_s in (NOW_S - 3 * DAY_S, NOW_S):
        for _ in range(50):
            observed.note(question_of_query(query_observed(query), LARGE), at_s=at_s, matched_share=share)
            observed.note(question_of_query(query_observed(groups), BY_TYPE), at_s=at_s)
    return observed


def measured(index: CidIndex, folder: Path) -> ColumnStatistics:
    return ColumnStatistics.of_snapshot(index.snapshot(), files=folder.rglob("*.parquet"), time_s=30)


def test_the_documented_example_runs_on_an_index(index):
    optimized = SchemaOptimizer().optimize_schema(index.schema, WorkloadType.READ_HEAVY)
    assert optimized.names == index.schema.names


def test_statistics_of_an_index_are_close_to_its_rows(index, tmp_path, rows):
    statistics = measured(index, tmp_path)
    assert statistics.rows == ROWS
    assert statistics["mimetype"].distinct == 4
    assert statistics["filename"].distinct == pytest.approx(len(rows["filename"].unique()), rel=0.1)
    assert statistics["source_details"].stored_bytes == pytest.approx(20, abs=15)


def test_an_observed_use_makes_its_filter_read_fewer_rows_and_its_files_smaller(index, tmp_path, rows):
    observed = observe(index)
    usage = observed.usage(NOW_S)
    proposal = propose(index.layout, usage, measured(index, tmp_path), now_s=NOW_S)
    assert "size_bytes" in proposal.layout.indexes
    assert {"source_details", "filename"} <= set(proposal.layout.cold)

    applied = apply(index, proposal, usage.frequent, lambda request: ask(index, request))

    before, after = (
        next(cost for cost in each.questions if "size_bytes" in cost.shape)
        for each in (applied.before, applied.after)
    )
    assert before.rows_read == ROWS
    assert after.rows_read < ROWS / 100
    assert index.layout == proposal.layout

    again = propose(index.layout, usage, measured(index, tmp_path), now_s=NOW_S)
    assert not again, again.changes


def test_cold_columns_are_there_when_asked_for_and_after_reopening(index, tmp_path, rows):
    usage = observe(index).usage(NOW_S)
    apply(index, propose(index.layout, usage, measured(index, tmp_path), now_s=NOW_S), (), lambda _: (0.0, 0))
    picked = [0, 777, ROWS - 1]
    texts = [str(CID.from_bytes(rows["cid"][row].as_py())) for row in picked]
    index.close()
    with_cold = CidIndex.open(tmp_path, IndexOptions(), clock=lambda: NOW_S)
    try:
        for row, text in zip(picked, texts, strict=True):
            known = with_cold.get(text)
            assert known is not None
            assert known["source_details"] == rows["source_details"][row].as_py()
            assert known["filename"] == rows["filename"][row].as_py()
        query = Query.parse(
            with_cold.columns, filter={"filename": rows["filename"][777].as_py()}, select=["cid"]
        )
        assert texts[1] in run(query, with_cold.snapshot()).cids()
    finally:
        with_cold.close()


@pytest.mark.parametrize("workload", WorkloadType)
def test_every_workload_can_be_applied_and_keeps_every_row(index, tmp_path, rows, workload):
    proposal = propose(index.layout, Observed(), measured(index, tmp_path), workload, now_s=NOW_S)
    applied = apply(index, proposal, (), lambda _: (0.0, 0))
    assert index.record_count == ROWS
    (total,) = aggregate(index.snapshot(), aggregates={"bytes": {"$sum": "size_bytes"}})
    assert total["bytes"] == int(np.sum(rows["size_bytes"].to_numpy()))
    if workload == WorkloadType.ANALYTICAL:
        assert applied.after.stored_bytes < applied.before.stored_bytes
