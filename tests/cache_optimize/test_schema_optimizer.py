"""`SchemaOptimizer` does what its documentation shows, and leaves out only what nobody uses."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cidbus.actors.cache.columns import HOT, Columns
from cidbus.actors.cache.index.layout import Layout
from cidbus.actors.cache.optimize.statistics import ColumnStatistics
from cidbus.cache.schema_column_optimization import SchemaOptimizer, WorkloadType
from cidbus.schemas.errors import BadRequest

from .small_index import DAY_S, NOW_S

SCHEMA = Columns().schema()


def metadata(schema: pa.Schema, name: str) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (schema.field(name).metadata or {}).items()}


def tracked(days: float) -> SchemaOptimizer:
    """One that has watched for so many days that sizes are searched and types are grouped."""
    optimizer = SchemaOptimizer(clock=lambda: NOW_S)
    for at_s in (NOW_S - days * DAY_S, NOW_S - DAY_S):
        for _ in range(20):
            optimizer.track_query(
                {
                    "filters": ["size_bytes"],
                    "projections": ["filename"],
                    "timestamp": at_s,
                    "operation": "read",
                }
            )
            optimizer.track_query(
                {"filters": {"size_bytes": {"$gt": 5}}, "group_by": ["mimetype"], "timestamp": at_s}
            )
    return optimizer


def test_the_documented_example_runs():
    optimizer = SchemaOptimizer()
    optimized = optimizer.optimize_schema(SCHEMA, WorkloadType.READ_HEAVY)
    assert optimized.names == SCHEMA.names
    assert optimized.types == SCHEMA.types
    assert metadata(optimized, "mimetype")["encoding"] == "dictionary"
    assert metadata(optimized, "filename")["encoding"] == "plain"
    assert metadata(optimized, "cid")["index"] == "key"
    assert {metadata(optimized, name)["optimized_for"] for name in optimized.names} == {"read_heavy"}


def test_what_fields_said_before_stays():
    optimized = SchemaOptimizer().optimize_schema(SCHEMA, WorkloadType.ANALYTICAL)
    for name in SCHEMA.names:
        assert metadata(SCHEMA, name).items() <= metadata(optimized, name).items()
    assert optimized.metadata[b"row_group_rows"] == b"65536"


@pytest.mark.parametrize("workload", WorkloadType)
def test_an_optimized_schema_writes_and_reads_as_parquet(workload, table, tmp_path):
    schema = SchemaOptimizer().optimize_schema(table.schema, workload)
    pq.write_table(table.slice(0, 10).cast(schema), tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == table.slice(0, 10).to_pylist()


def test_a_time_series_has_its_index_marked():
    optimized = SchemaOptimizer().optimize_schema(SCHEMA, WorkloadType.TIME_SERIES)
    assert metadata(optimized, "added_timestamp")["index"] == "ordered"
    assert metadata(optimized, "last_accessed")["index"] == "hot"
    assert "index" not in metadata(optimized, "filename")


def test_without_a_workload_it_is_detected():
    optimizer = SchemaOptimizer(clock=lambda: NOW_S)
    assert optimizer.optimize_schema(SCHEMA).metadata[b"optimized_for"] == b"mixed"
    for _ in range(50):
        optimizer.track_query({"group_by": ["mimetype"]})
    assert optimizer.workload_type == WorkloadType.ANALYTICAL
    assert optimizer.optimize_schema(SCHEMA).metadata[b"optimized_for"] == b"analytical"


def test_writes_are_tracked_too():
    optimizer = SchemaOptimizer(clock=lambda: NOW_S)
    for _ in range(50):
        optimizer.track_query({"operation": "write"})
    assert optimizer.workload_type == WorkloadType.WRITE_HEAVY


def test_a_schema_of_other_columns_is_optimized_too():
    schema = pa.schema(
        [("id", pa.string()), ("kind", pa.dictionary(pa.int8(), pa.string())), ("value", pa.float64())]
    )
    optimized = SchemaOptimizer().optimize_schema(schema, WorkloadType.ANALYTICAL)
    assert optimized.names == schema.names
    assert metadata(optimized, "kind")["encoding"] == "dictionary"


def test_measured_values_decide_about_encodings(table):
    optimizer = SchemaOptimizer(statistics=ColumnStatistics.of_table(table), clock=lambda: NOW_S)
    optimized = optimizer.optimize_schema(table.schema, WorkloadType.READ_HEAVY)
    assert metadata(optimized, "mimetype")["encoding"] == "dictionary"
    assert metadata(optimized, "filename")["encoding"] == "plain"
    assert metadata(optimized, "cid")["encoding"] == "plain"


# ---- pruning --------------------------------------------------------------------------------------------


def test_columns_that_nobody_used_in_30_days_are_left_out_but_never_the_key():
    optimized = tracked(days=31).optimize_schema(SCHEMA, WorkloadType.READ_HEAVY)
    assert set(optimized.names) == {"cid", "size_bytes", "mimetype", "filename", *HOT}
    assert metadata(optimized, "size_bytes")["access_frequency"] == "1.000"
    assert metadata(optimized, "filename")["access_frequency"] == "0.500"
    assert metadata(optimized, "filename")["access_recency"] == "0.967"


def test_nothing_is_left_out_before_30_days():
    assert tracked(days=29).optimize_schema(SCHEMA).names == SCHEMA.names


def test_nothing_is_left_out_while_whole_rows_are_read():
    optimizer = tracked(days=31)
    optimizer.observed.note_points(1, at_s=NOW_S)
    assert optimizer.optimize_schema(SCHEMA).names == SCHEMA.names


def test_a_pruned_schema_has_what_is_used_often_enough():
    optimizer = tracked(days=1)
    for _ in range(3):
        optimizer.track_query({"columns": ["source"]})
    assert set(optimizer.generate_pruned_schema(SCHEMA).names) == {
        "cid",
        "size_bytes",
        "mimetype",
        "filename",
        *HOT,
    }
    assert "source" in optimizer.generate_pruned_schema(SCHEMA, usage_threshold=0.01).names
    assert "node" not in optimizer.generate_pruned_schema(SCHEMA, usage_threshold=0).names


def test_without_tracked_queries_nothing_is_pruned():
    assert SchemaOptimizer().generate_pruned_schema(SCHEMA) == SCHEMA


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(BadRequest, match="usage_threshold"):
        SchemaOptimizer().generate_pruned_schema(SCHEMA, threshold)


# ---- savings and indexes --------------------------------------------------------------------------------


def test_savings_are_the_measured_bytes_of_what_is_left_out(table, tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    pruned = pa.schema([each for each in table.schema if each.name != "source_details"])
    pq.write_table(table.drop_columns(["source_details"]), tmp_path / "pruned.parquet")
    real = path.stat().st_size - (tmp_path / "pruned.parquet").stat().st_size
    for place in (path, str(path)):
        savings = SchemaOptimizer().estimate_schema_savings(table.schema, pruned, place)
        assert savings["pruned_columns"] == ["source_details"]
        assert savings["estimated_bytes_saved"] == pytest.approx(real, rel=0.02)
        assert savings["estimated_query_speedup"] > 1.2


def test_savings_can_be_told_from_statistics_and_are_unknown_without_data(table):
    pruned = pa.schema([table.schema.field("cid")])
    known = SchemaOptimizer(statistics=ColumnStatistics.of_table(table))
    assert known.estimate_schema_savings(table.schema, pruned)["estimated_bytes_saved"] > 1_000_000
    unknown = SchemaOptimizer().estimate_schema_savings(table.schema, pruned)
    assert unknown["estimated_bytes_saved"] is None
    assert unknown["pruned_column_count"] == len(table.schema) - 1


def test_an_index_can_be_asked_for():
    proposal = SchemaOptimizer().create_index(Layout(cold=("filename",)), SCHEMA, "filename", "btree")
    assert proposal.layout.indexes == ("filename",)
    assert proposal.layout.cold == ()
    again = SchemaOptimizer().create_index(proposal.layout, SCHEMA, "filename")
    assert not again


@pytest.mark.parametrize(
    ("column", "kind", "field"),
    [
        ("nothing", "ordered", "column_name"),
        ("cid", "ordered", "column_name"),
        ("heat_score", "ordered", "column_name"),
        ("properties", "ordered", "column_name"),
        ("filename", "bloom", "index_type"),
    ],
)
def test_an_index_that_cannot_be_is_refused_with_its_reason(column, kind, field):
    with pytest.raises(BadRequest) as refused:
        SchemaOptimizer().create_index(Layout(), SCHEMA, column, kind)
    assert refused.value.field == field
